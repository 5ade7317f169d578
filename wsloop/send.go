package wsloop

import (
	"context"
	"fmt"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// A message that is sent while nothing waits is encoded into out immediately,
// and written at the end of the loop's iteration. A long message is written
// immediately, without a copy. When the transport accepts no more, messages
// wait in the queue and pongs in replies. flush encodes them when the transport
// accepts data again.

// link is a transport that is not a plain descriptor. All methods except send,
// waiting, counted and close are called on the loop.
type link interface {
	// receive passes received data to c.received, and the end of the input to
	// c.inputEnded.
	receive(c *Conn)

	// send sends the first n bytes of p. It returns errAgain if the transport
	// accepts no more for now, even if n is len(p). mu is held.
	send(c *Conn, p []byte) (n int, err error)

	// waiting returns how many bytes were accepted but not written. mu is held.
	waiting() int

	// counted returns how many of those bytes count toward the limit of the
	// queue. mu is held.
	counted() int

	// listen starts or stops reading. mu is held.
	listen(c *Conn, on bool)

	// closeWrite ends sending. It returns false if the transport does not
	// support that.
	closeWrite(c *Conn) bool

	// close closes the transport without waiting. mu is held.
	close(c *Conn)
}

// Send sends a message: op is ws.OpText or ws.OpBinary. It never blocks and
// does not retain p. The result is one of:
//
//   - [wsutil.SendSent]: nothing waits before it; it is written at the end of the
//     loop's iteration, or immediately if it has 16 KiB or more;
//   - [wsutil.SendQueued], or one of the other results that Taken reports: the peer is
//     behind, and the message waits;
//   - [wsutil.SendDropped]: the policy of the queue dropped it;
//   - [wsutil.SendFailed] with an error: [ErrClosed]; [wsutil.ErrSendTooLarge] for a
//     message of more than Config.Queue.MaxBytes; [wsutil.ErrSendQueueFull], after
//     which the connection closes; or [wsutil.ErrNotSendable].
func (c *Conn) Send(op ws.OpCode, p []byte) (wsutil.SendResult, error) {
	c.mu.Lock()
	r, err := c.send(op, p, nil, "")
	c.mu.Unlock()
	return r, err
}

// SendKey is like Send, but the message replaces a waiting message with the
// same key, so that a slow peer gets only the newest value.
func (c *Conn) SendKey(op ws.OpCode, p []byte, key string) (wsutil.SendResult, error) {
	c.mu.Lock()
	r, err := c.send(op, p, nil, key)
	c.mu.Unlock()
	return r, err
}

// SendPrepared is like Send, for a message that is encoded once for many
// connections. m must be a text or binary message.
func (c *Conn) SendPrepared(m *wsutil.PreparedMessage) (wsutil.SendResult, error) {
	return c.SendPreparedKey(m, "")
}

// SendPreparedKey is like SendKey, for a prepared message.
func (c *Conn) SendPreparedKey(m *wsutil.PreparedMessage, key string) (wsutil.SendResult, error) {
	c.mu.Lock()
	r, err := c.send(m.OpCode(), m.Payload(), m, key)
	c.mu.Unlock()
	return r, err
}

// SendWait is like Send, but waits until the message fits into the queue or ctx
// ends. It must not be called on a loop, where it would stop all connections of
// that loop. Call it from goroutines and from functions given to [Conn.Go].
func (c *Conn) SendWait(ctx context.Context, op ws.OpCode, p []byte) error {
	for {
		c.mu.Lock()
		if !c.blocked || !c.sendable() || c.tooLarge(len(p)) || c.queueOf().Fits(len(p)) {
			_, err := c.send(op, p, nil, "")
			c.mu.Unlock()
			return err
		}
		r := c.rarely()
		if r.room == nil {
			r.room = make(chan struct{})
		}
		room := r.room
		c.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return fmt.Errorf("wsloop: send: %w", context.Cause(ctx))
		}
	}
}

// roomMade wakes the callers of SendWait. mu is held.
func (c *Conn) roomMade() {
	if r := c.rare; r != nil && r.room != nil {
		close(r.room)
		r.room = nil
	}
}

// Ping sends a ping. p is at most 125 bytes long and is not retained. Pings and
// pongs that wait take at most 512 bytes: newer ones replace older ones.
func (c *Conn) Ping(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.sendable():
		return ErrClosed
	case len(p) > ws.MaxControlFramePayloadSize:
		return wsutil.ErrControlOverflow
	case c.blocked:
		c.replies.Add(ws.OpPing, p)
		return nil
	}
	return c.ping(p)
}

// ping encodes a ping. mu is held.
func (c *Conn) ping(p []byte) error {
	err := c.encode(func(dst []byte) ([]byte, error) { return c.protocol.AppendPing(dst, p) })
	if err == nil {
		c.loop.s.countControl(ws.OpPing, true)
	}
	return err
}

// Buffered returns how many bytes wait to be sent: encoded messages with their
// frame headers, and the payloads of messages in the queue.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue == nil {
		return c.pending()
	}
	n := c.queueOf().Buffered()
	if c.link != nil {
		n += c.link.waiting() - c.link.counted()
	}
	return n
}

// pending returns how many encoded bytes are not written. mu is held.
func (c *Conn) pending() int {
	n := 0
	if c.out != nil {
		n = len(c.out.B) - int(c.written)
	}
	if c.link != nil {
		n += c.link.waiting()
	}
	return n
}

// sendable reports whether messages are accepted. mu is held.
func (c *Conn) sendable() bool { return c.closing == 0 && !c.broken && !c.finished }

func (c *Conn) tooLarge(n int) bool {
	most := c.loop.s.maxQueued
	return most >= 0 && n > most
}

// directFrom is the length in bytes from which a payload is written immediately
// from the memory of the caller. A copy would cost more than the system call
// that it saves.
const directFrom = 16 << 10

// send is Send with mu held. m is the prepared message, or nil.
func (c *Conn) send(op ws.OpCode, p []byte, m *wsutil.PreparedMessage, key string) (wsutil.SendResult, error) {
	if !c.sendable() {
		return wsutil.SendFailed, ErrClosed
	}
	if c.tooLarge(len(p)) {
		return wsutil.SendFailed, fmt.Errorf("%w: %d bytes, limit %d", wsutil.ErrSendTooLarge, len(p), c.loop.s.maxQueued)
	}
	if n := c.pending(); !c.blocked && n > 0 && n+len(p)+ws.MaxHeaderSize > c.loop.s.maxCork {
		c.flush()
	}
	if c.blocked {
		return c.enqueue(op, p, m, key)
	}
	if err := c.encodeMessage(op, p, m); err != nil {
		return wsutil.SendFailed, err
	}
	c.loop.messagesOut.Add(1)
	return wsutil.SendSent, nil
}

// encodeMessage encodes a message at the end of out. mu is held.
func (c *Conn) encodeMessage(op ws.OpCode, p []byte, m *wsutil.PreparedMessage) (err error) {
	if op != ws.OpText && op != ws.OpBinary {
		return wsutil.ErrNotSendable
	}
	if m == nil && len(p) < directFrom && c.protocol.Coalesces(len(p)) {
		b := c.buffer(len(p) + ws.MaxHeaderSize)
		out, err := c.protocol.AppendMessage(b.B, op, p)
		c.encoded(b, out)
		if err == nil {
			c.loop.s.countWritten(len(p), len(p))
		}
		return err
	}
	msg := outgoing(op, p, m)
	if len(p) >= directFrom {
		msg.Apart()
	}
	return c.encodeOutgoing(&msg)
}

// outgoing returns m, or the message of op and p if that is nil.
func outgoing(op ws.OpCode, p []byte, m *wsutil.PreparedMessage) wsutil.Outgoing {
	if m != nil {
		return m.Outgoing()
	}
	return wsutil.NewOutgoing(op, p)
}

// encode encodes a control frame at the end of out. mu is held.
func (c *Conn) encode(frame func(dst []byte) ([]byte, error)) error {
	b := c.buffer(ws.MaxControlFramePayloadSize + ws.MaxHeaderSize)
	out, err := frame(b.B)
	c.encoded(b, out)
	return err
}

// buffer returns out with room for n bytes more. mu is held.
func (c *Conn) buffer(n int) *bufpool.Buffer {
	b := c.out
	if b == nil {
		b = bufpool.Get(n)
	} else if cap(b.B)-len(b.B) < n {
		larger := bufpool.Get(max(2*cap(b.B), len(b.B)+n))
		larger.B = append(larger.B, b.B[c.written:]...)
		c.written = 0
		b.Free()
		b = larger
	}
	c.out = b
	return b
}

// encoded stores out, which is in the memory of b, and requests settle.
func (c *Conn) encoded(b *bufpool.Buffer, out []byte) {
	b.Adopt(out)
	b.B = out
	if len(out) == int(c.written) {
		c.freeOut()
		return
	}
	c.askToSettle()
}

// askToSettle requests settle, unless the loop is about to call it. mu is held.
func (c *Conn) askToSettle() {
	if !c.settles.Load() {
		c.ask(0)
	}
}

func (c *Conn) freeOut() {
	c.out.Free()
	c.out, c.written = nil, 0
}

// enqueue queues a message. mu is held.
func (c *Conn) enqueue(op ws.OpCode, p []byte, m *wsutil.PreparedMessage, key string) (wsutil.SendResult, error) {
	q := c.queueOf()
	dropped := q.Dropped()
	r, err := q.Push(outgoing(op, p, m), key)
	if n := q.Dropped() - dropped; n > 0 {
		c.loop.dropped.Add(n)
	}
	switch {
	case err == wsutil.ErrSendQueueFull:
		c.rarely().cause = err
		c.startClose(wsutil.CloseReply(err))
	case r.Taken():
		c.queued = true
		c.loop.messagesOut.Add(1)
	}
	return r, err
}

// queueOf returns the queue, which also counts the encoded bytes.
func (c *Conn) queueOf() *wsutil.SendQueue {
	if c.queue == nil {
		c.queue = new(wsutil.SendQueue)
		c.queue.Reset(&c.loop.s.cfg.Queue)
	}
	c.queue.SetUnwritten(c.unwritten())
	return c.queue
}

// unwritten returns how many encoded bytes count toward the limit of the queue.
// mu is held.
func (c *Conn) unwritten() int {
	n := c.pending()
	if c.link != nil {
		n += c.link.counted() - c.link.waiting()
	}
	return n
}

// maxWrites is how many times flush writes waiting messages, of up to 64 KiB
// each time, before the loop turns to other connections.
const maxWrites = 4

// flush writes encoded data, and encodes and writes waiting messages, as far as
// the transport accepts them. mu is held. It reports whether Drain is due.
func (c *Conn) flush() (drained bool) {
	for n := 0; ; n++ {
		if n > maxWrites { // the next iteration continues
			c.block()
			return false
		}
		if !c.write() {
			return false
		}
		if c.queue != nil {
			c.queue.Written()
		}
		if !c.refill() {
			break
		}
	}
	if c.blocked {
		c.blocked = false
		c.arm()
	}
	drained = c.queued && !c.finished
	c.queued = false
	c.roomMade()
	return drained
}

// write writes out. It reports whether all of it was written. mu is held.
func (c *Conn) write() bool {
	for c.pending() > 0 {
		var p []byte
		if c.out != nil {
			p = c.out.B[c.written:]
		}
		n, err := c.transmit(p)
		c.written += uint32(n)
		if n > 0 {
			c.loop.bytesOut.Add(uint64(n))
			c.progressed()
		}
		if c.out != nil && int(c.written) == len(c.out.B) {
			c.freeOut()
		}
		switch {
		case err == errAgain:
			c.block()
			return false
		case err != nil:
			c.giveUpWriting(fmt.Errorf("wsloop: write: %w", err))
			return false
		}
	}
	return true
}

// progressed records that the transport has accepted data. mu is held.
func (c *Conn) progressed() {
	if c.blocked {
		c.stalled = c.loop.s.now()
	}
	if c.queue != nil {
		c.queue.PartWritten(c.unwritten())
	}
	c.roomMade()
}

// writeDirect writes out, and then body. Bytes that the transport does not
// accept are copied to out. mu is held.
func (c *Conn) writeDirect(body []byte) {
	head := c.out.B[c.written:]
	n, err := writeBoth(int(c.fd), head, body)
	if err != nil && err != errAgain {
		c.giveUpWriting(fmt.Errorf("wsloop: write: %w", err))
		return
	}
	c.loop.bytesOut.Add(uint64(n))
	if n == len(head)+len(body) {
		c.freeOut()
		return
	}
	done := max(n-len(head), 0)
	c.written += uint32(n - done)
	b := c.buffer(len(body) - done)
	b.B = append(b.B, body[done:]...)
	c.block()
}

// block records that the transport accepts no more for now. mu is held.
func (c *Conn) block() {
	if !c.blocked {
		c.blocked, c.stalled = true, c.loop.s.now()
		c.arm()
	}
}

// transmit passes p to the transport. mu is held.
func (c *Conn) transmit(p []byte) (int, error) {
	if c.link != nil {
		return c.link.send(c, p)
	}
	return writeDescriptor(int(c.fd), p)
}

// refill encodes waiting pongs, then messages of up to 64 KiB in all, and the
// close frame after the last one. It reports whether there were any. mu is
// held.
func (c *Conn) refill() bool {
	c.replies.All(func(op ws.OpCode, p []byte) bool {
		c.encode(func(dst []byte) ([]byte, error) {
			return c.protocol.AppendFragment(dst, ws.Header{Fin: true, OpCode: op}, p)
		})
		c.loop.s.countControl(op, true)
		return true
	})
	if q := c.queue; q != nil {
		for m, ok := q.Next(); ok; m, ok = q.Next() {
			c.encodeOutgoing(&m) // messages that may not be sent, or are not UTF-8, are skipped
			q.Encoded()
		}
	}
	if c.emptyQueue() {
		c.encodeClose()
	}
	return c.out != nil
}

// emptyQueue reports whether all messages are encoded and written. mu is held.
func (c *Conn) emptyQueue() bool { return c.queue == nil || c.queue.Len() == 0 }

// encodeClose encodes our close frame, if it is due. No message follows it. mu
// is held.
func (c *Conn) encodeClose() {
	if c.closing == 0 || c.broken || c.protocol.Closing().Sent != 0 {
		return
	}
	c.encode(func(dst []byte) ([]byte, error) {
		reason := ""
		if c.rare != nil {
			reason = c.rare.reason
		}
		return c.protocol.AppendClose(dst, c.closing, reason)
	})
}

// encodeOutgoing encodes all frames of a message at the end of out. If nothing
// waits, a frame with a long payload is written immediately from the memory of
// the caller. mu is held.
func (c *Conn) encodeOutgoing(m *wsutil.Outgoing) error {
	for m.Pending() {
		b := c.buffer(c.protocol.FrameRoom(m))
		out, body, err := c.protocol.AppendFrame(b.B, m)
		if err == nil && len(body) >= directFrom && !c.blocked && !c.broken && c.link == nil {
			b.Adopt(out)
			b.B = out
			c.writeDirect(body)
			continue
		}
		c.encoded(b, append(out, body...))
		if err != nil {
			return err
		}
	}
	c.loop.s.countWritten(m.Size(), m.WireSize())
	return nil
}

// giveUpWriting drops all output and stops sending. Received data can still be
// read. mu is held.
func (c *Conn) giveUpWriting(err error) {
	if c.broken {
		return
	}
	c.broken = true
	if r := c.rarely(); r.cause == nil {
		r.cause = err
	}
	c.dropOutput()
	if c.blocked {
		c.blocked = false
		c.arm()
	}
	c.ask(0)
}

// dropOutput drops all output. mu is held.
func (c *Conn) dropOutput() {
	if c.out != nil {
		c.freeOut()
	}
	c.dropWaiting()
}

// dropWaiting drops messages and pongs that are not encoded yet. mu is held.
func (c *Conn) dropWaiting() {
	if c.queue != nil {
		c.queue.Release()
	}
	c.replies.All(func(ws.OpCode, []byte) bool { return true })
	c.roomMade()
}

// arm tells the transport what c waits for. mu is held.
func (c *Conn) arm() {
	var want interest
	if c.reads {
		want |= wantIn
	}
	if c.blocked {
		want |= wantOut
	}
	if want == c.armed || c.id.generation == 0 { // begin calls arm when c has its slot
		return
	}
	if c.fd >= 0 {
		if err := c.loop.poller.arm(int(c.fd), c.id, c.armed, want); err != nil {
			c.giveUpWriting(err)
			c.ask(askAbort)
			return
		}
	}
	if c.link != nil && (want^c.armed)&wantIn != 0 {
		c.link.listen(c, want&wantIn != 0)
	}
	c.armed = want
}
