package ws

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRequireProtocol_RFC6455_4_2_2(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	chosen := func(p []byte) bool { return bytes.HasPrefix(p, []byte("v")) }
	for field, ok := range map[string]bool{"": false, "Sec-WebSocket-Protocol: x, v1\r\n": true, "Sec-WebSocket-Protocol: x\r\n": false, "Sec-WebSocket-Protocol:\r\n": false} {
		u := Upgrader{Protocol: chosen, RequireProtocol: []string{"v2", "v1"}}
		var out bytes.Buffer
		_, err := u.Upgrade(struct {
			io.Reader
			io.Writer
		}{strings.NewReader(head + field + "\r\n"), &out})
		if ok {
			require.NoError(t, err, field)
			require.Contains(t, out.String(), "Sec-WebSocket-Protocol: v1\r\n")
			continue
		}
		require.ErrorIs(t, err, ErrHandshakeNoSubProtocol, field)
		require.Equal(t, http.StatusBadRequest, rejection(err).StatusCode())
		require.True(t, strings.HasSuffix(out.String(), "\r\n\r\nws: handshake needs a subprotocol of the server: [\"v2\" \"v1\"]"), out.String())
	}
}
