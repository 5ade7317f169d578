package wstest

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// clientRequestCases check the request of a client (RFC 6455, section 4.1).
func clientRequestCases(l *list) {
	r := rule{
		dir: Client, section: "4.1", needs: needRaw,
		must:  "The request has everything that the section requires.",
		fault: "sends a handshake that a server has to refuse",
	}
	l.add(r, "client/request", 0, func(_ context.Context, p *peer) error {
		if err := worst(checkRequest(p.request, p.conn.LocalAddr()), p.openPlain()); err != nil {
			return err
		}
		p.send(ping("open?"))
		return worst(p.wantPong("open?"), p.finish())
	})
	r.must = "The client waits for the answer before it sends frames."
	r.fault = "sends frames before the connection is open"
	l.add(r, "client/early-frames", 0, func(_ context.Context, p *peer) error {
		p.hurry(p.opts.Quiet / 2)
		if b, err := p.r.Peek(1); err == nil {
			return failed("the client sent %#02x before it had an answer", b)
		}
		if err := p.openPlain(); err != nil {
			return err
		}
		return p.finish()
	})
}

// change modifies a valid response.
type change func(p *peer, s *response)

// responseCases are responses that a client must accept or refuse.
func responseCases(l *list) {
	r := rule{
		dir: Client, section: "4.1", needs: needRaw,
		must:  "An answer with everything that the section requires is accepted, in any form that HTTP allows.",
		fault: "refuses a valid answer",
	}
	set := func(name, value string) change { return func(_ *peer, s *response) { s.set(name, value) } }
	add := func(name, value string) change { return func(_ *peer, s *response) { s.add(name, value) } }
	drop := func(name string) change { return func(_ *peer, s *response) { s.drop(name) } }
	status := func(line string) change { return func(_ *peer, s *response) { s.line = line } }
	for _, c := range []struct {
		name   string
		change change
	}{
		{"plain", func(*peer, *response) {}},
		{"upgrade-mixed", set("Upgrade", "WebSocket")},
		{"upgrade-upper", set("Upgrade", "WEBSOCKET")},
		{"connection-lower", set("Connection", "upgrade")},
		{"connection-upper", set("Connection", "UPGRADE")},
		{"connection-list", set("Connection", "keep-alive, Upgrade")},
		{"connection-two-lines", func(_ *peer, s *response) { s.set("Connection", "keep-alive"); s.add("Connection", "Upgrade") }},
		{"names-lower", func(_ *peer, s *response) { s.rename(strings.ToLower) }},
		{"names-upper", func(_ *peer, s *response) { s.rename(strings.ToUpper) }},
		{"order-reversed", func(_ *peer, s *response) { slices.Reverse(s.fields) }},
		{"another-reason", status("HTTP/1.1 101 Web Socket Protocol Handshake")},
		{"empty-reason", status("HTTP/1.1 101 ")},
		{"unknown-field", add("X-Unknown", "anything")},
		{"long-field", add("X-Long", strings.Repeat("x", 3000))},
		{"date-and-server", func(_ *peer, s *response) { s.add("Date", "Sat, 01 Jan 2000 00:00:00 GMT"); s.add("Server", "wstest") }},
		{"cookie", add("Set-Cookie", "a=b; Path=/")},
		{"spaces", func(_ *peer, s *response) {
			for i := range s.fields {
				s.fields[i].value = "  " + s.fields[i].value + " \t"
			}
		}},
	} {
		l.add(r, "response/good/"+c.name, 0, answered(0, c.change))
	}
	r.fault = "an answer that arrives in pieces is not put together"
	for _, chop := range []int{1, 2, 7} {
		l.add(r, fmt.Sprintf("response/good/pieces-of-%d", chop), 0, answered(chop, func(*peer, *response) {}))
	}
	r.fault = "loses frames that come right after the answer"
	l.add(r, "response/good/frame-behind", 0, func(_ context.Context, p *peer) error {
		s := p.goodResponse()
		s.body = string(ping("early").append(nil, false))
		p.expect(ping("early"))
		p.reply(0, s)
		return worst(p.wantPong("early"), p.finish())
	})

	r.must = "The client fails the connection when the status is not 101."
	r.fault = "accepts a status other than 101"
	for _, line := range []string{"200 OK", "201 Created", "204 No Content", "301 Moved Permanently", "304 Not Modified",
		"400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "407 Proxy Authentication Required", "426 Upgrade Required",
		"500 Internal Server Error", "503 Service Unavailable", "600 Unknown", "1010 Too Long"} {
		code, _, _ := strings.Cut(line, " ")
		l.add(r, "response/status/"+code, 0, refused(status("HTTP/1.1 "+line)))
	}
	interimCases(l)
	r.fault = "accepts an invalid status line"
	l.add(r, "response/line/http-1.0", 0, lenient(refused(status("HTTP/1.0 101 Switching Protocols"))))
	for _, line := range []named{
		{"letter-in-status", "HTTP/1.1 1O1 Switching Protocols"}, {"no-version", "101 Switching Protocols"},
		{"no-status", "HTTP/1.1"}, {"icy", "ICY 101 OK"}, {"tls", "\x16\x03\x01"},
	} {
		l.add(r, "response/line/"+line.name, 0, refused(status(line.value)))
	}
	r.must = "The client fails the connection when a field is missing or has a wrong value."
	for _, f := range []struct {
		name, id string
		wrong    []named
	}{
		{"Upgrade", "upgrade", wrongUpgrades},
		{"Connection", "connection", wrongConnections},
	} {
		r.fault = "does not check whether " + f.name + " is there"
		l.add(r, "response/"+f.id+"/missing", 0, refused(drop(f.name)))
		r.fault = "accepts a wrong " + f.name
		for _, v := range f.wrong {
			l.add(r, "response/"+f.id+"/wrong-"+v.name, 0, refused(set(f.name, v.value)))
		}
	}
	acceptCases(l, r)
	chosenCases(l, r)
	answerFormCases(l, r)
}

// interimCases are interim responses.
func interimCases(l *list) {
	r := rule{
		dir: Client, section: "RFC 9110, 15.2", needs: needRaw,
		must:  "A client can read interim answers, of a status from 100 to 199, before the final one.",
		fault: "treats an interim answer as the final one",
	}
	for _, line := range []string{"100 Continue", "102 Processing", "103 Early Hints"} {
		l.add(r, "response/interim/"+line[:3], 0, func(_ context.Context, p *peer) error {
			interim := &response{line: "HTTP/1.1 " + line, eol: "\r\n", fields: []field{{"X-Interim", "yes"}}}
			p.reply(0, interim)
			p.reply(0, p.goodResponse())
			p.send(ping("open?"))
			p.hurry(0)
			ev, err := p.next()
			switch {
			case err != nil:
				return err
			case ev.over():
				return tolerated("the client fails at the interim answer")
			case ev.kind != ponged:
				return failed("expected a pong, got %v", ev)
			}
			return p.finish()
		})
	}
}

func (s *response) rename(f func(string) string) {
	for i := range s.fields {
		s.fields[i].name = f(s.fields[i].name)
	}
}

func acceptCases(l *list, r rule) {
	r.fault = "does not check whether Sec-WebSocket-Accept is there"
	l.add(r, "response/accept/missing", 0, refused(func(_ *peer, s *response) { s.drop("Sec-WebSocket-Accept") }))
	r.fault = "does not compare Sec-WebSocket-Accept with the value for its key"
	for _, c := range []struct {
		name string
		of   func(p *peer) string
	}{
		{"empty", func(*peer) string { return "" }},
		{"key", func(p *peer) string { return p.request.Header.Get("Sec-Websocket-Key") }},
		{"other-key", func(*peer) string { return acceptOf(newKey()) }},
		{"lower", func(p *peer) string { return swapCase(p.accept) }},
		{"cut", func(p *peer) string { return p.accept[:20] }},
		{"unpadded", func(p *peer) string { return strings.TrimRight(p.accept, "=") }},
		{"longer", func(p *peer) string { return p.accept + "x" }},
		{"quoted", func(p *peer) string { return `"` + p.accept + `"` }},
	} {
		l.add(r, "response/accept/"+c.name, 0, refused(func(p *peer, s *response) { s.set("Sec-WebSocket-Accept", c.of(p)) }))
	}
	r.fault = "accepts one of two Sec-WebSocket-Accept fields"
	l.add(r, "response/accept/twice-second-wrong", 0, refused(func(_ *peer, s *response) { s.add("Sec-WebSocket-Accept", acceptOf(newKey())) }))
	l.add(r, "response/accept/twice-first-wrong", 0, refused(func(p *peer, s *response) {
		s.set("Sec-WebSocket-Accept", acceptOf(newKey()))
		s.add("Sec-WebSocket-Accept", p.accept)
	}))
	l.add(r, "response/accept/twice-same", 0, lenient(refused(func(p *peer, s *response) { s.add("Sec-WebSocket-Accept", p.accept) })))
}

// swapCase swaps the case of all letters.
func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

func chosenCases(l *list, r rule) {
	r.must = "The client fails the connection when the server chooses a subprotocol that was not offered."
	r.fault = "accepts a subprotocol that it did not offer"
	for _, v := range []string{"wstest.unknown", "wstest.one, wstest.two"} {
		id := "response/subprotocol/" + map[bool]string{false: "unknown", true: "list"}[strings.Contains(v, ",")]
		l.add(r, id, 0, refused(func(_ *peer, s *response) {
			s.drop("Sec-WebSocket-Protocol")
			s.add("Sec-WebSocket-Protocol", v)
		}))
	}
	l.add(r, "response/subprotocol/twice", 0, refused(func(_ *peer, s *response) {
		s.add("Sec-WebSocket-Protocol", "wstest.one")
		s.add("Sec-WebSocket-Protocol", "wstest.two")
	}))
	r.section = "9.1"
	r.must = "The client fails the connection when the server chooses an extension that was not offered."
	r.fault = "accepts an extension that it did not offer"
	for _, v := range []named{
		{"name", "x-wstest-unknown"}, {"parameter", "x-wstest-unknown; a=1"}, {"two", "a, b"}, {"suffix", "permessage-deflate-x"},
		{"x-webkit-deflate-frame", "x-webkit-deflate-frame"}, {"permessage-bzip2", "permessage-bzip2"},
	} {
		l.add(r, "response/extension/unknown-"+v.name, 0, refused(func(_ *peer, s *response) { s.add("Sec-WebSocket-Extensions", v.value) }))
	}
	r.fault = "accepts two extensions of which it offered only one"
	l.add(r, "response/extension/deflate-and-unknown", 0, refused(func(_ *peer, s *response) {
		s.add("Sec-WebSocket-Extensions", "permessage-deflate, x-wstest-unknown")
	}))
}

func answerFormCases(l *list, r rule) {
	r.section = "RFC 9112, 2.2 and 5"
	r.must = "A head that is not valid HTTP is refused."
	add := func(name, value string) change { return func(_ *peer, s *response) { s.add(name, value) } }
	for _, c := range []struct {
		name, fault string
		lenient     bool
		change      change
	}{
		{"bare-lf", "accepts lines that end in a bare LF", true, func(_ *peer, s *response) { s.eol = "\n" }},
		{"folded", "accepts a field that goes on in the next line", true, add("X-Folded", "a\r\n b")},
		{"nul", "accepts a NUL in a value", true, add("X-Nul", "a\x00b")},
		{"no-colon", "accepts a line without a colon", false, add("X-None\r\nX", "a")},
		{"space-before-colon", "accepts a space before the colon", true, add("X-Space ", "a")},
		{"no-name", "accepts a field without a name", true, add("", "a")},
	} {
		r.fault = c.fault
		s := refused(c.change)
		if c.name == "bare-lf" {
			s = unended(c.change)
		}
		if c.lenient {
			s = lenient(s)
		}
		l.add(r, "response/head/"+c.name, 0, s)
	}
	r.section, r.must, r.fault = "10.4", "An endpoint has limits.", "reads a head that has no end"
	l.add(r, "response/head/endless", 0, func(_ context.Context, p *peer) error {
		s := p.goodResponse()
		s.add("X-Endless", strings.Repeat("x", 4<<20))
		p.log.note("an answer with a head of 4 MiB")
		p.write(s.bytes(), 32<<10)
		return lenientEnd(p.refusal(false))
	})
	r.section, r.must, r.fault = "4.1", "If the connection ends inside the answer, the handshake fails.", "waits forever for the rest of an answer"
	l.add(r, "response/head/cut", 0, func(_ context.Context, p *peer) error {
		b := p.goodResponse().bytes()
		p.log.head("suite", b[:len(b)/2])
		p.writePieces(b[:len(b)/2], 0)
		p.halfClose()
		return p.refusal(true)
	})
}
