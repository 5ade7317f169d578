package interop

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/echo"
	"github.com/wskit/wskit/websocket"
)

var compressionModes = map[string]websocket.CompressionMode{
	"takeover":    websocket.CompressionContextTakeover,
	"no takeover": websocket.CompressionNoContextTakeover,
}

// TestServerDeflate has Node's ws compress with all parameters (RFC 7692,
// section 7.1), the widths of windows that it knows among them.
func TestServerDeflate(t *testing.T) {
	for name, mode := range compressionModes {
		t.Run(name, func(t *testing.T) {
			addr, _ := startServer(t, func(s *echo.Server, ctx context.Context, ln net.Listener) error {
				s.Compression = mode
				return s.ServeConns(ctx, ln)
			})
			p := runtimes[0].start(t, []string{"deflate.mjs"}, "ws://"+addr+"/ws")
			for _, server := range []bool{false, true} {
				for _, client := range []bool{false, true} {
					for bits := 9; bits <= 15; bits++ {
						require.Equal(t, fmt.Sprintf("server %v client %v bits %d", server, client, bits), p.line(t))
					}
				}
			}
		})
	}
}

// TestClientDeflate has our client compress for the peers' servers.
func TestClientDeflate(t *testing.T) {
	for _, r := range runtimes {
		if r.server == nil {
			continue
		}
		for name, mode := range compressionModes {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				if slices.Contains(r.cannot, name) {
					t.Skipf("%s cannot", r.name)
				}
				p := r.start(t, r.server)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				c, resp, err := websocket.Dial(ctx, "ws://127.0.0.1:"+p.port(t)+"/echo", &websocket.DialOptions{CompressionMode: mode})
				require.NoError(t, err)
				defer c.CloseNow()
				require.Contains(t, resp.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate")
				c.SetReadLimit(-1)
				for _, text := range []string{"", "short", strings.Repeat("again and again, ", 1000), strings.Repeat("again and again, ", 1000), strings.Repeat("x", 1<<20)} {
					require.NoError(t, c.Write(ctx, websocket.MessageText, []byte(text)))
					typ, got, err := c.Read(ctx)
					require.NoError(t, err)
					require.Equal(t, websocket.MessageText, typ)
					require.True(t, text == string(got))
				}
				require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
				require.Equal(t, "closed 1000", p.line(t))
			})
		}
	}
}
