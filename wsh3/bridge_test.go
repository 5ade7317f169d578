package wsh3

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/heap"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsbridge"
	"github.com/wskit/wskit/wsh2"
)

// bridged starts a backend, and a bridge before it. Both speak all three
// versions of HTTP. It returns what dials the bridge in the version front,
// where the bridge dials the backend in the version back.
func bridged(t *testing.T, front, back int, backend http.HandlerFunc) func(path string) *websocket.Conn {
	behind := serve(t, backend, QUICConfig())
	h := &wsbridge.Handler{
		Backend: func(r *http.Request) (*url.URL, error) { return url.Parse(behind.url + r.URL.RequestURI()) },
		OnError: func(_ *http.Request, err error) { t.Error(err) },
	}
	h.Dialer.TLSConfig, h.Transport = via(t, behind, back)
	before := serve(t, h.ServeHTTP, QUICConfig())
	config, transport := via(t, before, front)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		require.NoError(t, h.Shutdown(ctx))
	})
	return func(path string) *websocket.Conn {
		c, resp, err := websocket.Dial(background, before.url+path, &websocket.DialOptions{
			Transport: transport, HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: config}},
			CompressionMode: websocket.CompressionContextTakeover, ConnOptions: websocket.ConnOptions{ReadLimit: -1},
		})
		require.NoError(t, err)
		require.Equal(t, front, resp.ProtoMajor)
		t.Cleanup(func() { c.CloseNow() })
		return c
	}
}

// via returns how a client dials s in a version of HTTP: over a transport
// unless that is 1.
func via(t *testing.T, s *server, version int) (*tls.Config, websocket.Transport) {
	config := s.client.Clone()
	switch version {
	case 2:
		tr := &wsh2.Transport{Dialer: ws.Dialer{TLSConfig: config}}
		t.Cleanup(func() { tr.Close() })
		return config, tr
	case 3:
		return config, s.transport(t)
	}
	return config, nil
}

// bridges are those with HTTP/3 in front, behind, or both.
var bridges = map[string][2]int{"1 to 3": {1, 3}, "2 to 3": {2, 3}, "3 to 3": {3, 3}, "3 to 1": {3, 1}, "3 to 2": {3, 2}}

func TestBridge_RFC9220(t *testing.T) {
	for name, v := range bridges {
		t.Run(name, func(t *testing.T) {
			got := make(chan error, 10)
			dial := bridged(t, v[0], v[1], func(w http.ResponseWriter, r *http.Request) {
				c, err := Accept(w, r, &websocket.AcceptOptions{
					CompressionMode: websocket.CompressionContextTakeover, ConnOptions: websocket.ConnOptions{ReadLimit: -1},
				})
				if err != nil {
					return
				}
				defer c.CloseNow()
				switch r.URL.Path {
				case "/close":
					c.Close(4001, "from the backend")
				case "/lost":
					c.Read(background)
				default:
					got <- echo(c)
				}
			})
			c := dial("/echo")
			for _, size := range []int{0, 125, 126, 5000, 1 << 20} {
				exchange(t, c, strings.Repeat("wskit ", size)[:size])
			}
			read := c.CloseRead(background)
			require.NoError(t, c.Ping(background))
			require.NoError(t, c.Close(4002, "from the client"))
			<-read.Done()
			require.Equal(t, websocket.StatusCode(4002), websocket.CloseStatus(<-got))

			_, _, err := dial("/close").Read(background)
			require.Equal(t, websocket.StatusCode(4001), websocket.CloseStatus(err))
			c = dial("/lost")
			require.NoError(t, c.Write(background, websocket.MessageText, []byte("open")))
			_, _, err = c.Read(background)
			require.Equal(t, websocket.StatusCode(-1), websocket.CloseStatus(err), "%v", err)
			require.Error(t, err)

			c = dial("/echo")
			exchange(t, c, "open")
			c.CloseNow()
			require.Equal(t, websocket.StatusCode(-1), websocket.CloseStatus(<-got))
			exchange(t, dial("/echo"), "closed by Shutdown")
		})
	}
}

// A receiver that does not read stops its sender, and nothing piles up in between.
func TestBridgeBackpressure(t *testing.T) {
	for name, v := range bridges {
		for _, stalls := range []string{"client", "backend"} {
			t.Run(name+", the "+stalls+" stalls", func(t *testing.T) {
				stuck, over := make(chan error, 1), make(chan struct{})
				dial := bridged(t, v[0], v[1], func(w http.ResponseWriter, r *http.Request) {
					c, err := Accept(w, r, nil)
					if err != nil {
						return
					}
					defer c.CloseNow()
					if stalls == "client" {
						stuck <- pour(c)
					}
					<-over
				})
				defer close(over)
				before := heap.InUse()
				c := dial("/")
				if stalls == "backend" {
					stuck <- pour(c)
				}
				require.Error(t, <-stuck, "256 MiB could be written that nobody reads")
				grown := heap.InUse() - before
				t.Logf("held on the way: %d bytes", grown)
				if !race.Enabled {
					require.Less(t, grown, int64(4<<20), "bytes held on the way of 256 MiB")
				}
				c.CloseNow()
			})
		}
	}
}

// pour writes 256 MiB, unless a write is stuck.
func pour(c *websocket.Conn) error {
	for range 4096 {
		ctx, cancel := context.WithTimeout(background, 200*time.Millisecond)
		err := c.Write(ctx, websocket.MessageBinary, make([]byte, 64<<10))
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// A bridge that waits holds little, with both of its streams and their ends.
func TestBridgeIdleMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector needs memory of its own")
	}
	for name, v := range bridges {
		t.Run(name, func(t *testing.T) {
			dial := bridged(t, v[0], v[1], func(w http.ResponseWriter, r *http.Request) {
				c, err := Accept(w, r, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{ReadLimit: -1}})
				if err != nil {
					return
				}
				defer c.CloseNow()
				echo(c)
			})
			open := func(n int) {
				for range n {
					c := dial("/")
					exchange(t, c, strings.Repeat("x", 20<<10))
					exchange(t, c, "small")
				}
			}
			open(5)
			before := heap.InUse()
			const conns = 40
			open(conns)
			each := (heap.InUse() - before) / conns
			t.Logf("an idle bridge: %d bytes", each)
			require.Less(t, each, int64(128<<10))
		})
	}
}
