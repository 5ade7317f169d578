package wstest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"strings"
)

// target is a server under test.
type target struct {
	url    *url.URL
	addr   string
	secure bool
}

func parseTarget(raw string) (target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, fmt.Errorf("wstest: %w", err)
	}
	t := target{url: u, secure: u.Scheme == "wss" || u.Scheme == "https"}
	if !t.secure && u.Scheme != "ws" && u.Scheme != "http" || u.Host == "" {
		return target{}, fmt.Errorf("wstest: %q is not a WebSocket URL", raw)
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[t.secure]
	}
	t.addr = net.JoinHostPort(u.Hostname(), port)
	return t, nil
}

// dial opens a connection to the server.
func (t target) dial(ctx context.Context, o *Options) (net.Conn, error) {
	if o.Transport != nil {
		return newStreamConn(ctx, t, o), nil
	}
	conn, err := o.Dial(ctx, "tcp", t.addr)
	if err != nil || !t.secure {
		return conn, err
	}
	cfg := &tls.Config{}
	if o.TLS != nil {
		cfg = o.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = t.url.Hostname()
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

const maxHead = 64 << 10

var errHeadTooBig = errors.New("head exceeds 64 KiB")

// readHead reads the head of a request or a response in wire form.
func readHead(r *bufio.Reader) ([]byte, error) {
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		line, err := r.ReadSlice('\n')
		head = append(head, line...)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return head, err
		}
		if len(head) > maxHead {
			return head, errHeadTooBig
		}
	}
	return head, nil
}

// answer reads the head of a server's response. It returns nil if the server
// ended the connection instead.
func (p *peer) answer() (*http.Response, error) {
	head, err := readHead(p.r)
	if len(head) > 0 {
		p.log.head("peer", head)
	}
	if err != nil {
		if ev, bad := p.ending(err); bad != nil || ev.kind == timedOut {
			return nil, failed("no answer to the handshake: %v", err)
		}
		return nil, nil
	}
	res, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(head), p.r)), nil)
	if err != nil {
		return nil, failed("the answer is not HTTP: %v", err)
	}
	return res, nil
}

// silent reports whether no byte of a response arrives for a while.
func (p *peer) silent() bool {
	p.hurry(2 * p.opts.Quiet)
	_, err := p.r.Peek(1)
	p.hurry(0)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// newKey returns a random Sec-WebSocket-Key.
func newKey() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// acceptOf computes Sec-WebSocket-Accept (RFC 6455, section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// hasToken reports whether a field with a list contains a token.
func hasToken(h http.Header, name, token string) bool {
	for _, v := range h[textproto.CanonicalMIMEHeaderKey(name)] {
		for t := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(t, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// openWith performs the handshake of a case about something else, with an offer
// or a choice of extensions. It returns the negotiated extensions.
func (p *peer) openWith(extensions string) (string, error) {
	if !p.client {
		return extensions, p.answerWith(extensions)
	}
	q := p.newRequest()
	if extensions != "" {
		q.add("Sec-WebSocket-Extensions", extensions)
	}
	res, err := p.ask(q)
	if err != nil {
		return "", err
	}
	return strings.Join(res.Header["Sec-Websocket-Extensions"], ", "), nil
}

func (p *peer) openPlain() error {
	got, err := p.openWith("")
	if err == nil && got != "" {
		return failed("the server chose an extension that was not offered: %s", got)
	}
	return err
}
