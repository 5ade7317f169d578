package websocket

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// With http.Transport the connection under the body is the transport, so that a client that
// waits holds no buffer; around what others make of the body it lends its deadlines.
func TestDialTransport(t *testing.T) {
	plain, secure := httptest.NewServer(echoing(nil)), httptest.NewTLSServer(echoing(nil))
	defer plain.Close()
	defer secure.Close()
	tr := secure.Client().Transport
	wrapping := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := tr.RoundTrip(r)
		if err == nil {
			resp.Body = struct{ io.ReadWriteCloser }{resp.Body.(io.ReadWriteCloser)}
		}
		return resp, err
	})}
	for _, tt := range []struct {
		url    string
		client *http.Client
		want   any
	}{
		{plain.URL, secure.Client(), new(net.TCPConn)},
		{secure.URL, secure.Client(), new(tls.Conn)},
		{plain.URL, wrapping, new(bodyTransport)},
		{secure.URL, wrapping, new(secureBodyTransport)},
	} {
		c, _, err := Dial(t.Context(), tt.url, &DialOptions{HTTPClient: tt.client})
		require.NoError(t, err)
		require.IsType(t, tt.want, c.transport.ReadWriteCloser)
		_, secure := c.transport.ReadWriteCloser.(handshaker)
		require.Equal(t, strings.HasPrefix(tt.url, "https"), secure)
		requireEcho(t, c)
		require.NoError(t, c.transport.ReadWriteCloser.(writeCloser).CloseWrite())
		require.NoError(t, c.CloseNow())
	}
}

// What net/http has read too far is not lost, however much it is, over TLS too.
func TestDialTransportIsDrained(t *testing.T) {
	var frames []byte
	const n = 100
	for range n {
		frames = ws.AppendFrame(frames, ws.NewBinaryFrame(make([]byte, 30)))
	}
	srv := answering(t, frames, func(http.Header) {})
	for range 20 {
		c, _, err := Dial(t.Context(), srv.URL, nil)
		require.NoError(t, err)
		for range n {
			_, p, err := c.Read(t.Context())
			require.NoError(t, err)
			require.Len(t, p, 30)
		}
		c.CloseNow()
	}
}

// noDeadlines is a connection that has none.
type noDeadlines struct{ net.Conn }

func (noDeadlines) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

func TestDrainNeedsDeadlines(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	_, ok := drain(near, noDeadlines{near})
	require.False(t, ok)
	held, ok := drain(io.MultiReader(strings.NewReader("held"), near), near)
	require.True(t, ok)
	require.Equal(t, "held", string(held))
	go far.Write([]byte("x"))
	_, err := near.Read(make([]byte, 1))
	require.NoError(t, err, "the deadline is gone")
	far.Close()
	body := strings.NewReader("held")
	_, ok = drain(body, near) // whose other end is closed, so that it takes no deadline
	require.False(t, ok)
	require.Equal(t, 4, body.Len(), "and nothing is taken out")
}
