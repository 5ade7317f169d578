package interop

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// client is our client: ws.Dialer and frames. Its methods fail the test.
type client struct {
	net.Conn
	t     *testing.T
	hs    ws.Handshake
	state ws.State
}

// dial connects within patience, which bounds all that the client does.
func dial(t *testing.T, url string, protocols ...string) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dialer := ws.Dialer{Protocols: protocols}
	conn, _, hs, err := dialer.Dial(ctx, url) // conn returns the bytes that came after the handshake
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return &client{Conn: conn, t: t, hs: hs, state: ws.StateClientSide}
}

// send writes one frame, masked.
func (c *client) send(op ws.OpCode, fin bool, payload []byte) {
	c.t.Helper()
	require.NoError(c.t, ws.WriteFrame(c, ws.MaskFrame(ws.NewFrame(op, fin, payload))))
}

// frame reads one frame and checks that it may stand where it does.
func (c *client) frame() ws.Frame {
	c.t.Helper()
	f, err := ws.ReadFrame(c)
	require.NoError(c.t, err)
	require.NoError(c.t, ws.CheckHeader(f.Header, c.state))
	switch {
	case f.Header.OpCode.IsControl():
	case f.Header.Fin:
		c.state = c.state.Clear(ws.StateFragmented)
	default:
		c.state = c.state.Set(ws.StateFragmented)
	}
	return f
}

// message reads until a message is whole. Control frames on the way go to
// control, which may be nil if there must be none.
func (c *client) message(control func(ws.Frame)) (op ws.OpCode, payload []byte) {
	c.t.Helper()
	for {
		f := c.frame()
		if f.Header.OpCode.IsControl() {
			require.NotNil(c.t, control, "unexpected %v", f)
			control(f)
			continue
		}
		if f.Header.OpCode != ws.OpContinuation {
			op = f.Header.OpCode
		}
		payload = append(payload, f.Payload...)
		if f.Header.Fin {
			return op, payload
		}
	}
}

// wantText reads a text message with nothing before it.
func (c *client) wantText(want string) {
	c.t.Helper()
	op, got := c.message(nil)
	require.Equal(c.t, ws.OpText, op)
	require.Equal(c.t, want, string(got))
}

// want reads a single frame.
func (c *client) want(op ws.OpCode, payload string) {
	c.t.Helper()
	f := c.frame()
	require.Equal(c.t, op, f.Header.OpCode)
	require.True(c.t, f.Header.Fin)
	require.Equal(c.t, payload, string(f.Payload))
}

// wantEnd expects the server to close the connection, and closes it.
func (c *client) wantEnd() {
	c.t.Helper()
	n, err := c.Read(make([]byte, 1))
	require.Zero(c.t, n)
	require.ErrorIs(c.t, err, io.EOF)
	require.NoError(c.t, c.Close())
}

// closing is the body of a close frame.
func closing(code ws.StatusCode, reason string) []byte {
	return ws.AppendCloseBody(nil, code, reason)
}

// TestClient runs our client against the peers' servers.
func TestClient(t *testing.T) {
	for _, r := range runtimes {
		if r.server == nil {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			p := r.start(t, r.server)
			url := "ws://127.0.0.1:" + p.port(t)
			testEcho(t, p, url+"/echo")
			testServerSpeaksFirst(t, p, url)
			testClose(t, p, url)
		})
	}
}

// leave closes from our side and hears from the server that it was clean.
func leave(t *testing.T, c *client, p *peer) {
	t.Helper()
	c.send(ws.OpClose, true, closing(ws.StatusNormalClosure, ""))
	c.want(ws.OpClose, string(closing(ws.StatusNormalClosure, "")))
	c.wantEnd()
	require.Equal(t, "closed 1000", p.line(t))
}

func testEcho(t *testing.T, p *peer, url string) {
	for _, size := range []int{0, 125, 126, 65535, 65536, 1 << 20} {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			t.Run(map[ws.OpCode]string{ws.OpText: "text ", ws.OpBinary: "binary "}[op]+strconv.Itoa(size), func(t *testing.T) {
				c := dial(t, url)
				payload := bytes.Repeat([]byte("0123456789 text "), size/16+1)[:size]
				c.send(op, true, payload)
				gotOp, got := c.message(nil)
				require.Equal(t, op, gotOp)
				require.True(t, bytes.Equal(payload, got))
				leave(t, c, p)
			})
		}
	}
	t.Run("fragments with a ping between", func(t *testing.T) {
		c := dial(t, url)
		c.send(ws.OpText, false, []byte("frag"))
		c.send(ws.OpPing, true, []byte("between"))
		c.send(ws.OpContinuation, false, nil)
		c.send(ws.OpContinuation, true, []byte("ments"))
		c.want(ws.OpPong, "between")
		c.wantText("fragments")
		leave(t, c, p)
	})
	t.Run("ping", func(t *testing.T) {
		c := dial(t, url)
		for _, payload := range []string{"", "payload", strings.Repeat("p", 125)} {
			c.send(ws.OpPing, true, []byte(payload))
			c.want(ws.OpPong, payload)
		}
		leave(t, c, p)
	})
	t.Run("pong unasked", func(t *testing.T) {
		c := dial(t, url)
		c.send(ws.OpPong, true, []byte("unasked"))
		c.send(ws.OpText, true, []byte("after"))
		c.wantText("after")
		leave(t, c, p)
	})
	t.Run("subprotocol", func(t *testing.T) {
		c := dial(t, url, "chat", "echo")
		require.Equal(t, "echo", c.hs.Protocol)
		require.Empty(t, c.hs.Extensions)
		leave(t, c, p)
	})
	t.Run("subprotocol unknown", func(t *testing.T) {
		c := dial(t, url, "chat")
		require.Empty(t, c.hs.Protocol)
		leave(t, c, p)
	})
}

func testServerSpeaksFirst(t *testing.T, p *peer, url string) {
	t.Run("messages behind the handshake", func(t *testing.T) {
		c := dial(t, url+"/greet")
		c.wantText("one")
		c.wantText("two")
		c.wantText("three")
		leave(t, c, p)
	})
	t.Run("ping from the server", func(t *testing.T) {
		c := dial(t, url+"/ping")
		c.want(ws.OpPing, "from the server")
		c.send(ws.OpPong, true, []byte("from the server"))
		c.wantText("pong from the server")
		leave(t, c, p)
	})
	t.Run("fragments from the server", func(t *testing.T) {
		if slices.Contains(p.cannot, "fragments from the server") {
			t.Skipf("%s cannot", p.name)
		}
		c := dial(t, url+"/fragments")
		var pings []string
		op, payload := c.message(func(f ws.Frame) {
			require.Equal(t, ws.OpPing, f.Header.OpCode)
			pings = append(pings, string(f.Payload))
			c.send(ws.OpPong, true, f.Payload)
		})
		require.Equal(t, ws.OpText, op)
		require.Equal(t, "fragments", string(payload))
		require.Equal(t, []string{"between"}, pings)
		leave(t, c, p)
	})
}

func testClose(t *testing.T, p *peer, url string) {
	t.Run("close by us, code and reason", func(t *testing.T) {
		c := dial(t, url+"/echo")
		c.send(ws.OpClose, true, closing(4001, "bye €"))
		f := c.frame()
		code, _, err := ws.ParseCloseBody(f.Payload)
		require.NoError(t, err)
		require.Equal(t, ws.StatusCode(4001), code)
		c.wantEnd()
		require.Equal(t, "closed 4001 bye €", p.line(t))
	})
	t.Run("close by us, no code", func(t *testing.T) {
		c := dial(t, url+"/echo")
		c.send(ws.OpClose, true, nil)
		require.Equal(t, ws.OpClose, c.frame().Header.OpCode)
		c.wantEnd()
		require.Equal(t, "closed 1005", p.line(t))
	})
	t.Run("close by the server", func(t *testing.T) {
		c := dial(t, url+"/close")
		body := closing(4001, "bye €")
		c.want(ws.OpClose, string(body))
		c.send(ws.OpClose, true, body)
		c.wantEnd()
		want := "closed 4001 bye €"
		if slices.Contains(p.cannot, "reason of an answer") {
			want = "closed 4001"
		}
		require.Equal(t, want, p.line(t))
	})
}
