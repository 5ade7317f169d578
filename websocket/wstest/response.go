package wstest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"net"
	"net/http"
	"slices"
	"strings"
)

// response is the suite's response to a client, in a form in which each byte
// can be invalid.
type response struct {
	line   string
	fields []field
	eol    string
	body   string // after the head
}

// newResponse returns a valid response.
func (p *peer) newResponse() *response {
	return &response{
		line: "HTTP/1.1 101 Switching Protocols", eol: "\r\n",
		fields: []field{
			{"Upgrade", "websocket"},
			{"Connection", "Upgrade"},
			{"Sec-WebSocket-Accept", p.accept},
		},
	}
}

func (s *response) add(name, value string) { s.fields = append(s.fields, field{name, value}) }

func (s *response) drop(name string) {
	s.fields = slices.DeleteFunc(s.fields, func(f field) bool { return strings.EqualFold(f.name, name) })
}

func (s *response) set(name, value string) {
	for i := range s.fields {
		if strings.EqualFold(s.fields[i].name, name) {
			s.fields[i].value = value
		}
	}
}

func (s *response) bytes() []byte {
	var b strings.Builder
	b.WriteString(s.line + s.eol)
	for _, f := range s.fields {
		b.WriteString(f.name + ": " + f.value + s.eol)
	}
	b.WriteString(s.eol + s.body)
	return []byte(b.String())
}

// reply sends a response, in pieces of chop bytes unless that is 0.
func (p *peer) reply(chop int, s *response) {
	b := s.bytes()
	p.log.head("suite", b)
	p.writePieces(b, chop)
}

// answerWith answers the request of a client under test. It chooses the first
// offered subprotocol.
func (p *peer) answerWith(extensions string) error {
	s := p.newResponse()
	if offered := list1(p.request.Header["Sec-Websocket-Protocol"]); len(offered) > 0 {
		s.add("Sec-WebSocket-Protocol", offered[0])
	}
	if extensions != "" {
		s.add("Sec-WebSocket-Extensions", extensions)
	}
	p.reply(0, s)
	return nil
}

// list1 splits the values of a list of tokens.
func list1(values []string) (tokens []string) {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			if t = strings.Trim(t, " \t"); t != "" {
				tokens = append(tokens, t)
			}
		}
	}
	return tokens
}

// readRequest reads the request of a client under test.
func (p *peer) readRequest() error {
	head, err := readHead(p.r)
	p.log.head("peer", head)
	if err != nil {
		return failed("no request came: %v", err)
	}
	p.request, err = http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return failed("the request is not HTTP: %v", err)
	}
	p.accept = acceptOf(p.request.Header.Get("Sec-Websocket-Key"))
	return nil
}

// checkRequest checks a client's request to the suite at addr (RFC 6455,
// section 4.1).
func checkRequest(q *http.Request, addr net.Addr) error {
	h := q.Header
	key, err := base64.StdEncoding.DecodeString(h.Get("Sec-Websocket-Key"))
	switch {
	case q.Method != "GET":
		return failed("the method is %s", q.Method)
	case !q.ProtoAtLeast(1, 1):
		return failed("the version is %s", q.Proto)
	case q.Host == "" || !namesPort(q.Host, addr):
		return failed("Host is %q", q.Host)
	case !hasToken(h, "Upgrade", "websocket"):
		return failed("Upgrade is %q", h["Upgrade"])
	case !hasToken(h, "Connection", "upgrade"):
		return failed("Connection is %q", h["Connection"])
	case err != nil || len(key) != 16 || len(h["Sec-Websocket-Key"]) != 1:
		return failed("Sec-WebSocket-Key is %q", h["Sec-Websocket-Key"])
	case len(h["Sec-Websocket-Version"]) != 1 || h.Get("Sec-Websocket-Version") != "13":
		return failed("Sec-WebSocket-Version is %q", h["Sec-Websocket-Version"])
	case q.URL.Fragment != "":
		return failed("the request's target has a fragment: %s", q.RequestURI)
	}
	return nil
}

// namesPort reports whether a Host field has the required port, which may be
// omitted if it is 80.
func namesPort(host string, addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	_, _, err := net.SplitHostPort(host)
	return err == nil || !ok || tcp.Port == 80
}
