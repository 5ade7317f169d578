package fuzz

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/bench"
	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
)

const request = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

// FuzzRequest holds the upgrade of a raw connection against net/http with
// gorilla's upgrader, and with ours. We must be the strictest: they must accept
// everything that we accept, so that a proxy and we interpret requests alike. A
// request that only they accept is refused with a status.
//
// These are the differences, and why:
//   - We pass over one empty line in front of a request, as RFC 9112, section 2.2 asks
//     for; net/http refuses it.
//   - Lists may have empty members, and protocols versions: see plainLists.
//   - We refuse two Sec-WebSocket-Key fields, also if they are equal (RFC 6455,
//     section 11.3.1). gorilla takes the first.
//   - A Sec-WebSocket-Version of which one member is not 13 is refused; gorilla
//     looks for one that is.
//   - Subprotocols are compared with regard to case (RFC 6455, section 4.1, item 10).
//     Some libraries fold it.
func FuzzRequest(f *testing.F) {
	for _, more := range []string{
		"",
		"Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: x; y=\"1\"\r\nOrigin: https://example.com\r\n",
		"Content-Length: 0\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n",
		"Host: other.example\r\n", " folded: x\r\n", "Space : x\r\n", "X: a\nY: b\r\n", "X: \x00\r\n",
		"Sec-WebSocket-Version: 8\r\n", "Upgrade: h2c\r\n",
	} {
		f.Add([]byte(request + more + "\r\n"))
	}
	f.Add([]byte(strings.Replace(request, "GET /chat", "GET http://example.com/chat", 1) + "\r\n"))
	f.Add([]byte(strings.Replace(request, "/1.1", "/1.0", 1) + "\r\n"))
	f.Add([]byte(strings.Replace(request, "keep-alive, ", "keep-alive,,", 1) + "\r\n"))
	f.Add([]byte(strings.Replace(request, "websocket", "x/1, websocket", 1) + "\r\n"))
	for _, line := range []string{"GET /%zz", "GET http://exampl%.com/", "GET http://[zz]/", "GET http://h%41/", "GET http://h%C3%A9/", "GET /caf\xc3\xa9?%zz", "GET ws://example.com/chat"} {
		f.Add([]byte(strings.Replace(request, "GET /chat", line, 1) + "\r\n"))
	}
	f.Add([]byte("\r\n" + request + "\r\n"))
	f.Add([]byte(request + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol:\r\nSec-WebSocket-Extensions:\r\n\r\n"))
	f.Add([]byte(strings.Replace(request, ": 13", ": 13, 13", 1) + "\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var answer bytes.Buffer
		_, err := ws.Upgrade(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(in), &answer})
		if err != nil {
			if answer.Len() > 0 {
				resp, err := http.ReadResponse(bufio.NewReader(&answer), nil)
				require.NoError(t, err)
				require.GreaterOrEqual(t, resp.StatusCode, 400)
			}
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(in, []byte("\r\n")))))
		require.NoError(t, err, "net/http refuses a request that we accept")
		if plainLists(r.Header) {
			u := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
			_, err = u.Upgrade(bench.NewResponseWriter(new(bench.Conn)), r, nil)
			require.NoError(t, err, "gorilla refuses a request that we accept")
		}
		_, _, _, err = ws.UpgradeHTTP(r, bench.NewResponseWriter(new(bench.Conn)))
		require.NoError(t, err, "our upgrade under net/http refuses a request that the raw one accepts")
	})
}

// plainLists reports whether Connection and Upgrade contain only tokens. RFC
// 9110 requires recipients to skip empty members (section 5.6.1.2), and allows
// a version in a protocol (section 7.8). gorilla stops at both.
func plainLists(h http.Header) bool {
	for _, value := range slices.Concat(h["Connection"], h["Upgrade"]) {
		for member := range strings.SplitSeq(value, ",") {
			if !httphead.IsToken(strings.Trim(member, " \t")) {
				return false
			}
		}
	}
	return true
}

const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"

// FuzzAnswer holds the client's check of an answer against net/http and
// gorilla's dialer: what we accept they accept.
func FuzzAnswer(f *testing.F) {
	for _, more := range []string{
		"",
		"Sec-WebSocket-Protocol: chat\r\n",
		"Sec-WebSocket-Protocol: other\r\n",
		"Sec-WebSocket-Extensions: x\r\n",
		"Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: other\r\n",
		"Connection: close\r\n", " folded\r\n", "X: a\nY: b\r\n",
	} {
		f.Add([]byte(answer + more + "\r\n\x81\x02hi"))
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Add([]byte(strings.Replace(answer, "Connection: ", "Connection: ,", 1) + "\r\n"))
	target := &url.URL{Scheme: "ws", Host: "example.com", Path: "/"}
	f.Fuzz(func(t *testing.T, in []byte) {
		ours := &server{answer: in}
		body := false
		d := ws.Dialer{Protocols: []string{"chat"}, OnHeader: func(key, _ []byte) error {
			switch string(key) {
			case "Content-Length", "Transfer-Encoding", "Trailer":
				body = true
			}
			return nil
		}}
		if _, _, err := d.Upgrade(ours, target); err != nil || body {
			return // a 101 ends with its head, whatever it says of a body (RFC 9112, section 6.3); net/http reads what it says
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(in)), nil)
		require.NoError(t, err, "net/http refuses an answer that we accept")
		require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
		if resp.Close {
			return // net/http takes the whole Connection field away then, and gorilla misses its Upgrade
		}
		if !plainLists(resp.Header) {
			return
		}
		theirs := websocket.Dialer{
			Subprotocols:   []string{"chat"},
			NetDialContext: func(context.Context, string, string) (net.Conn, error) { return &server{answer: in}, nil },
		}
		_, _, err = theirs.Dial(target.String(), nil)
		require.NoError(t, err, "gorilla refuses an answer that we accept")
	})
}

// A server answers the request of a handshake with answer, in which ACCEPT
// stands for what belongs to the key.
type server struct {
	bench.Conn // what no dialer calls
	answer     []byte
	request    bytes.Buffer
	out        *bytes.Reader
}

func (s *server) Write(p []byte) (int, error) { return s.request.Write(p) }

func (s *server) Read(p []byte) (int, error) {
	if s.out == nil {
		r, err := http.ReadRequest(bufio.NewReader(&s.request))
		if err != nil {
			return 0, err
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		accept := base64.StdEncoding.AppendEncode(nil, sum[:])
		s.out = bytes.NewReader(bytes.ReplaceAll(s.answer, []byte("ACCEPT"), accept))
	}
	return s.out.Read(p)
}
