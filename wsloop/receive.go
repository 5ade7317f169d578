package wsloop

import (
	"fmt"
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// begin is the first call of the loop for a connection.
func (c *Conn) begin() {
	l := c.loop
	c.mu.Lock()
	l.place(c)
	c.arm() // if the caller of Attach has already filled the transport
	c.mu.Unlock()
	c.began = l.now
	c.until = later(l.now, l.s.handshakeTimeout)
	switch {
	case c.flags&flagRefusing != 0:
		c.refuse(nil, errUnavailable)
	case c.phase == phaseOpen:
		c.opened()
		c.resume()
	case c.phase == phaseSecure:
		c.link.(*secure).start(c)
	}
	if l.s.leaving.Load() { // Shutdown has already visited the others
		l.dismiss(c)
	}
	c.listen()
}

// place assigns a slot to c. The generation is not 0. c.mu is held.
func (l *loop) place(c *Conn) {
	l.generation = max(l.generation+1, 1)
	c.id.generation = l.generation
	if n := len(l.free); n > 0 {
		c.id.slot = l.free[n-1]
		l.free = l.free[:n-1]
	} else {
		c.id.slot = uint32(len(l.slots))
		l.slots = append(l.slots, nil)
	}
	l.slots[c.id.slot] = c
}

// opened begins the open phase, and calls Open.
func (c *Conn) opened() {
	l := c.loop
	c.phase = phaseOpen
	c.until = l.s.endOfLife(l.now)
	c.flags |= flagOpened
	c.countOpened()
	if f := c.handler.Open; f != nil {
		f(c)
	}
}

// receive receives once.
func (c *Conn) receive() {
	if c.phase == phaseDead || c.flags&flagEOF != 0 {
		return
	}
	if c.link != nil {
		c.link.receive(c)
		return
	}
	l := c.loop
	n, err := readDescriptor(int(c.fd), l.buf)
	switch {
	case n > 0:
		c.received(l.buf[:n])
	case err == nil:
		c.inputEnded(nil)
	case err != errAgain:
		c.inputEnded(fmt.Errorf("wsloop: read: %w", err))
	}
}

// received handles p, the next bytes received, after decryption. It may modify
// them and does not retain them.
func (c *Conn) received(p []byte) {
	c.loop.tally.bytesIn += uint64(len(p))
	if c.phase == phaseHead {
		p = c.request(p)
	}
	if c.phase != phaseOpen {
		c.drop(len(p))
		return
	}
	if c.protocol.Timed() {
		c.protocol.Heard(c.loop.now, len(p))
	}
	if c.stash != nil {
		c.stash = c.stash.Append(p)
		return
	}
	c.feed(p)
}

// maxDropped is how many bytes a client may send after its request was refused.
// The client would miss the response if the transport were closed with unread
// input.
const maxDropped = 256 << 10

// drop counts n bytes that came after the end.
func (c *Conn) drop(n int) {
	if c.phase != phaseOver || c.flags&flagRefused == 0 {
		return
	}
	if c.dropped += uint32(n); c.dropped > maxDropped {
		c.loop.release(c)
	}
}

// feed decodes p and calls the handler, until p is consumed, the input is held,
// or the connection is over.
func (c *Conn) feed(p []byte) {
	l := c.loop
	for {
		if h := c.held.Load(); h != 0 && !c.goesOn(h) {
			break
		}
		ev, n, err := c.protocol.NextMessage(p)
		p = p[n:]
		switch {
		case err == io.ErrUnexpectedEOF:
			return
		case err != nil:
			c.fault(err, len(p) > 0)
			return
		case ev.OpCode.IsControl():
			l.rest = p
			c.control(ev)
		case c.flags&flagClosing == 0:
			l.rest = p
			l.countRead(c, &ev)
			if f := c.handler.Message; f != nil {
				f(c, ev.OpCode, ev.Payload)
			}
		}
		l.rest = nil
	}
	if len(p) > 0 {
		c.stash = bufpool.Get(len(p))
		c.stash.B = append(c.stash.B, p...)
	}
}

// goesOn reports whether input is decoded although these reasons hold it.
func (c *Conn) goesOn(held int32) bool {
	if held&heldByClose != 0 {
		c.closes() // from here on messages are dropped until the peer's close frame
	}
	return held&heldByAbort == 0 && c.flags&flagClosing != 0
}

// resume continues with the held input.
func (c *Conn) resume() {
	if c.phase != phaseOpen || c.held.Load()&heldInput != 0 && c.flags&flagClosing == 0 {
		return
	}
	if b := c.stash; b != nil {
		c.stash = nil
		c.feed(b.B)
		b.Free()
	}
	if c.flags&flagEOF != 0 && c.stash == nil {
		c.protocol.EOF()
	}
}

// control answers a control frame.
func (c *Conn) control(ev wsutil.Event) {
	s := c.loop.s
	if ev.OpCode != ws.OpClose {
		s.countControl(ev.OpCode, false)
	}
	switch ev.OpCode {
	case ws.OpPong:
		if f := c.handler.Pong; f != nil && c.flags&flagClosing == 0 {
			f(c, ev.Payload)
		}
	case ws.OpPing:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.blocked {
			c.replies.Add(ws.OpPong, ev.Payload)
			return
		}
		c.reply(ev)
		s.countControl(ws.OpPong, true)
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.dropWaiting() // a close frame follows what is encoded
		c.encodeClose() // our own close frame precedes the echo, because it has our code and reason
		c.reply(ev)
	}
}

// reply encodes the answer to ev. mu is held.
func (c *Conn) reply(ev wsutil.Event) {
	if !c.broken {
		c.encode(func(dst []byte) ([]byte, error) { return c.protocol.AppendReply(dst, ev), nil })
	}
}

// fault ends the connection because of an error in the input.
func (c *Conn) fault(err error, unread bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if unread {
		c.flags |= flagUnread
	}
	if !c.protocol.ReplyDue() || c.broken {
		return
	}
	c.dropWaiting() // a close frame follows what is encoded
	c.encode(func(dst []byte) ([]byte, error) { return c.protocol.AppendCloseFor(dst, err), nil })
}

// inputEnded handles the end of the input. err is nil or the error of a read.
func (c *Conn) inputEnded(err error) {
	c.flags |= flagEOF
	c.listen()
	if err != nil {
		c.mu.Lock()
		c.giveUpWriting(err)
		c.mu.Unlock()
	}
	switch {
	case c.phase != phaseOpen:
		c.loop.ended(c)
	case c.stash != nil: // held input is decoded first, in resume
		if err != nil {
			c.protocol.Fail(err)
		}
	default:
		if err != nil {
			c.protocol.Fail(err)
		}
		c.protocol.EOF()
	}
}

// listen starts or stops reading.
func (c *Conn) listen() {
	reads := c.flags&flagEOF == 0 && c.phase != phaseDead && (c.phase != phaseOpen || c.held.Load()&heldInput == 0 || c.flags&flagClosing != 0)
	if reads != c.reads { // only the loop changes c.reads
		c.mu.Lock()
		c.reads = reads
		c.arm()
		c.mu.Unlock()
	}
	if c.phase == phaseOpen && c.protocol.Timed() {
		if reads {
			c.protocol.Waits(c.loop.now)
		} else {
			c.protocol.Heard(c.loop.now, 0)
		}
	}
}
