package wstest

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/wskit/wskit/ws"
)

// wantMessage expects a message. Pongs of earlier pings are allowed in between.
func (p *peer) wantMessage(op ws.OpCode, payload []byte) error {
	ev, err := p.wantAnyMessage()
	if err != nil {
		return err
	}
	if ev.op != op {
		return failed("the echo of a %s message is %s", op.String(), ev.op.String())
	}
	if !bytes.Equal(ev.payload, payload) {
		return failed("the echo differs: %s", difference(ev.payload, payload))
	}
	return nil
}

func (p *peer) wantAnyMessage() (event, error) {
	p.hurry(0)
	for {
		ev, err := p.next()
		switch {
		case err != nil:
			return ev, err
		case ev.kind == ponged:
			continue
		case ev.kind != message:
			return ev, failed("expected the echo, got %v", ev)
		}
		return ev, nil
	}
}

// wantPong expects the pong of the last ping. A pong that answers no ping may
// be unsolicited or a wrong answer. It is a wrong answer if the right one does
// not follow.
func (p *peer) wantPong(payload string) error {
	p.hurry(0)
	var other []byte
	for seen := false; ; {
		ev, err := p.any()
		switch {
		case err != nil:
			return err
		case ev.unasked:
			seen, other = true, ev.payload
			p.hurry(p.patience())
		case ev.kind == timedOut && seen:
			return failed("the pong differs from its ping: %s", difference(other, []byte(payload)))
		case ev.kind != ponged:
			return failed("expected a pong, got %v", ev)
		case string(ev.payload) != payload:
			return failed("the pong is that of another ping: %s", difference(ev.payload, []byte(payload)))
		default:
			return nil
		}
	}
}

// echo sends a message in frames and expects it back.
func (p *peer) echo(chop int, frames ...frame) error {
	var op ws.OpCode
	var all []byte
	for _, f := range frames {
		if f.op.IsControl() {
			continue
		}
		if f.op != ws.OpContinuation {
			op = f.op
		}
		all = append(all, f.payload...)
	}
	p.sendIn(chop, frames...)
	return p.wantMessage(op, all)
}

// finish ends a connection without faults. It reports only severe faults,
// because the close handshake has cases of its own.
func (p *peer) finish() error {
	p.send(closing(ws.StatusNormalClosure, ""))
	p.hurry(2 * p.opts.Quiet)
	for {
		ev, err := p.next()
		switch {
		case err != nil:
			return err
		case ev.kind == message:
			return failed("the peer sent one message too many: %v", ev)
		case ev.kind == closeSeen:
			return p.judgeLast()
		case ev.kind == ponged:
		default:
			return nil
		}
	}
}

// judgeLast checks the close frame of a connection without faults.
func (p *peer) judgeLast() error {
	switch p.closed.code {
	case ws.StatusProtocolError, ws.StatusUnsupportedData, ws.StatusInvalidFramePayloadData, ws.StatusPolicyViolation,
		ws.StatusMessageTooBig, ws.StatusMandatoryExt, ws.StatusInternalServerError:
		return failed("the peer fails the connection in the end, with code %d", p.closed.code)
	}
	return nil
}

// wantClose expects a close frame with one of the codes, or 0 for no code, and
// then the end of the connection. If the suite has not sent a close frame, it
// answers with one.
func (p *peer) wantClose(sent bool, codes ...ws.StatusCode) error {
	p.hurry(0)
	for {
		ev, err := p.next()
		switch {
		case err != nil:
			return err
		case ev.kind == ponged:
			continue
		case ev.kind == message:
			return failed("expected a close frame, got %v", ev)
		case ev.kind == timedOut:
			return failed("the peer does not answer a close frame")
		case ev.over():
			return tolerated("the peer ended the connection without a close frame")
		}
		return worst(p.judgeCode(codes), p.wantEnd(sent))
	}
}

func (p *peer) judgeCode(codes []ws.StatusCode) error {
	if slices.Contains(codes, p.closed.code) {
		return nil
	}
	return tolerated("the close frame is%v, not with %v", p.closed, codes)
}

// wantEnd expects the end of the connection after a close frame of the peer. A
// server ends it first (RFC 6455, section 7.1.1).
func (p *peer) wantEnd(sent bool) error {
	if !sent {
		p.send(closing(p.echoCode(), ""))
	}
	if !p.client {
		p.halfClose()
	}
	p.hurry(p.patience())
	ev, err := p.next()
	if err != nil {
		return err
	}
	if !ev.over() {
		return tolerated("the peer does not end the TCP connection after the close handshake")
	}
	return nil
}

func (p *peer) echoCode() ws.StatusCode {
	if p.closed == nil || p.closed.code == 0 {
		return ws.StatusNormalClosure
	}
	return p.closed.code
}

// probe is the payload of a ping that tests whether the peer has ignored a
// fault.
const probe = "still there?"

// wantFailure expects that the peer fails the connection with one of the codes
// (RFC 6455, section 7.1.7).
func (p *peer) wantFailure(codes ...ws.StatusCode) error {
	p.hurry(p.opts.Quiet)
	for asked := false; ; {
		ev, err := p.next()
		switch {
		case err != nil:
			return err
		case ev.kind == timedOut && !asked && time.Now().Before(p.end):
			asked = true
			p.send(ping(probe))
			p.hurry(0)
		case ev.kind == timedOut:
			return failed("the peer does not fail the connection")
		case ev.kind == ponged && string(ev.payload) != probe:
			// of an earlier ping
		case ev.kind == message, ev.kind == ponged:
			return failed("the peer goes on after the fault: %v", ev)
		case ev.over():
			return tolerated("the peer drops the connection without a close frame")
		default:
			return worst(p.judgeCode(codes), p.wantEnd(false))
		}
	}
}

// wantFailureInside is wantFailure after an incomplete frame.
func (p *peer) wantFailureInside(codes ...ws.StatusCode) error {
	p.hurry(p.opts.Timeout / 2)
	ev, err := p.next()
	switch {
	case err != nil:
		return err
	case ev.kind == closeSeen:
		return worst(p.judgeCode(codes), p.endInside())
	case ev.over():
		return tolerated("the peer drops the connection without a close frame")
	}
	return failed("the peer does not fail the connection: %v", ev)
}

// endInside is wantEnd after an incomplete frame, which no frame can follow.
func (p *peer) endInside() error {
	p.halfClose()
	return p.wantEnd(true)
}

// reaction waits a while for the peer to fail the connection early. It reports
// whether there was an event, including the end of the connection. next returns
// the event.
func (p *peer) reaction() bool {
	p.hurry(2 * p.opts.Quiet)
	ev, err := p.next()
	p.hurry(0)
	if err == nil && ev.kind == timedOut {
		return false
	}
	p.ahead = &outcome{ev, err}
	return true
}

// difference describes briefly where two payloads differ.
func difference(got, want []byte) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d bytes instead of %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			return fmt.Sprintf("byte %d is %#02x instead of %#02x", i, got[i], want[i])
		}
	}
	return "nowhere"
}
