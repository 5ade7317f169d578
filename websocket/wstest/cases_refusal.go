package wstest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Requests that a server refuses (RFC 6455, section 4.2).

// refusal is the expected response to a request that must be refused.
type refusal struct {
	statuses []int // statuses that are strict; 400 to 599 if empty
	lenient  bool  // HTTP allows the server to accept the request
	endless  bool  // the server may consider the head incomplete
}

func (want refusal) script(change edit) script {
	return func(_ context.Context, p *peer) error {
		q := p.newRequest()
		change(q)
		p.sendRequest(0, q)
		if want.endless && p.silent() {
			return tolerated("the server waits for the end of the head")
		}
		res, err := p.answer()
		switch {
		case err != nil:
			return err
		case res == nil:
			return tolerated("the server ended the connection without an answer")
		case res.StatusCode == http.StatusSwitchingProtocols && want.lenient:
			return tolerated("the server takes the request")
		case res.StatusCode == http.StatusSwitchingProtocols:
			return failed("the server takes the request")
		case res.StatusCode < 400 || len(want.statuses) > 0 && !slices.Contains(want.statuses, res.StatusCode):
			return tolerated("the server refuses with status %s", res.Status)
		}
		return nil
	}
}

// named is a value and the name of its case.
type named struct{ name, value string }

// Invalid values of fields that requests and responses have in common.
var (
	wrongUpgrades = []named{
		{"empty", ""}, {"space", "web socket"}, {"suffix", "websocketx"}, {"prefix", "xwebsocket"}, {"h2c", "h2c"},
	}
	wrongConnections = []named{
		{"empty", ""}, {"keep-alive", "keep-alive"}, {"close", "close"}, {"suffix", "Upgraded"}, {"prefix", "xUpgrade"},
		{"space", "Up grade"}, {"websocket", "websocket"},
	}
)

func badFieldCases(l *list) {
	r := rule{
		dir: Server, section: "4.2.1", needs: needRaw,
		must: "A request without one of the fields that the section names, or with a wrong value, is refused with an error status.",
	}
	for _, f := range []struct {
		name, id string
		wrong    []named
	}{
		{"Upgrade", "upgrade", wrongUpgrades},
		{"Connection", "connection", wrongConnections},
		{"Sec-WebSocket-Key", "key", []named{
			{"empty", ""}, {"one-letter", "x"}, {"15-bytes", "dGhlIHNhbXBsZSBub25j"}, {"17-bytes", "dGhlIHNhbXBsZSBub25jZXg="},
			{"no-padding", "dGhlIHNhbXBsZSBub25jZQ"}, {"padding-short", "dGhlIHNhbXBsZSBub25jZQ="}, {"padding-long", "dGhlIHNhbXBsZSBub25jZQ==="},
			{"letter-after-padding", "dGhlIHNhbXBsZSBub25jZQ==x"}, {"space", "dGhlIHNhbXBs ZSBub25jZQ=="},
			{"not-base64", "!GhlIHNhbXBsZSBub25jZQ=="}, {"base64url", "_-hlIHNhbXBsZSBub25jZQ=="}, {"1000-letters", strings.Repeat("A", 1000)},
		}},
		{"Host", "host", nil},
	} {
		r.fault = "does not check whether " + f.name + " is there"
		l.add(r, "request/"+f.id+"/missing", 0, refusal{}.script(func(q *request) { q.drop(f.name) }))
		r.fault = "accepts a wrong " + f.name
		for _, v := range f.wrong {
			l.add(r, "request/"+f.id+"/wrong-"+v.name, 0, refusal{}.script(func(q *request) { q.set(f.name, v.value) }))
		}
	}
	r.fault = "accepts one of two Sec-WebSocket-Key fields"
	l.add(r, "request/key/twice", 0, refusal{}.script(func(q *request) { q.add("Sec-WebSocket-Key", newKey()) }))
	l.add(r, "request/key/twice-same", 0, refusal{}.script(func(q *request) { q.add("Sec-WebSocket-Key", q.key) }))
	r.section, r.fault = "RFC 9112, 3.2", "accepts one of two Host fields"
	l.add(r, "request/host/twice", 0, refusal{statuses: []int{400}}.script(func(q *request) { q.add("Host", "example.org") }))
	r.fault = "accepts an invalid Host"
	l.add(r, "request/host/space", 0, refusal{statuses: []int{400}}.script(func(q *request) { q.set("Host", "exa mple.org") }))
}

func badHeadCases(l *list) {
	r := rule{
		dir: Server, section: "4.2.1", needs: needRaw,
		must:  "The request is a GET of HTTP/1.1 or later.",
		fault: "accepts another method",
	}
	for _, m := range []string{"POST", "PUT", "HEAD", "OPTIONS", "DELETE", "get", "GETX", "PATCH"} {
		l.add(r, "request/method/"+m, 0, refusal{statuses: []int{400, 404, 405, 426, 501}}.script(func(q *request) { q.method = m }))
	}
	r.fault = "accepts another version of HTTP"
	for _, v := range []string{"HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1", "HTTP/11", "http/1.1", "HTTPS/1.1", "HTTP/1.x", ""} {
		want := refusal{lenient: v == "HTTP/2.0"} // formally later than 1.1
		l.add(r, "request/http/"+strings.ReplaceAll(strings.TrimPrefix(v, "HTTP/"), "/", "-")+suffix(v == "", "none"), 0,
			want.script(func(q *request) { q.proto = v }))
	}
	r.section = "RFC 9112, 2.2 and 5"
	r.must = "A head that is not valid HTTP is refused with 400."
	for _, c := range []struct {
		name, fault string
		lenient     bool
		edit        edit
	}{
		{"bare-lf", "accepts lines that end in a bare LF", true, func(q *request) { q.eol = "\n" }},
		{"bare-cr", "accepts lines that end in a bare CR", false, func(q *request) { q.add("X-A", "b\rX-C: d") }},
		{"folded", "accepts a field that goes on in the next line", true, func(q *request) { q.add("X-Folded", "a\r\n b") }},
		{"nul", "accepts a NUL in a value", true, func(q *request) { q.add("X-Nul", "a\x00b") }},
		{"space-before-colon", "accepts a space before the colon", false, func(q *request) { q.add("X-Space ", "a") }},
		{"no-colon", "accepts a line without a colon", false, func(q *request) { q.fields = append(q.fields, field{"X-None\r\nX", "a"}) }},
		{"no-name", "accepts a field without a name", false, func(q *request) { q.add("", "a") }},
		{"space-in-name", "accepts a space in a name", false, func(q *request) { q.add("X A", "a") }},
		{"control-in-name", "accepts a control character in a name", false, func(q *request) { q.add("X\x01A", "a") }},
		{"space-first", "accepts a first field that begins with a space", false, func(q *request) {
			q.fields = append([]field{{" X-First", "a"}}, q.fields...)
		}},
		{"space-in-target", "accepts a target with a space", false, func(q *request) { q.path += " x" }},
		{"no-target", "accepts a request without a target", false, func(q *request) { q.path = "" }},
		{"relative-target", "accepts a target that does not begin with a slash", false, func(q *request) { q.path = "chat" }},
		{"garbage", "accepts input that is not a request", false, func(q *request) { q.method = "\x16\x03\x01\x02\x00" }},
	} {
		r.fault = c.fault
		l.add(r, "request/head/"+c.name, 0, refusal{lenient: c.lenient, endless: c.name == "bare-lf"}.script(c.edit))
	}
	r.section, r.must = "10.4", "An endpoint has limits."
	r.fault = "reads a head that has no end"
	l.add(r, "request/head/endless-line", 0, endless(false))
	l.add(r, "request/head/endless-fields", 0, endless(true))
	r.section = "RFC 9110, 7.8"
	r.must = "Frames follow the whole request, including its body."
	r.fault = "treats the body of the request as frames"
	l.add(r, "request/body/length", 0, withBody("Content-Length", "5", "hello"))
	l.add(r, "request/body/chunked", 0, withBody("Transfer-Encoding", "chunked", "5\r\nhello\r\n0\r\n\r\n"))
}

func suffix(is bool, s string) string {
	if is {
		return s
	}
	return ""
}

// withBody sends a request with a body. A server may refuse it or read it.
func withBody(name, value, body string) script {
	return func(_ context.Context, p *peer) error {
		q := p.newRequest()
		q.add(name, value)
		q.body = body
		p.sendRequest(0, q)
		res, err := p.answer()
		switch {
		case err != nil:
			return err
		case res == nil:
			return tolerated("the server ended the connection without an answer")
		case res.StatusCode != http.StatusSwitchingProtocols:
			return nil
		}
		p.send(ping("open?"))
		return worst(tolerated("the server takes a request with a body"), p.wantPong("open?"))
	}
}

// endless sends 4 MiB of a head.
func endless(fields bool) script {
	return func(_ context.Context, p *peer) error {
		q := p.newRequest()
		for i := range 1024 {
			if fields {
				for j := range 64 {
					q.add(fmt.Sprintf("X-%d-%d", i, j), strings.Repeat("x", 48))
				}
			}
		}
		if !fields {
			q.add("X-Endless", strings.Repeat("x", 4<<20))
		}
		p.log.note("a request with a head of %d bytes", len(q.bytes()))
		p.write(q.bytes(), 32<<10)
		res, err := p.answer()
		switch {
		case err != nil:
			return err
		case res == nil: // the reset may have overtaken the response
			return nil
		case res.StatusCode == http.StatusSwitchingProtocols:
			return tolerated("the server takes a head of 4 MiB")
		}
		return nil
	}
}

func versionCases(l *list) {
	r := rule{
		dir: Server, section: "4.2.2", needs: needRaw,
		must:  "Another version is refused with an error status, such as 426, and a Sec-WebSocket-Version field that names the right one.",
		fault: "accepts a version that it does not support, or does not name the one that it does",
	}
	for _, v := range []string{"0", "7", "8", "12", "14", "25", "113", "-13", "13.0", "013", "+13", "x", "", "13, 8"} {
		l.add(r, "request/version/"+strings.ReplaceAll(v, ", ", "-and-")+suffix(v == "", "empty"), 0, wrongVersion(func(q *request) { q.set("Sec-WebSocket-Version", v) }))
	}
	l.add(r, "request/version/missing", 0, wrongVersion(func(q *request) { q.drop("Sec-WebSocket-Version") }))
	l.add(r, "request/version/twice", 0, refusal{}.script(func(q *request) { q.add("Sec-WebSocket-Version", "8") }))
}

func wrongVersion(change edit) script {
	return func(ctx context.Context, p *peer) error {
		q := p.newRequest()
		change(q)
		p.sendRequest(0, q)
		res, err := p.answer()
		switch {
		case err != nil:
			return err
		case res == nil:
			return tolerated("the server ended the connection without an answer")
		case res.StatusCode == http.StatusSwitchingProtocols:
			return failed("the server takes the request")
		case res.StatusCode < 400:
			return tolerated("the server refuses with status %s", res.Status)
		case !hasToken(res.Header, "Sec-WebSocket-Version", "13"):
			return tolerated("the refusal has no Sec-WebSocket-Version: 13")
		}
		return nil
	}
}
