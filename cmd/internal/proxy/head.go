package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/wskit/wskit/httphead"
)

// readHead reads the head of an HTTP/1.1 message. It also returns the bytes
// read after it.
func readHead(r io.Reader) (head, rest []byte, err error) {
	p := make([]byte, 0, 4<<10)
	for sought := 0; ; {
		if len(p) == httphead.DefaultMaxBytes {
			return nil, nil, fmt.Errorf("the head is longer than %d bytes", len(p))
		}
		if len(p) == cap(p) {
			p = append(p, 0)[:len(p)]
		}
		n, err := r.Read(p[len(p):min(cap(p), httphead.DefaultMaxBytes)])
		p = p[:len(p)+n]
		if end := httphead.End(p, sought); end >= 0 {
			return p[:end], p[end:], nil
		}
		sought = len(p)
		switch {
		case errors.Is(err, io.EOF) && len(p) == 0:
			return nil, nil, errors.New("the connection ended before the head")
		case errors.Is(err, io.EOF):
			return nil, nil, errors.New("the connection ended inside the head")
		case err != nil:
			return nil, nil, err
		}
	}
}

// rewrite returns the request for the server: the received head with another
// Host, the path of the target URL if it has one, and the changes of the flags.
// A request without an upgrade is the only one on its connection.
func (p *proxy) rewrite(head []byte, r *httphead.Request, upgrade bool) []byte {
	lines := bytes.SplitAfter(head, []byte("\r\n"))
	i := 0
	for len(lines[i]) == 2 { // an empty line may precede a request
		i++
	}
	var out bytes.Buffer
	if path := p.path(); path != "" && r.Target[0] == '/' {
		fmt.Fprintf(&out, "%s %s HTTP/%d.%d\r\n", r.Method, path, r.Major, r.Minor)
	} else {
		out.Write(lines[i])
	}
	for _, line := range lines[i+1:] {
		name, _, _ := strings.Cut(string(line), ":")
		switch {
		case strings.EqualFold(name, "Host") && !p.keepHost && p.target != nil:
			line = []byte("Host: " + p.target.Host + "\r\n")
		case strings.EqualFold(name, "Sec-WebSocket-Extensions") && p.plain:
			continue
		case strings.EqualFold(name, "Connection") && !upgrade:
			continue
		case len(line) == 2 && !upgrade:
			out.WriteString("Connection: close\r\n")
		}
		out.Write(line)
	}
	return out.Bytes()
}

// answer refuses a request. It is called only if no response was sent.
func answer(w io.Writer, status int, reason string) {
	fmt.Fprintf(w, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s\n",
		status, http.StatusText(status), len(reason)+1, reason)
}
