package wsutil

import (
	"fmt"
	"io"

	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
)

// next is Next without a fast path. A frame goes through header and open, which sets
// flagFrame, and then, as its bytes arrive, through controlFrame or dataFrame, which
// clears it at the end.
func (c *Protocol) next(p []byte) (ev Event, n int, err error) {
	c.reclaim()
	if c.err != nil {
		return Event{}, 0, c.err
	}
	if c.flags&flagFrame == 0 {
		var h ws.Header
		h, n, err = c.header(p)
		if err == io.ErrUnexpectedEOF {
			return Event{}, n, err
		}
		if err == nil {
			err = c.open(h)
		}
		if err != nil {
			return c.fail(err)
		}
	}
	var k int
	if c.controlOp != 0 {
		ev, k, err = c.controlFrame(p[n:])
	} else {
		ev, k, err = c.dataFrame(p[n:])
	}
	return ev, n + k, err
}

// header parses the header of which p is the beginning, or the continuation if
// head holds a part of it. With io.ErrUnexpectedEOF, p has gone into head.
func (c *Protocol) header(p []byte) (h ws.Header, n int, err error) {
	had := int(c.headLen)
	if had == 0 {
		h, n, err = ws.ParseHeader(p)
		if err != io.ErrUnexpectedEOF || len(p) == 0 {
			return h, n, err
		}
	}
	n = copy(c.head[had:], p)
	h, size, err := ws.ParseHeader(c.head[:had+n])
	if err == io.ErrUnexpectedEOF {
		c.headLen += uint8(n)
		c.flags |= flagHead
		return h, n, err
	}
	c.headLen = 0
	c.flags &^= flagHead
	return h, size - had, err
}

// open begins the frame of this header, if it may stand here.
func (c *Protocol) open(h ws.Header) error {
	state := c.state
	if c.flags&flagMessage != 0 {
		state |= ws.StateFragmented
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return err
	}
	c.flags |= flagFrame
	c.rest, c.key, c.pos = h.Length, h.Mask, 0
	if h.OpCode.IsControl() {
		c.controlOp = h.OpCode
		return nil
	}
	return c.openData(h)
}

func (c *Protocol) openData(h ws.Header) error {
	if h.OpCode != ws.OpContinuation {
		c.flags |= flagMessage
		c.op, c.rsv = h.OpCode, 0
		c.size, c.fragments = 0, 0
		c.text = utf8s.Validator{} // left open by a text in which a reserved bit came late
	}
	if h.Fin {
		c.flags |= flagFinal
	}
	c.rsv |= h.Rsv
	most := c.maxMessage
	if c.rsv != 0 {
		most = c.maxExtended
	}
	switch {
	case h.Length > c.maxFrame:
		return ErrFrameTooLarge
	case h.Length > most-c.size: // neither side can overflow
		return ErrMessageTooLarge
	case c.maxFrags != 0 && c.fragments == c.maxFrags:
		return ErrTooManyFragments
	}
	c.size += h.Length
	c.fragments++
	return nil
}

// dataFrame returns what p has of the open frame as a chunk.
func (c *Protocol) dataFrame(p []byte) (ev Event, n int, err error) {
	n = int(min(c.rest, int64(len(p))))
	if n == 0 && c.rest > 0 {
		return Event{}, 0, io.ErrUnexpectedEOF
	}
	p = p[:n:n]
	c.rest -= int64(n)
	ends := c.rest == 0 && c.flags&flagFinal != 0
	if c.op == ws.OpText && c.rsv == 0 {
		if !c.unmaskText(p) || ends && !c.text.Done() {
			return c.fail(ErrInvalidUTF8)
		}
	} else {
		c.unmask(p)
	}
	ev = Event{Payload: p, OpCode: c.op, Rsv: c.rsv}
	if c.flags&flagBegun == 0 {
		c.flags |= flagBegun
		ev.part = first
	}
	if c.rest == 0 {
		c.flags &^= flagFrame | flagFinal
	}
	if ends {
		c.flags &^= flagMessage | flagBegun
		if c.message != nil { // NextMessage began what Next ends
			c.flags |= flagLent
		}
		ev.part |= last
	}
	return ev, n, nil
}

// controlFrame returns the open frame if p ends it, and gathers it otherwise.
func (c *Protocol) controlFrame(p []byte) (ev Event, n int, err error) {
	n = int(min(c.rest, int64(len(p))))
	p = p[:n:n]
	c.unmask(p)
	c.rest -= int64(n)
	if c.control != nil || c.rest > 0 && n > 0 {
		c.control = c.control.append(p)
		p = c.control.b
	}
	if c.rest > 0 {
		return Event{}, n, io.ErrUnexpectedEOF
	}
	ev = Event{Payload: p, OpCode: c.controlOp, part: whole}
	c.controlOp = 0
	c.flags &^= flagFrame
	if ev.OpCode == ws.OpClose {
		if err := c.closed(p); err != nil {
			return c.fail(err)
		}
	}
	if c.control != nil {
		c.flags |= flagLent
	}
	return ev, n, nil
}

// closed takes the payload of the peer's close frame: it is the last frame that
// counts (RFC 6455, section 5.5.1).
func (c *Protocol) closed(p []byte) error {
	code, reason, err := ws.ParseCloseBody(p)
	if err != nil {
		return err
	}
	c.stop(ClosedError{code, reason})
	c.closing.receive(code)
	return nil
}

// unmask unmasks the next piece of the open frame's payload.
func (c *Protocol) unmask(p []byte) {
	if c.maskBit != 0 {
		ws.Cipher(p, c.key, int(c.pos))
		c.pos = uint8((int(c.pos) + len(p)) & 3)
	}
}

// unmaskText is unmask for a piece of the open message's text, and reports whether
// the text may begin like that.
func (c *Protocol) unmaskText(p []byte) bool {
	if c.maskBit == 0 {
		return c.text.Valid(p)
	}
	at := int(c.pos)
	c.pos = uint8((at + len(p)) & 3)
	return c.text.Unmask(p, c.key, at)
}

// EOF says that no more bytes will arrive, gives buffers back and returns what this
// makes of the connection: a [ClosedError], with the code and reason of the peer's close
// frame, or with [ws.StatusAbnormalClosure] if there was none; an error that wraps
// [io.ErrUnexpectedEOF] if the input ended inside a frame or a message; or the error
// that Next has returned before. Next and EOF return the same from then on.
func (c *Protocol) EOF() error {
	if c.err == nil {
		var err error = ClosedError{Code: ws.StatusAbnormalClosure}
		if c.flags&(flagHead|flagFrame|flagMessage) != 0 {
			err = errTruncated
		}
		c.fail(err)
	}
	c.drop()
	return c.err
}

var errTruncated = fmt.Errorf("wsutil: input ended inside a message: %w", io.ErrUnexpectedEOF)

// fail ends the receiving half: there was no close frame, and there will be none.
func (c *Protocol) fail(err error) (Event, int, error) {
	c.closing.fail()
	c.stop(err)
	c.drop()
	return Event{}, 0, err
}

// stop makes err what every later call returns.
func (c *Protocol) stop(err error) {
	c.err = err
	c.flags = flagStopped
	c.message = c.message.free()
}

// reclaim takes back what the last event was lent. A message that NextMessage is still
// gathering stays.
func (c *Protocol) reclaim() {
	if c.flags&flagLent == 0 {
		return
	}
	c.flags &^= flagLent
	c.control = c.control.free()
	if c.flags&flagMessage == 0 {
		c.message = c.message.free()
	}
}

// drop gives all buffers back.
func (c *Protocol) drop() {
	c.flags &^= flagLent
	c.control = c.control.free()
	c.message = c.message.free()
}
