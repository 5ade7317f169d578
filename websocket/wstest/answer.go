package wstest

import (
	"context"
	"strings"
)

// goodResponse is newResponse, with a subprotocol if the client offers one.
func (p *peer) goodResponse() *response {
	s := p.newResponse()
	if offered := list1(p.request.Header["Sec-Websocket-Protocol"]); len(offered) > 0 {
		s.add("Sec-WebSocket-Protocol", offered[0])
	}
	return s
}

// answered expects that the client accepts a response.
func answered(chop int, c change) script {
	return func(_ context.Context, p *peer) error {
		s := p.goodResponse()
		c(p, s)
		p.reply(chop, s)
		p.send(ping("open?"))
		return worst(p.wantPong("open?"), p.finish())
	}
}

// refused expects that the client refuses a response.
func refused(c change) script {
	return func(_ context.Context, p *peer) error {
		s := p.goodResponse()
		c(p, s)
		if !strings.HasPrefix(s.line, "HTTP/1.1 101") && !strings.HasPrefix(s.line, "HTTP/1.1 1") {
			s.set("Connection", "close, Upgrade")
			s.add("Content-Length", "0")
		}
		p.reply(0, s)
		return p.refusal(false)
	}
}

// unended is like refused, for a response whose end a client may not recognize.
func unended(c change) script {
	return func(ctx context.Context, p *peer) error {
		s := p.goodResponse()
		c(p, s)
		p.reply(0, s)
		if p.reaction() {
			return p.refusal(false)
		}
		p.send(ping(probe))
		if p.reaction() {
			return p.refusal(true)
		}
		p.halfClose()
		return worst(tolerated("the client waits for the end of the head"), p.refusal(true))
	}
}

// refusal expects that the client closes the connection without sending
// anything.
func (p *peer) refusal(ended bool) error {
	p.hurry(p.opts.Quiet)
	for asked := ended; ; {
		ev, err := p.next()
		switch {
		case err != nil:
			return err
		case ev.over():
			return nil
		case ev.kind == timedOut && !asked:
			asked = true
			p.send(ping(probe))
			p.hurry(p.opts.Timeout / 2)
		case ev.kind == timedOut:
			return failed("the client does not close the connection")
		case ev.kind == closeSeen:
			return tolerated("the client takes the answer, and closes the connection with code %d", ev.close.code)
		default:
			return failed("the client takes the answer: %v", ev)
		}
	}
}

// lenient makes a script tolerate that the client accepts the response.
func lenient(s script) script {
	return func(ctx context.Context, p *peer) error { return lenientEnd(s(ctx, p)) }
}

func lenientEnd(err error) error {
	if v, why := judge(err); v == Failed && strings.HasPrefix(why, "the client takes") {
		return tolerated("%s", why)
	}
	return err
}
