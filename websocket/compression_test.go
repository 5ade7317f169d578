package websocket

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/wsflate"
)

// What each side's mode makes of the other's, and that messages get through.
func TestCompressionModes_RFC7692_7(t *testing.T) {
	const off, takeover, each = CompressionDisabled, CompressionContextTakeover, CompressionNoContextTakeover
	small := &wsflate.Parameters{ServerMaxWindowBits: 9, ClientMaxWindowBits: 10}
	for _, tt := range []struct {
		client, server CompressionMode
		policy         *wsflate.Parameters // of the server
		offer, answer  string
	}{
		{off, takeover, nil, "", ""},
		{takeover, off, nil, "permessage-deflate; client_max_window_bits", ""},
		{takeover, takeover, nil, "permessage-deflate; client_max_window_bits", "permessage-deflate"},
		{takeover, each, nil, "permessage-deflate; client_max_window_bits", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{each, takeover, nil, "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{each, each, nil, "permessage-deflate; server_no_context_takeover; client_no_context_takeover", "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
		{takeover, takeover, small, "permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10"},
		{takeover, off, small, "permessage-deflate; client_max_window_bits", ""},
		{CompressionMode(9), takeover, nil, "", ""},
	} {
		var offered string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			offered = r.Header.Get("Sec-WebSocket-Extensions")
			echoing(&AcceptOptions{CompressionMode: tt.server, CompressionPolicy: tt.policy}).ServeHTTP(w, r)
		}))
		c, resp, err := Dial(t.Context(), srv.URL, &DialOptions{CompressionMode: tt.client})
		require.NoError(t, err)
		require.Equal(t, tt.offer, offered)
		require.Equal(t, tt.answer, resp.Header.Get("Sec-WebSocket-Extensions"), "%+v", tt)
		require.Equal(t, tt.answer == "", c.protocol.Coalesces(1), "it compresses")
		for _, text := range []string{"", "short", strings.Repeat("long and dull ", 500), string(make([]byte, 20_000))} {
			for range 3 {
				require.NoError(t, c.Write(t.Context(), MessageText, []byte(text)))
				_, p, err := c.Read(t.Context())
				require.NoError(t, err)
				require.Equal(t, text, string(p))
			}
		}
		require.NoError(t, c.Close(StatusNormalClosure, ""))
		srv.Close()
	}
}

func TestCompressionThreshold(t *testing.T) {
	both, none := &wsflate.DefaultParameters, new(wsflate.Parameters)
	server := &wsflate.Parameters{ServerNoContextTakeover: true}
	for _, tt := range []struct {
		configured int
		agreed     *wsflate.Parameters
		client     bool
		want       int
	}{
		{0, none, false, 128},
		{0, none, true, 128},
		{0, both, false, 512},
		{0, both, true, 512},
		{0, server, false, 512},
		{0, server, true, 128},
		{7, both, false, 7},
		{-1, both, false, -1},
		{0, nil, false, 0},
	} {
		require.Equal(t, tt.want, threshold(tt.configured, tt.agreed, tt.client), "%+v", tt)
	}
}

// Messages below the threshold go out plain, those from it on compressed: seen by the bytes
// that the counters know.
func TestCompressionThresholdHolds(t *testing.T) {
	srv := httptest.NewServer(echoing(&AcceptOptions{CompressionMode: CompressionContextTakeover}))
	defer srv.Close()
	for _, tt := range []struct {
		threshold, size int
		compressed      bool
	}{
		{0, 127, false}, {0, 128, true}, {1000, 999, false}, {1000, 1000, true}, {-1, 30, true},
	} {
		var stats Stats
		c, _, err := Dial(t.Context(), srv.URL, &DialOptions{
			CompressionMode: CompressionContextTakeover, CompressionThreshold: tt.threshold,
			ConnOptions: ConnOptions{Stats: &stats},
		})
		require.NoError(t, err)
		require.NoError(t, c.Write(t.Context(), MessageText, []byte(strings.Repeat("a", tt.size))))
		_, p, err := c.Read(t.Context())
		require.NoError(t, err)
		require.Len(t, p, tt.size)
		require.Equal(t, tt.compressed, stats.WireBytesWritten.Load() < int64(tt.size), "%+v", tt)
		c.CloseNow()
	}
}

// The limit counts what a message holds, whether it is compressed or not, and to the byte.
func TestReadLimitWithCompression(t *testing.T) {
	const limit = 500 // so that the message lies whole in the first input
	read := map[string]func(c *Conn) ([]byte, error){
		"Read": func(c *Conn) ([]byte, error) {
			_, p, err := c.Read(background)
			return p, err
		},
		"Reader": func(c *Conn) ([]byte, error) {
			_, r, err := c.Reader(background)
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		},
	}
	for name, read := range read {
		for _, threshold := range []int{-1, 1 << 20} { // compressed, and plain
			for _, size := range []int{limit, limit + 1, limit + 300} {
				synctest.Test(t, func(t *testing.T) {
					a, b := bufferedPipe()
					flate := new(wsflate.Parameters)
					s := newConn(connConfig{transport: a, flate: flate, ConnOptions: ConnOptions{ReadLimit: limit}})
					c := newConn(connConfig{transport: b, flate: flate, client: true, threshold: threshold})
					c.CloseRead(background)
					require.NoError(t, c.Write(background, MessageBinary, make([]byte, size)))
					p, err := read(s)
					if size > limit {
						require.ErrorIs(t, err, ErrMessageTooBig, "%s of %d", name, size)
					} else {
						require.NoError(t, err)
						require.Len(t, p, size)
					}
					s.CloseNow()
					c.CloseNow()
				})
			}
		}
	}
}
