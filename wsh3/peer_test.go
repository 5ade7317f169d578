package wsh3

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"github.com/quic-go/quic-go/testutils/simnet"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// certified is a certificate for example.com, and who trusts it. It is made here since
// nothing may listen in a bubble.
var certified, trusting = func() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.TLS.Certificates[0], pool
}()

func serverTLS() *tls.Config {
	return http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certified}})
}

// lan is a network in memory with one address for clients and one for a server.
type lan struct {
	simnet.PerfectRouter
	cut            atomic.Bool // packets are lost
	client, server *simnet.SimConn
	quic           *quic.Transport // of the clients
	accepted       []*quic.Conn    // by listen
}

// SendPacket passes a packet on, unless the network is cut.
func (n *lan) SendPacket(p simnet.Packet) error {
	if n.cut.Load() {
		return nil
	}
	return n.PerfectRouter.SendPacket(p)
}

// bubble runs a test with a network and a clock of its own. It fails if a goroutine is
// left after the test has ended.
func bubble(t *testing.T, f func(t *testing.T, n *lan)) {
	synctest.Test(t, func(t *testing.T) {
		n := new(lan)
		n.client = simnet.NewBlockingSimConn(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}, n)
		n.server = simnet.NewBlockingSimConn(&net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 443}, n)
		n.quic = &quic.Transport{Conn: n.client}
		defer func() {
			for _, c := range n.accepted {
				c.CloseWithError(noError, "")
			}
			n.quic.Close()
			n.client.Close()
			n.server.Close()
		}()
		f(t, n)
	})
}

// serve serves h over HTTP/3 until the test ends, or to the end that it returns.
func (n *lan) serve(h http.Handler) (s *http3.Server, end func()) {
	s = &http3.Server{Handler: h, TLSConfig: serverTLS(), QUICConfig: QUICConfig(), Logger: slog.New(slog.DiscardHandler)}
	var mu sync.Mutex
	var conns []*quic.Conn
	s.ConnContext = func(ctx context.Context, c *quic.Conn) context.Context {
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c)
		return ctx
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		s.Serve(n.server)
	}()
	return s, func() {
		mu.Lock()
		open := slices.Clone(conns)
		mu.Unlock()
		for _, c := range open {
			c.CloseWithError(noError, "")
		}
		time.Sleep(time.Minute) // Close waits for handlers with a lock held, which a bubble takes for work
		s.Close()
		n.server.Close()
		<-served
	}
}

// transport makes tr dial the server of the network.
func (n *lan) transport(tr *Transport) *Transport {
	tr.TLSConfig = &tls.Config{RootCAs: trusting}
	tr.Dial = func(ctx context.Context, _ string, config *tls.Config, qc *quic.Config) (*quic.Conn, error) {
		return n.quic.Dial(ctx, n.server.LocalAddr(), config, qc)
	}
	return tr
}

// The frames of HTTP/3 (RFC 9114, section 7.2).
const (
	frameData     = 0x0
	frameHeaders  = 0x1
	frameSettings = 0x4
	frameGoAway   = 0x7
	frameGrease   = 0x21 // means nothing
)

func appendFrame(dst []byte, typ uint64, payload []byte) []byte {
	dst = quicvarint.Append(quicvarint.Append(dst, typ), uint64(len(payload)))
	return append(dst, payload...)
}

// appendHead appends a HEADERS frame with pairs of name and value.
func appendHead(dst []byte, fields ...string) []byte {
	var block bytes.Buffer
	e := qpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		e.WriteField(qpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return appendFrame(dst, frameHeaders, block.Bytes())
}

// peer is one end of a connection of HTTP/3 that does what a test tells it to.
type peer struct {
	t       *testing.T
	quic    *quic.Conn
	control *quic.SendStream // nil without SETTINGS
}

// connect opens a connection to the server, and sends SETTINGS.
func (n *lan) connect(t *testing.T) *peer {
	p := n.dial(t)
	p.settings()
	return p
}

// dial opens a connection to the server.
func (n *lan) dial(t *testing.T) *peer {
	config := &tls.Config{RootCAs: trusting, ServerName: "example.com", NextProtos: []string{http3.NextProtoH3}}
	c, err := n.quic.Dial(t.Context(), n.server.LocalAddr(), config, QUICConfig())
	require.NoError(t, err)
	return &peer{t: t, quic: c}
}

// settings opens the control stream and sends SETTINGS, in pairs of name and value.
func (p *peer) settings(settings ...uint64) {
	p.t.Helper()
	s, err := p.quic.OpenUniStream()
	require.NoError(p.t, err)
	var payload []byte
	for _, v := range settings {
		payload = quicvarint.Append(payload, v)
	}
	_, err = s.Write(appendFrame([]byte{0}, frameSettings, payload))
	require.NoError(p.t, err)
	p.control = s
}

// end waits for the end of the connection and returns its code.
func (p *peer) end() http3.ErrCode {
	p.t.Helper()
	<-p.quic.Context().Done()
	var e *quic.ApplicationError
	require.ErrorAs(p.t, context.Cause(p.quic.Context()), &e)
	return http3.ErrCode(e.ErrorCode)
}

// open opens a stream and sends what a request begins with.
func (p *peer) open(bytes []byte) *peerStream {
	p.t.Helper()
	s, err := p.quic.OpenStreamSync(p.t.Context())
	require.NoError(p.t, err)
	str := &peerStream{t: p.t, quic: s}
	str.write(bytes)
	return str
}

// listen returns what accepts the next connection to the network's server, which has
// sent nothing yet.
func (n *lan) listen(t *testing.T, config *quic.Config) (accept func() *peer) {
	l, err := quic.Listen(n.server, serverTLS(), config)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return func() *peer {
		c, err := l.Accept(t.Context())
		require.NoError(t, err)
		n.accepted = append(n.accepted, c)
		return &peer{t: t, quic: c}
	}
}

// request accepts a stream and returns the fields of its head.
func (p *peer) request() (*peerStream, map[string]string) {
	p.t.Helper()
	s, err := p.quic.AcceptStream(p.t.Context())
	require.NoError(p.t, err)
	str := &peerStream{t: p.t, quic: s}
	head, err := str.head()
	require.NoError(p.t, err)
	return str, head
}

// peerStream is a stream of a peer.
type peerStream struct {
	t    *testing.T
	quic *quic.Stream
	in   []byte // of a DATA frame
}

func (s *peerStream) write(p []byte) {
	s.t.Helper()
	_, err := s.quic.Write(p)
	require.NoError(s.t, err)
}

// data writes a DATA frame.
func (s *peerStream) data(p []byte) {
	s.t.Helper()
	s.write(appendFrame(nil, frameData, p))
}

// next reads one frame.
func (s *peerStream) next() (typ uint64, payload []byte, err error) {
	r := quicvarint.NewReader(s.quic)
	if typ, err = quicvarint.Read(r); err != nil {
		return 0, nil, err
	}
	size, err := quicvarint.Read(r)
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(r, payload)
	return typ, payload, err
}

// head reads a HEADERS frame.
func (s *peerStream) head() (map[string]string, error) {
	typ, block, err := s.next()
	if err != nil {
		return nil, err
	}
	require.EqualValues(s.t, frameHeaders, typ)
	fields := make(map[string]string)
	for next := qpack.NewDecoder().Decode(block); ; {
		f, err := next()
		if err == io.EOF {
			return fields, nil
		}
		require.NoError(s.t, err)
		fields[f.Name] += f.Value
	}
}

// Read reads what is in DATA frames.
func (s *peerStream) Read(p []byte) (int, error) {
	for len(s.in) == 0 {
		typ, payload, err := s.next()
		if err != nil {
			return 0, err
		}
		if typ == frameData {
			s.in = payload
		}
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	return n, nil
}

// reset ends both directions abruptly.
func (s *peerStream) reset() {
	s.quic.CancelWrite(cancelled)
	s.quic.CancelRead(cancelled)
}

// requireReset requires that the stream was reset with this code.
func requireReset(t *testing.T, err error, code http3.ErrCode) {
	t.Helper()
	var e *quic.StreamError
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, http3.ErrCode(e.ErrorCode))
}

// requestHead returns the HEADERS frame of an extended CONNECT to path. Each pair of
// changes is a name and its value; the value "-" leaves the field out.
func requestHead(path string, changes ...string) []byte {
	fields := []string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "example.com", ":path", path,
		"sec-websocket-version", "13",
	}
	for i := 0; i < len(changes); i += 2 {
		fields = changed(fields, changes[i], changes[i+1])
	}
	return appendHead(nil, fields...)
}

// changed returns the fields with another one, or without it.
func changed(fields []string, name, value string) []string {
	for i := 0; i < len(fields); i += 2 {
		if fields[i] != name {
			continue
		}
		if value == "-" {
			return append(fields[:i:i], fields[i+2:]...)
		}
		fields[i+1] = value
		return fields
	}
	return append(fields, name, value)
}

// masked returns a frame of a client.
func masked(f ws.Frame) []byte { return ws.AppendFrame(nil, ws.MaskFrame(f)) }

// hi is a message, and closing a close frame, of a client.
var (
	hi      = masked(ws.NewTextFrame([]byte("hi")))
	closing = masked(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
)

// accepts are the ways to accept a WebSocket over HTTP/3.
var accepts = map[string]func(http.ResponseWriter, *http.Request, *websocket.AcceptOptions) (*websocket.Conn, error){
	"taken over": Accept, "through the body": websocket.Accept,
}

// accepted runs a test in a bubble for each way to accept. handle gets the connections.
// The test fails if one is left in the end.
func accepted(t *testing.T, handle func(c *websocket.Conn, r *http.Request), f func(t *testing.T, n *lan)) {
	for how, accept := range accepts {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *lan) {
				group := new(websocket.Group)
				_, end := n.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c, err := accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Group: group, ReadLimit: 1 << 20}})
					if err != nil {
						return
					}
					defer c.CloseNow()
					handle(c, r)
				}))
				defer end()
				f(t, n)
				time.Sleep(time.Minute) // in which whatever has lost its peer finds out
				require.Zero(t, group.Len())
			})
		})
	}
}
