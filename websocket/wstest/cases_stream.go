package wstest

import (
	"context"
	"net/http"
)

// streamCases are about extended CONNECT and its streams. They run only over
// HTTP/2 and HTTP/3.
func streamCases(l *list) {
	r := rule{
		dir: Server, section: "RFC 8441, 4", needs: needRaw | needStream,
		must:  "A :protocol that the server does not support is refused, with status 501 (RFC 9220, section 3).",
		fault: "accepts any :protocol as a WebSocket, or refuses it with another status",
	}
	for _, protocol := range []string{"connect-udp", "webtransport", "websockets", "x-wstest-unknown"} {
		l.add(r, "stream/protocol/"+protocol, 0, otherProtocol(protocol))
	}
	r.section = "RFC 8441, 5"
	r.must = "Sec-WebSocket-Key is not used, and the answer has no Sec-WebSocket-Accept."
	r.fault = "looks at Sec-WebSocket-Key"
	for _, key := range []named{{"good", "dGhlIHNhbXBsZSBub25jZQ=="}, {"bad", "x"}} {
		l.add(r, "stream/key/"+key.name, 0, func(ctx context.Context, p *peer) error {
			p.connecting(func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", key.value) })
			return opening(0, func(*request) {})(ctx, p)
		})
	}
	r.must = "END_STREAM or FIN without a close frame ends the connection."
	r.fault = "does not end its direction of the stream after the other direction has ended"
	l.add(r, "stream/end/half-closed", 0, halfClosed)
	r.must = "A reset ends only its stream. Other streams of the connection continue."
	r.fault = "serves no new stream after a reset"
	l.add(r, "stream/end/reset-in-message", 0, resetInMessage(text("hel").unfinished().append(nil, true)))
	l.add(r, "stream/end/reset-in-frame", 0, resetInMessage(text("hello").append(nil, true)[:4]))
}

// connecting sets a function that modifies the extended CONNECT of the next
// request.
func (p *peer) connecting(change func(*http.Request)) { p.conn.(*streamConn).change = change }

func otherProtocol(protocol string) script {
	return func(_ context.Context, p *peer) error {
		p.connecting(func(r *http.Request) { r.Header[":protocol"] = []string{protocol} })
		p.sendRequest(0, p.newRequest())
		res, err := p.answer()
		switch {
		case err != nil:
			return err
		case res == nil:
			return tolerated("the server resets the stream")
		case res.StatusCode == http.StatusSwitchingProtocols:
			return failed("the server takes %q for a WebSocket", protocol)
		case res.StatusCode != http.StatusNotImplemented:
			return tolerated("the server refuses with status %s", res.Status)
		}
		return nil
	}
}

// opened opens a connection and checks that it is in use.
func (p *peer) opened() error {
	if _, err := p.ask(p.newRequest()); err != nil {
		return err
	}
	p.send(ping("open?"))
	return p.wantPong("open?")
}

func halfClosed(_ context.Context, p *peer) error {
	if err := p.opened(); err != nil {
		return err
	}
	p.halfClose()
	p.hurry(p.patience())
	for {
		ev, err := p.next()
		switch {
		case err != nil:
			return err
		case ev.over():
			return nil
		case ev.kind == timedOut:
			return failed("the server keeps its direction open")
		}
	}
}

// resetInMessage resets a stream after some bytes, and opens another one.
func resetInMessage(sent []byte) script {
	return func(ctx context.Context, p *peer) error {
		if err := p.opened(); err != nil {
			return err
		}
		p.Write(sent)
		p.conn.Close()
		p.log.note("the suite resets the stream")
		conn, err := p.target.dial(ctx, p.opts)
		if err != nil {
			return err
		}
		next := newPeer(conn, true, p.opts)
		next.target, next.log = p.target, p.log
		defer next.shut()
		return worst(next.opened(), next.finish())
	}
}
