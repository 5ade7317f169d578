package wstest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// requestCases are requests that a server must accept or refuse (RFC 6455,
// section 4.2).
func requestCases(l *list) {
	goodRequestCases(l)
	malformedCases(l, rule{dir: Server, needs: needRaw})
	badFieldCases(l)
	badHeadCases(l)
	versionCases(l)
}

// edit modifies a valid request.
type edit func(q *request)

func goodRequestCases(l *list) {
	r := rule{
		dir: Server, section: "4.2.1", needs: needRaw,
		must:  "A request with everything that the section requires is accepted, in any form that HTTP allows.",
		fault: "refuses a valid handshake",
	}
	setting := func(name, value string) edit { return func(q *request) { q.set(name, value) } }
	adding := func(name, value string) edit { return func(q *request) { q.add(name, value) } }
	for _, c := range []struct {
		name string
		edit edit
	}{
		{"plain", func(*request) {}},
		{"connection-list", setting("Connection", "keep-alive, Upgrade")},
		{"connection-list-tight", setting("Connection", "keep-alive,Upgrade")},
		{"connection-list-empty-elements", setting("Connection", ",, Upgrade ,")},
		{"connection-list-tabs", setting("Connection", "foo\t,\tUpgrade")},
		{"connection-lower", setting("Connection", "upgrade")},
		{"connection-upper", setting("Connection", "UPGRADE")},
		{"connection-two-lines", func(q *request) { q.set("Connection", "keep-alive"); q.add("Connection", "Upgrade") }},
		{"upgrade-mixed", setting("Upgrade", "WebSocket")},
		{"upgrade-upper", setting("Upgrade", "WEBSOCKET")},
		{"names-lower", func(q *request) { q.rename(strings.ToLower) }},
		{"names-upper", func(q *request) { q.rename(strings.ToUpper) }},
		{"order-reversed", func(q *request) { slices.Reverse(q.fields) }},
		{"spaces-around-values", func(q *request) {
			for i := range q.fields {
				q.fields[i].value = "  " + q.fields[i].value + " \t"
			}
		}},
		{"unknown-field", adding("X-Unknown", "anything, at all; even=this")},
		{"empty-field", adding("X-Empty", "")},
		{"long-field", adding("X-Long", strings.Repeat("x", 4000))},
		{"many-fields", func(q *request) {
			for i := range 50 {
				q.add(fmt.Sprintf("X-Field-%d", i), "value")
			}
		}},
		{"cookie", adding("Cookie", "a=b; c=\"d\"")},
		{"utf8-value", adding("X-Text", "Grüße")},
		{"user-agent", adding("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")},
		{"query", func(q *request) { q.path += "?x=1&y=%20" }},
		{"same-origin", func(q *request) { q.add("Origin", q.origin) }},
		{"absolute-target", func(q *request) { q.path = "http://" + q.value("Host") + q.path }},
	} {
		l.add(r, "request/good/"+c.name, 0, opening(0, c.edit))
	}
	r.fault = "a request that arrives in pieces is not put together"
	for _, chop := range []int{1, 2, 7, 100} {
		l.add(r, fmt.Sprintf("request/good/pieces-of-%d", chop), 0, opening(chop, func(*request) {}))
	}
	early := rule{
		dir: Server, section: "4.1", needs: needRaw,
		must:  "A client must wait for the answer before it sends a frame. A server may refuse one that does not; if it opens the connection, it processes those frames.",
		fault: "opens a connection, and fails if a frame comes with the request",
	}
	l.add(early, "request/good/frame-behind", 0, pipelined)
	choiceCases(l, r)
	r.must, r.fault = "Sec-WebSocket-Accept is made of the key of this request.", "computes Sec-WebSocket-Accept wrongly for some keys"
	for _, key := range []named{
		{"rfc-sample", "dGhlIHNhbXBsZSBub25jZQ=="}, {"zeros", "AAAAAAAAAAAAAAAAAAAAAA=="},
		{"slashes", "/////////////////////w=="}, {"plus-and-slash", "+/+/+/+/+/+/+/+/+/+/+w=="},
	} {
		l.add(r, "request/key/good-"+key.name, 0, opening(0, func(q *request) { q.key = key.value; q.set("Sec-WebSocket-Key", key.value) }))
	}
}

func (q *request) rename(f func(string) string) {
	for i := range q.fields {
		q.fields[i].name = f(q.fields[i].name)
	}
}

func (q *request) value(name string) string {
	for _, f := range q.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

// opening expects that a request is accepted and that frames can follow.
func opening(chop int, change edit) script {
	return func(_ context.Context, p *peer) error {
		q := p.newRequest()
		change(q)
		if _, err := p.askIn(chop, q); err != nil {
			return err
		}
		p.send(ping("open?"))
		return worst(p.wantPong("open?"), p.finish())
	}
}

// pipelined sends a frame in the same write as the request. A conforming client
// does not do that, so a server may drop the connection.
func pipelined(_ context.Context, p *peer) error {
	q := p.newRequest()
	q.body = string(ping("early").append(nil, true))
	p.expect(ping("early"))
	p.sendRequest(0, q)
	res, err := p.answer()
	switch {
	case err != nil:
		return err
	case res == nil || res.StatusCode != http.StatusSwitchingProtocols:
		return tolerated("the server refuses a client that does not wait for the answer")
	}
	if err := checkAnswer(q, res); err != nil {
		return err
	}
	p.send(ping("open?"))
	p.hurry(0)
	ev, err := p.next()
	switch {
	case err != nil:
		return err
	case ev.over() || ev.kind == closeSeen:
		return tolerated("the server ends the connection of a client that does not wait for the answer")
	case ev.kind == ponged && string(ev.payload) == "open?":
		return worst(tolerated("the server drops a frame that comes before its answer"), p.finish())
	case ev.kind != ponged:
		return failed("expected a pong, got %v", ev)
	}
	return worst(p.wantPong("open?"), p.finish())
}

// choiceCases are choices of the server among the client's offers.
func choiceCases(l *list, r rule) {
	r.section = "4.2.2"
	r.must = "The server chooses one of the offered subprotocols, or none."
	r.fault = "chooses a subprotocol that was not offered, or fails because of the list"
	for _, c := range []struct {
		name   string
		values []string
	}{
		{"none", nil}, {"one", []string{"wstest.unknown"}}, {"two", []string{"wstest.unknown, chat"}},
		{"two-lines", []string{"wstest.unknown", "chat"}}, {"tight", []string{"a,b,c"}},
		{"any-character", []string{"a!#$%&'*+-.^_`|~9"}}, {"many", []string{manyProtocols()}},
		{"case", []string{"CHAT, Echo"}},
	} {
		l.add(r, "request/subprotocol/"+c.name, 0, opening(0, func(q *request) {
			for _, v := range c.values {
				q.add("Sec-WebSocket-Protocol", v)
				q.offered = append(q.offered, list1([]string{v})...)
			}
		}))
	}
	r.section = "9.1"
	r.must = "Extensions that the server does not know are ignored."
	r.fault = "agrees to an extension that it does not know, or fails because of it"
	for _, c := range []struct{ name, value string }{
		{"unknown", "x-wstest-unknown"}, {"parameters", "x-wstest-unknown; a; b=1; c=2"},
		{"two", "x-wstest-one, x-wstest-two; a=b"}, {"quoted", `x-wstest-unknown; a="b"`}, {"spaces", "  x-wstest-unknown ;  a=1 "},
	} {
		l.add(r, "request/extension/"+c.name, 0, func(_ context.Context, p *peer) error {
			q := p.newRequest()
			q.add("Sec-WebSocket-Extensions", c.value)
			res, err := p.ask(q)
			if err != nil {
				return err
			}
			if got := res.Header["Sec-Websocket-Extensions"]; len(got) > 0 {
				return failed("the server chose %q out of %q", got, c.value)
			}
			p.send(ping("open?"))
			return worst(p.wantPong("open?"), p.finish())
		})
	}
}

// manyProtocols is a list of 32 different names (RFC 6455, section 4.1).
func manyProtocols() string {
	names := make([]string, 32)
	for i := range names {
		names[i] = fmt.Sprintf("wstest.%d", i+1)
	}
	return strings.Join(names, ", ")
}

// malformedCases are lists of extensions that violate section 9.1. A peer that
// parses the field must fail the connection. Others may ignore it.
func malformedCases(l *list, r rule) {
	r.section = "9.1"
	r.must = "A list of extensions that is not in the form of the section fails the connection."
	r.fault = "guesses what a list of extensions means"
	for _, v := range []named{
		{"no-name", "; a"}, {"parameter-without-name", "x-a; =b"}, {"parameter-without-value", "x-a; a="},
		{"quoted-space", `x-a; a="b c"`}, {"quote-open", `x-a; a="b`}, {"quoted-empty", `x-a; a=""`},
		{"space-in-name", "x a"}, {"slash-in-name", "x-a/1"}, {"two-values", "x-a; a=b=c"},
		{"deflate-quoted-empty", deflateName + `; server_max_window_bits=""`},
		{"deflate-parameter-without-value", deflateName + "; server_max_window_bits="},
		{"deflate-without-semicolon", deflateName + ` client_max_window_bits`},
	} {
		l.add(r, "request/extension/malformed-"+v.name, 0, func(ctx context.Context, p *peer) error {
			q := p.newRequest()
			q.add("Sec-WebSocket-Extensions", v.value)
			p.sendRequest(0, q)
			res, err := p.answer()
			switch {
			case err != nil:
				return err
			case res == nil || res.StatusCode != http.StatusSwitchingProtocols:
				return nil
			case len(res.Header["Sec-Websocket-Extensions"]) > 0:
				return failed("the server chose %q", res.Header["Sec-Websocket-Extensions"])
			}
			p.send(ping("open?"))
			return worst(tolerated("the server ignores the list"), p.wantPong("open?"))
		})
	}
}
