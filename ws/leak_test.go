package ws

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// backendRefusal is the error of a Dialer for a response with a secret.
func backendRefusal(t *testing.T) error {
	t.Helper()
	d := dialTo(t, func(c net.Conn) {
		readRequestText(c)
		io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nSet-Cookie: secret=1\r\nContent-Length: 6\r\n\r\nsecret")
	})
	_, _, _, err := d.Dial(t.Context(), "ws://backend.example")
	require.ErrorAs(t, err, new(*ConnectionRejectedError))
	return fmt.Errorf("connect to the backend: %w", err)
}

// The response of a server that a callback has dialed is not sent to the
// client.
func TestRefusalOfABackendStaysOnTheServer(t *testing.T) {
	refusal := backendRefusal(t)
	for name, answer := range map[string]func() string{
		"Upgrader": func() string {
			var out strings.Builder
			u := Upgrader{OnRequest: func([]byte) error { return refusal }}
			_, err := u.Upgrade(struct {
				io.Reader
				io.Writer
			}{strings.NewReader(request(getLine)), &out})
			require.ErrorIs(t, err, refusal)
			return out.String()
		},
		"HTTPUpgrader": func() string {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header = http.Header{
				"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
				"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
			}
			u := HTTPUpgrader{OnRequest: func(*http.Request) error { return refusal }}
			_, _, _, err := u.Upgrade(r, w)
			require.ErrorIs(t, err, refusal)
			var out strings.Builder
			w.Result().Write(&out)
			return out.String()
		},
		"AppendRefusal": func() string { return string(AppendRefusal(nil, new(Request), refusal)) },
	} {
		t.Run(name, func(t *testing.T) {
			out := answer()
			require.Contains(t, out, " 500 Internal Server Error\r\n")
			require.NotContains(t, out, "secret")
		})
	}
}
