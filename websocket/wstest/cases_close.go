package wstest

import (
	"context"
	"fmt"
	"strings"

	"github.com/wskit/wskit/ws"
)

// closingWith returns a script that sends a close frame and expects one with
// one of the codes.
func closingWith(f frame, codes ...ws.StatusCode) script {
	return func(_ context.Context, p *peer) error {
		p.send(f)
		return p.wantClose(true, codes...)
	}
}

// closeCodeCases are RFC 6455, section 7.4.
func closeCodeCases(l *list) {
	r := rule{
		section: "7.4.1",
		must:    "An endpoint answers a close frame with one of its own, usually with the same code.",
		fault:   "rejects a valid code, or does not answer it",
	}
	for _, code := range []ws.StatusCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014} {
		l.add(r, fmt.Sprintf("close/code/%d", code), 0, closingWith(closing(code, ""), code))
		l.add(r, fmt.Sprintf("close/code/%d-reason", code), 0, closingWith(closing(code, "reason"), code))
	}
	r.section = "7.4.2"
	for _, code := range []ws.StatusCode{3000, 3001, 3003, 3500, 3999, 4000, 4001, 4500, 4999} {
		l.add(r, fmt.Sprintf("close/code/%d", code), 0, closingWith(closing(code, ""), code))
	}
	r = rule{
		section: "7.4.1",
		must:    "The codes 1005, 1006 and 1015 must not be in a close frame.",
		fault:   "accepts a code that is never on the wire",
	}
	for _, code := range []ws.StatusCode{1005, 1006, 1015} {
		l.add(r, fmt.Sprintf("close/code/%d", code), 0, faulty(protocolError, closing(code, "")))
		l.add(r, fmt.Sprintf("close/code/%d-reason", code), 0, faulty(protocolError, closing(code, "reason")))
	}
	r.section = "7.4.2"
	r.must = "Codes below 1000 are not used; 1000 to 2999 are for the protocol, and undefined where no RFC defines them."
	r.fault = "accepts a code that is not defined"
	for _, code := range []ws.StatusCode{0, 1, 3, 125, 500, 998, 999, 1004, 1016, 1017, 1100, 1999, 2000, 2001, 2500, 2999} {
		l.add(r, fmt.Sprintf("close/code/%d", code), 0, faulty(protocolError, closing(code, "")))
	}
	r.must = "No code is above 4999."
	for _, code := range []ws.StatusCode{5000, 5001, 9999, 32768, 65535} {
		l.add(r, fmt.Sprintf("close/code/%d", code), 0, faulty(protocolError, closing(code, "")))
	}
}

// closeBodyCases are RFC 6455, section 5.5.1.
func closeBodyCases(l *list) {
	r := rule{
		section: "5.5.1",
		must:    "The body of a close frame is empty, or a code and a reason in UTF-8.",
		fault:   "does not answer a valid close frame",
	}
	l.add(r, "close/body/empty", 0, closingWith(frame{op: ws.OpClose}, 0, 1000))
	for _, n := range []int{1, 2, 61, 122, 123} {
		l.add(r, fmt.Sprintf("close/body/reason-%d", n), 0, closingWith(closing(1000, string(sample(n))), 1000))
	}
	for _, s := range validText()[:5] {
		l.add(r, "close/body/"+s.name, 0, closingWith(closing(1000, s.bytes), 1000))
	}
	l.add(r, "close/body/longest-utf8", 0, closingWith(closing(1000, strings.Repeat("€", 41)), 1000))
	l.add(r, "close/body/by-byte", 0, func(_ context.Context, p *peer) error {
		p.sendIn(1, closing(1000, "reason"))
		return p.wantClose(true, 1000)
	})
	r.must = "A body that is not empty begins with two bytes of code."
	r.fault = "accepts a body of one byte"
	for _, b := range []string{"\x00", "\x03", "\xff"} {
		l.add(r, fmt.Sprintf("close/body/one-byte-%x", b), 0, faulty(protocolError, frame{op: ws.OpClose, payload: []byte(b)}))
	}
	r.must = "The reason is UTF-8."
	r.fault = "accepts a reason that is not UTF-8"
	for _, s := range []sequence{
		{"never", "\xff"}, {"lonely", "reason \x80"}, {"short", "reason \xe2\x82"}, {"overlong", "\xc0\xaf"},
		{"surrogate", "\xed\xa0\x80"}, {"beyond", "\xf4\x90\x80\x80"}, {"late", string(sample(122)) + "\xff"},
	} {
		l.add(r, "close/reason/"+s.name, 0, func(_ context.Context, p *peer) error {
			p.send(closing(1000, s.bytes))
			return p.wantFailure(invalidPayload, protocolError)
		})
	}
}

// closeOrderCases are RFC 6455, sections 5.5.1 and 7.1: data before and after a
// close frame.
func closeOrderCases(l *list) {
	r := rule{
		section: "5.5.1",
		must:    "Nothing is sent after a close frame, and frames that arrive after one are not processed.",
		fault:   "answers frames that arrive after a close frame",
	}
	for _, c := range []struct {
		name   string
		frames []frame
	}{
		{"text", []frame{text("late")}}, {"binary", []frame{binaryOf([]byte("late"))}}, {"empty", []frame{text("")}},
		{"ping", []frame{ping("late")}}, {"pong", []frame{pong("late")}}, {"continuation", []frame{cont("late")}},
		{"fragments", []frame{text("la").unfinished(), cont("te")}}, {"large", []frame{text(strings.Repeat("x", 10_000))}},
		{"another-close", []frame{closing(1001, "late")}}, {"fault", []frame{{op: 3, rsv: 7}}}, {"bytes", []frame{{op: 15, more: true}}},
	} {
		l.add(r, "close/then/"+c.name, 0, closeThen(c.frames))
	}
	r = rule{
		section: "5.5.1", needs: needEcho,
		must:  "Messages before a close frame are delivered, and may be answered before the close frame is answered.",
		fault: "data after a message, in the same read, changes or loses the message",
	}
	for _, n := range []int{1, 10, 100} {
		for _, size := range []int{10, 1000} {
			l.add(r, fmt.Sprintf("close/after/%d-of-%d", n, size), int64(size), messagesThenClose(n, size))
		}
	}
	l.add(r, "close/after/large", 256<<10, messagesThenClose(1, 256<<10))
	r.needs = 0
	l.add(r, "close/after/ping", 0, func(_ context.Context, p *peer) error {
		p.send(ping("last"), closing(1000, ""))
		if err := p.wantPong("last"); err != nil {
			return p.orClosed(err)
		}
		return p.wantClose(true, 1000)
	})
	endCases(l)
}

func closeThen(frames []frame) script {
	return func(_ context.Context, p *peer) error {
		p.send(append([]frame{closing(1000, "")}, frames...)...)
		err := p.wantClose(true, 1000)
		if v, _ := judge(err); v == Tolerated && p.closed == nil {
			return tolerated("the connection was reset before the close frame was seen")
		}
		return err
	}
}

func messagesThenClose(n, size int) script {
	return func(_ context.Context, p *peer) error {
		var frames []frame
		for range n {
			frames = append(frames, text(string(sample(size))))
		}
		p.send(append(frames, closing(1000, ""))...)
		for range n {
			if err := p.wantMessage(ws.OpText, sample(size)); err != nil {
				return p.orClosed(err)
			}
		}
		return p.wantClose(true, 1000)
	}
}

// orClosed tolerates that the peer has already answered the close frame. The
// peer may send pending messages first, but need not. It then also need not
// answer a ping (section 5.5.2).
func (p *peer) orClosed(err error) error {
	if p.closed == nil || p.closed.code != ws.StatusNormalClosure {
		return err
	}
	return worst(tolerated("the peer answers the close frame before the frames that came before it"), p.wantEnd(true))
}

// endCases are ends of the TCP connection.
func endCases(l *list) {
	r := rule{
		dir: Server, section: "7.1.1",
		must:  "The server ends the TCP connection after the close handshake, and does so first.",
		fault: "keeps the connection open after the close handshake",
	}
	l.add(r, "close/hang-up/server", 0, hangUp)
	r.dir, r.must = Client, "A client ends its connection when the server has ended it after the close handshake."
	l.add(r, "close/hang-up/client", 0, hangUp)

	r = rule{
		section: "7.1.5",
		must:    "A TCP connection that ends without a close frame is lost: the other end closes it.",
		fault:   "keeps its half of a connection that the peer has closed",
	}
	for _, c := range []struct {
		name string
		send []byte
	}{
		{"idle", nil}, {"in-header", []byte{0x81}}, {"in-message", nil}, {"in-payload", nil},
	} {
		l.add(r, "close/abandoned/"+c.name, 0, abandon(c.name, c.send))
	}
}

func hangUp(_ context.Context, p *peer) error {
	p.send(closing(1000, ""))
	err := p.wantClose(true, 1000)
	if v, why := judge(err); v == Tolerated && strings.Contains(why, "end the TCP") {
		return failed("%s", why)
	}
	return err
}

func abandon(name string, b []byte) script {
	return func(_ context.Context, p *peer) error {
		switch name {
		case "in-message":
			b = text("hel").unfinished().append(nil, p.client)
		case "in-payload":
			b = text("hello").append(nil, p.client)
			b = b[:len(b)-2]
		}
		if len(b) > 0 {
			p.Write(b)
		}
		p.halfClose()
		p.hurry(0)
		for {
			ev, err := p.next()
			switch {
			case err != nil:
				return err
			case ev.over():
				return nil
			case ev.kind == closeSeen:
				// a last word is allowed
			default:
				return failed("expected the end of the connection, got %v", ev)
			}
		}
	}
}
