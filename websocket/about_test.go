package websocket

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// A connection knows its addresses, its request if that is kept, and its compression.
func TestConnKnowsItsHandshake(t *testing.T) {
	for _, keep := range []bool{false, true} {
		for _, mode := range []CompressionMode{CompressionDisabled, CompressionNoContextTakeover} {
			noLeaks(t)
			conns := make(chan *Conn, 1)
			opts := ConnOptions{KeepRequest: keep}
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := Accept(w, r, &AcceptOptions{CompressionMode: mode, ConnOptions: opts})
				if err != nil {
					t.Error(err)
				}
				r.Header.Set("X-Me", "changed later")
				conns <- s
			}))
			c, _, err := Dial(background, srv.URL+"/room?n=1", &DialOptions{
				HTTPHeader: http.Header{"X-Me": {"client"}}, CompressionMode: mode, ConnOptions: opts})
			require.NoError(t, err)
			s := <-conns
			require.Equal(t, s.RemoteAddr().String(), c.LocalAddr().String())
			require.Equal(t, s.LocalAddr().String(), c.RemoteAddr().String())
			require.Equal(t, srv.Listener.Addr().String(), c.RemoteAddr().String())
			for _, conn := range []*Conn{s, c} {
				request := conn.Request()
				require.Equal(t, keep, request != nil)
				if keep {
					require.Equal(t, "/room", request.URL.Path)
					require.Equal(t, "n=1", request.URL.RawQuery)
					require.Equal(t, srv.Listener.Addr().String(), request.Host)
					require.Equal(t, "client", request.Header.Get("X-Me"))
				}
				p, ok := conn.Compression()
				require.Equal(t, mode != CompressionDisabled, ok)
				require.Equal(t, wsflate.Parameters{ServerNoContextTakeover: ok, ClientNoContextTakeover: ok}, p)
				if !keep && !ok {
					require.Same(t, &plainSettings, conn.opts, "nothing is kept")
				}
				conn.CloseNow()
			}
			srv.Close()
		}
	}
}

func TestConnWithoutHandshake(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	c, err := NewConn(struct{ rwc }{a}, nil, ws.Handshake{}, ws.StateServerSide, &ConnOptions{KeepRequest: true})
	require.NoError(t, err)
	defer c.CloseNow()
	require.Nil(t, c.Request())
	require.Equal(t, "websocket/unknown-addr", c.RemoteAddr().String())
	require.Equal(t, "websocket", c.LocalAddr().Network())
}

// rwc is a transport without addresses.
type rwc interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Close() error
}

func TestConnValue(t *testing.T) {
	s, c := tcpPair(t, ConnOptions{}, ConnOptions{})
	require.Nil(t, s.Value())
	s.SetValue(nil)
	require.Nil(t, s.extras.Load(), "a connection without a value has no room for one")
	s.SetValue("alice")
	require.Equal(t, "alice", s.Value())
	s.SetValue([]int{1}) // of another type
	require.Equal(t, []int{1}, s.Value())
	require.Nil(t, c.Value())
	var setting sync.WaitGroup
	for i := range 8 {
		setting.Go(func() {
			c.SetValue(i)
			if _, ok := c.Value().(int); !ok {
				t.Error(c.Value())
			}
		})
	}
	setting.Wait()
	s.SetValue(nil)
	require.Nil(t, s.Value())
	s.CloseNow()
	s.SetValue("still there for hooks")
	require.NotNil(t, s.Value())
}
