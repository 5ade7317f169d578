package interop

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
)

var socketio = runtime{
	name: "node with socket.io", program: node("socket.io"),
	client: []string{"socketio.mjs", "client"}, server: []string{"socketio.mjs", "server"},
}

// The packets of engine.io, which are messages, and those of socket.io in them.
const (
	engineOpen = `0{"sid":"one","upgrades":[],"pingInterval":60000,"pingTimeout":60000,"maxPayload":10000000}`
	enginePing = "2"
	enginePong = "3"
	attach     = "40"
	attachment = `451-["echo",{"_placeholder":true,"num":0}]`
)

// TestClientSocketIO has our client speak with a server of socket.io, which
// pings it ten times a second.
func TestClientSocketIO(t *testing.T) {
	p := socketio.start(t, socketio.server)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://127.0.0.1:"+p.port(t)+"/socket.io/?EIO=4&transport=websocket",
		&websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	require.NoError(t, err)
	defer c.CloseNow()
	c.SetReadLimit(4 << 20)

	pings := 0
	next := func() string {
		for {
			_, p, err := c.Read(ctx)
			require.NoError(t, err)
			if string(p) != enginePing {
				return string(p)
			}
			pings++
			require.NoError(t, c.Write(ctx, websocket.MessageText, []byte(enginePong)))
		}
	}
	write := func(typ websocket.MessageType, packet string) {
		require.NoError(t, c.Write(ctx, typ, []byte(packet)))
	}
	require.Regexp(t, `^0\{"sid":"`, next())
	write(websocket.MessageText, attach)
	require.Regexp(t, `^40\{"sid":"`, next())
	for _, packet := range []string{`42["echo","hello €"]`, `42["echo","` + strings.Repeat("x", 900_000) + `"]`} {
		write(websocket.MessageText, packet)
		require.True(t, packet == next())
	}
	for pings < 3 {
		write(websocket.MessageText, attachment)
		write(websocket.MessageBinary, "\x01\x02\x03")
		require.Equal(t, attachment, next())
		require.Equal(t, "\x01\x02\x03", next())
	}
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	require.Regexp(t, "^disconnected transport ", p.line(t))
}

// TestServerSocketIO has a client of socket.io speak with our server.
func TestServerSocketIO(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(4 << 20)
		c.Write(r.Context(), websocket.MessageText, []byte(engineOpen))
		for {
			typ, p, err := c.Read(r.Context())
			switch {
			case err != nil:
				return
			case string(p) == `42["leave"]`:
				c.Close(websocket.StatusGoingAway, "")
				return
			case string(p) == attach:
				p = []byte(attach + `{"sid":"two"}`)
			}
			if c.Write(r.Context(), typ, p) != nil {
				return
			}
		}
	}))
	defer s.Close()
	p := socketio.start(t, socketio.client, s.URL)
	require.Equal(t, "text hello €", p.line(t))
	require.Equal(t, "large 1048576", p.line(t))
	require.Equal(t, "binary 010203", p.line(t))
	require.Equal(t, "disconnected transport close", p.line(t))
}
