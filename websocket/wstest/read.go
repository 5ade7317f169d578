package wstest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/wskit/wskit/ws"
)

// kind is the type of an event.
type kind uint8

const (
	message kind = iota
	pinged
	ponged
	closeSeen
	gone     // the peer ended the connection
	reset    // the connection was reset
	timedOut // nothing came in time
)

// event is something that the peer did.
type event struct {
	kind    kind
	op      ws.OpCode // of a message
	payload []byte
	rsv1    bool  // the message was compressed
	raw     int64 // bytes of its frames' payloads
	close   closeFrame
	unasked bool // a pong that answers no ping
}

// outcome is what a call of next returns.
type outcome struct {
	event
	err error
}

func (e event) String() string {
	switch e.kind {
	case message:
		return fmt.Sprintf("a %s message of %d bytes", e.op.String(), len(e.payload))
	case ponged:
		return fmt.Sprintf("a pong of %d bytes", len(e.payload))
	case closeSeen:
		return "a close frame" + e.close.String()
	case gone:
		return "the end of the connection"
	case reset:
		return "a reset of the connection"
	case timedOut:
		return "nothing in time"
	}
	return "a ping"
}

func (c closeFrame) String() string {
	if c.code == 0 {
		return " without a code"
	}
	return fmt.Sprintf(" with code %d", c.code)
}

// over reports whether the connection has ended.
func (e event) over() bool { return e.kind == gone || e.kind == reset }

// assembly is an incomplete message.
type assembly struct {
	op    ws.OpCode
	rsv1  bool
	begun bool // a message is open
	buf   bytes.Buffer
}

const maxReceived = 64 << 20

// next returns the peer's next event. An error means that the peer violated a
// rule. next skips unsolicited pongs, which a peer may send at any time (RFC
// 6455, section 5.5.3); they do not extend the timeout.
func (p *peer) next() (event, error) {
	if o := p.ahead; o != nil {
		p.ahead = nil
		return o.event, o.err
	}
	for {
		if ev, err := p.any(); err != nil || !ev.unasked {
			return ev, err
		}
	}
}

// any is next, but also returns unsolicited pongs.
func (p *peer) any() (event, error) {
	for {
		if !p.open.begun {
			p.conn.SetReadDeadline(p.by)
		}
		h, payload, err := p.readFrame()
		if err != nil {
			return p.ending(err)
		}
		p.log.bytes("peer", describe(h.OpCode, h.Fin, h.Rsv, uint64(h.Length)), payload)
		unasked := h.OpCode == ws.OpPong && !p.answers(string(payload))
		switch {
		case p.closed != nil && unasked: // section 5.5.1 forbids only data
			p.tolerate("the peer sent a pong after its close frame")
			continue
		case p.closed != nil:
			return event{}, failed("the peer sent a %s frame after its close frame", h.OpCode.String())
		}
		switch h.OpCode {
		case ws.OpPing:
			p.send(pong(string(payload)))
		case ws.OpPong:
			return event{kind: ponged, payload: payload, unasked: unasked}, nil
		case ws.OpClose:
			return p.closeEvent(payload)
		default:
			if ev, done, err := p.gather(h, payload); done || err != nil {
				return ev, err
			}
		}
	}
}

// answers reports whether a pong answers a ping, and removes that ping.
func (p *peer) answers(payload string) bool {
	if i := slices.Index(p.pings, payload); i >= 0 {
		p.pings = slices.Delete(p.pings, i, i+1)
		return true
	}
	if len(p.unasked) < 1000 {
		p.unasked = append(p.unasked, payload)
	}
	return false
}

// readFrame reads a frame and checks it against RFC 6455.
func (p *peer) readFrame() (h ws.Header, payload []byte, err error) {
	if _, err := p.r.Peek(1); err != nil {
		return h, nil, err
	}
	p.conn.SetReadDeadline(p.end)
	h, err = p.readHeader()
	if err == nil {
		err = p.allowed(h)
	}
	if err != nil {
		return h, nil, err
	}
	var b bytes.Buffer
	_, err = io.CopyN(&b, p.r, h.Length)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	payload = b.Bytes()
	if h.Masked {
		for i := range payload {
			payload[i] ^= h.Mask[i&3]
		}
		p.masks[h.Mask]++
	}
	return h, payload, err
}

// gather adds a data frame to its message.
func (p *peer) gather(h ws.Header, payload []byte) (event, bool, error) {
	m := &p.open
	if h.OpCode != ws.OpContinuation {
		*m = assembly{op: h.OpCode, rsv1: h.Rsv1()}
	}
	m.begun = true
	m.buf.Write(payload)
	if m.buf.Len() > maxReceived {
		return event{}, false, failed("the peer sent a message of more than %d bytes", maxReceived)
	}
	if !h.Fin {
		return event{}, false, nil
	}
	m.begun = false
	ev := event{kind: message, op: m.op, payload: m.buf.Bytes(), rsv1: m.rsv1, raw: int64(m.buf.Len())}
	return p.finished(ev)
}

// finished decompresses a message and checks its text.
func (p *peer) finished(ev event) (event, bool, error) {
	if ev.rsv1 {
		plain, err := p.flate.receive(ev.payload)
		if err != nil {
			return ev, false, failed("the peer's compressed message: %v", err)
		}
		ev.payload = plain
	}
	if ev.op == ws.OpText && !utf8.Valid(ev.payload) {
		return ev, false, failed("the peer sent a text message that is not UTF-8")
	}
	return ev, true, nil
}

func (p *peer) closeEvent(payload []byte) (event, error) {
	c, err := parseClose(payload)
	if err != nil {
		return event{}, err
	}
	p.closed = &c
	return event{kind: closeSeen, close: *p.closed, payload: payload}, nil
}

// ending converts a read error to an event, or to a finding if the peer is at
// fault.
func (p *peer) ending(err error) (event, error) {
	var found *finding
	switch {
	case errors.As(err, &found):
		return event{}, err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return event{kind: timedOut}, nil
	case err == io.ErrUnexpectedEOF:
		p.log.note("the peer ended the connection inside a frame")
		return event{kind: gone}, nil
	case err == io.EOF:
		p.log.note("the peer ended the connection")
		return event{kind: gone}, nil
	}
	p.log.note("read: %v", err)
	return event{kind: reset}, nil
}
