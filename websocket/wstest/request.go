package wstest

import (
	"net/http"
	"slices"
	"strings"
)

// request is the suite's handshake request, in a form in which each byte can be
// invalid.
type request struct {
	method, path, proto string
	fields              []field
	eol                 string
	body                string // follows the head
	key, origin         string
	offered             []string // subprotocols
}

type field struct{ name, value string }

// newRequest returns a valid request.
func (p *peer) newRequest() *request {
	q := &request{method: "GET", path: p.target.url.RequestURI(), proto: "HTTP/1.1", eol: "\r\n", key: newKey()}
	q.origin = map[bool]string{true: "https://", false: "http://"}[p.target.secure] + p.target.url.Host
	q.add("Host", p.target.url.Host)
	q.add("Upgrade", "websocket")
	q.add("Connection", "Upgrade")
	q.add("Sec-WebSocket-Key", q.key)
	q.add("Sec-WebSocket-Version", "13")
	for name, values := range p.opts.Header {
		for _, v := range values {
			q.add(name, v)
		}
	}
	return q
}

func (q *request) add(name, value string) { q.fields = append(q.fields, field{name, value}) }

func (q *request) drop(name string) {
	q.fields = slices.DeleteFunc(q.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
}

// set replaces the value of an existing field.
func (q *request) set(name, value string) {
	for i := range q.fields {
		if strings.EqualFold(q.fields[i].name, name) {
			q.fields[i].value = value
		}
	}
}

// bytes returns the wire form.
func (q *request) bytes() []byte {
	var b strings.Builder
	b.WriteString(q.method + " " + q.path + " " + q.proto + q.eol)
	for _, f := range q.fields {
		b.WriteString(f.name + ": " + f.value + q.eol)
	}
	b.WriteString(q.eol + q.body)
	return []byte(b.String())
}

// ask sends the request and expects that the server opens the connection.
func (p *peer) ask(q *request) (*http.Response, error) { return p.askIn(0, q) }

func (p *peer) askIn(chop int, q *request) (*http.Response, error) {
	p.sendRequest(chop, q)
	res, err := p.answer()
	switch {
	case err != nil:
		return nil, err
	case res == nil:
		return nil, failed("the server ended the connection instead of answering the handshake")
	case res.StatusCode != http.StatusSwitchingProtocols:
		return nil, failed("the server refused the handshake: %s", res.Status)
	}
	return res, checkAnswer(q, res)
}

func (p *peer) sendRequest(chop int, q *request) {
	b := q.bytes()
	p.log.head("suite", b)
	p.writePieces(b, chop)
}

// checkAnswer checks a response as a client must (RFC 6455, section 4.1).
func checkAnswer(q *request, res *http.Response) error {
	h := res.Header
	switch accept := h["Sec-Websocket-Accept"]; {
	case !strings.EqualFold(h.Get("Upgrade"), "websocket"):
		return failed("the answer's Upgrade is %q", h.Get("Upgrade"))
	case !hasToken(h, "Connection", "upgrade"):
		return failed("the answer's Connection is %q", h.Get("Connection"))
	case len(accept) != 1 || accept[0] != acceptOf(q.key):
		return failed("the answer's Sec-WebSocket-Accept is %q, not %q", accept, acceptOf(q.key))
	}
	chosen := h["Sec-Websocket-Protocol"]
	if len(chosen) > 1 || len(chosen) == 1 && !slices.Contains(q.offered, chosen[0]) {
		return failed("the server chose the subprotocol %q out of %q", chosen, q.offered)
	}
	return nil
}
