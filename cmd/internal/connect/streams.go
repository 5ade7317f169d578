package connect

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh2"
	"github.com/wskit/wskit/wsh3"
	"github.com/wskit/wskit/wsutil"
)

// Opener opens WebSockets over the version of HTTP in the flags.
type Opener struct {
	transport transport // nil for HTTP/1.1
}

// transport opens streams, and closes the connections that they share.
type transport interface {
	websocket.Transport
	Close() error
}

// Opener returns an Opener that connects as d does. streams is the number of
// WebSockets on one HTTP/2 connection, or 0 for as many as the server allows,
// at most 250.
func (f *Flags) Opener(d ws.Dialer, streams int) *Opener {
	return &Opener{f.transport(d, streams)}
}

// Transport returns the transport of an Opener, or nil for HTTP/1.1, and a
// function that closes the connections of the transport. A program that ends
// without this call may leave its HTTP/3 connections to the server's timeout.
func (f *Flags) Transport(config *tls.Config) (t websocket.Transport, closeAll func()) {
	if t := f.transport(ws.Dialer{TLSConfig: config}, 0); t != nil {
		return t, func() { t.Close() }
	}
	return nil, func() {}
}

func (f *Flags) transport(d ws.Dialer, streams int) transport {
	switch {
	case f.HTTP2:
		return &wsh2.Transport{Dialer: d, Cleartext: true, MaxConns: -1, MaxStreams: streams}
	case f.HTTP3:
		return &wsh3.Transport{TLSConfig: d.TLSConfig, DialTimeout: d.Timeout}
	}
	return nil
}

// Streams reports whether WebSockets are streams of HTTP/2 or HTTP/3.
func (f *Flags) Streams() bool { return f.HTTP2 || f.HTTP3 }

// checkVersion checks the flags for HTTP/2 and HTTP/3.
func (f *Flags) checkVersion(u *url.URL) error {
	switch {
	case f.HTTP2 && f.HTTP3:
		return exit.Usagef("--http2 and --http3: give one of them")
	case f.HTTP3 && f.proxy != "" && f.proxy != "none":
		return exit.Usagef("--proxy cannot be combined with --http3, which uses UDP")
	case f.HTTP3 && u.Scheme != "wss":
		return exit.Usagef("--http3 requires a wss URL: HTTP/3 is always encrypted")
	}
	return nil
}

// Dial opens a WebSocket to the URL with the settings of d. It calls OnRequest
// and OnResponse of d with the heads; HTTP/2 and HTTP/3 encode them differently
// on the wire.
func (o *Opener) Dial(ctx context.Context, d wsutil.DebugDialer, u string) (net.Conn, ws.Handshake, error) {
	if o.transport == nil {
		conn, _, hs, err := d.Dial(ctx, u)
		return conn, hs, err
	}
	s, hs, err := websocket.OpenStream(ctx, &shown{o.transport, d}, d.Dialer, u)
	if err != nil {
		return nil, hs, err
	}
	return &streamConn{s, s.(addressed)}, hs, nil
}

// Close closes the shared connections.
func (o *Opener) Close() {
	if o.transport != nil {
		o.transport.Close()
	}
}

// addressed is a stream that knows its addresses.
type addressed interface {
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// streamConn is a stream as a net.Conn.
type streamConn struct {
	websocket.Stream
	addressed
}

func (c *streamConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// shown is a transport that shows the heads of requests and responses.
type shown struct {
	websocket.Transport
	d wsutil.DebugDialer
}

func (t *shown) Connect(r *http.Request) (websocket.Stream, *http.Response, error) {
	if t.d.OnRequest != nil {
		scheme := map[bool]string{true: "https", false: "http"}[r.URL.Scheme == "https"]
		t.d.OnRequest(head(r.Header, ":method", r.Method, ":protocol", r.Header[":protocol"][0],
			":scheme", scheme, ":authority", r.Host, ":path", r.URL.RequestURI()))
	}
	s, resp, err := t.Transport.Connect(r)
	if err == nil && t.d.OnResponse != nil {
		t.d.OnResponse(head(resp.Header, ":status", fmt.Sprint(resp.StatusCode)))
	}
	return s, resp, err
}

// head formats a head: first the pseudo-headers, which are pairs of name and
// value, and then the fields.
func head(h http.Header, pseudo ...string) []byte {
	var b bytes.Buffer
	for i := 0; i < len(pseudo); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", pseudo[i], pseudo[i+1])
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			if name[0] != ':' {
				fmt.Fprintf(&b, "%s: %s\r\n", strings.ToLower(name), v)
			}
		}
	}
	b.WriteString("\r\n")
	return b.Bytes()
}
