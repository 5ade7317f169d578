package bench

import (
	"context"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
)

// loopServer starts a server, and returns a load with --loop against it.
func loopServer(t *testing.T, h *wsloop.Handler) config {
	s, err := wsloop.New(&wsloop.Config{Loops: 1}, h)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { s.Serve(ln); close(done) }()
	t.Cleanup(func() {
		s.Close()
		<-done
		require.NoError(t, s.Shutdown(context.Background()))
	})
	c := config{
		onLoop: true, connections: 20, pipeline: 1, atOnce: 4, patience: 20 * time.Second,
		dial: func(ctx context.Context, _ int) (net.Conn, ws.Handshake, error) {
			conn, _, hs, err := ws.Dial(ctx, "ws://"+ln.Addr().String())
			return conn, hs, err
		},
	}
	c.mix.op = ws.OpText
	require.NoError(t, c.mix.parseSizes("64"))
	return c
}

func runLoad(t *testing.T, c config) *load {
	l := newLoad(c)
	l.run(t.Context(), func(progress) {})
	return l
}

func echo(c *wsloop.Conn, op ws.OpCode, p []byte) { c.Send(op, p) }

// Answers are counted and compared, and sizes on the wire are those of the frames.
func TestLoopEcho(t *testing.T) {
	for name, set := range map[string]func(*config){
		"one at a time": func(*config) {},
		"pipeline":      func(c *config) { c.pipeline = 16; c.verify = true },
		"rate":          func(c *config) { c.interval = time.Millisecond; c.verify = true },
		"ramp":          func(c *config) { c.ramp = 20 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			c := loopServer(t, &wsloop.Handler{Message: echo})
			c.count = 1000
			set(&c)
			l := runLoad(t, c)
			require.Empty(t, l.errors)
			total := l.recorder.total
			require.EqualValues(t, 1000, total.sent)
			require.EqualValues(t, 1000, total.received)
			require.EqualValues(t, 1000*(6+64), total.bytesSent)
			require.EqualValues(t, 1000*(2+64), total.bytesReceived)
			require.Zero(t, total.wrong)
			require.Zero(t, l.missed)
			require.Zero(t, l.open.Load())
			require.EqualValues(t, 1000, l.recorder.latency.TotalCount())
			if c.ramp == 0 { // or those that are open may have sent all before the others are
				require.EqualValues(t, 20, l.opener.opened)
			}
		})
	}
}

// What goes wrong is counted by its cause.
func TestLoopErrors(t *testing.T) {
	for name, row := range map[string]struct {
		message func(c *wsloop.Conn, op ws.OpCode, p []byte)
		error   string // a part of it
		wrong   bool
	}{
		"wrong":  {message: func(c *wsloop.Conn, op ws.OpCode, p []byte) { c.Send(op, p[1:]) }, wrong: true},
		"closed": {message: func(c *wsloop.Conn, op ws.OpCode, p []byte) { c.Close(4000, "") }, error: "closed with 4000"},
		"lost":   {message: func(c *wsloop.Conn, op ws.OpCode, p []byte) { c.CloseNow() }, error: "connection lost"},
		"silent": {message: func(*wsloop.Conn, ws.OpCode, []byte) {}, error: "no answer within 50ms"},
	} {
		t.Run(name, func(t *testing.T) {
			c := loopServer(t, &wsloop.Handler{Message: row.message})
			c.count, c.verify, c.connections = 100, true, 5
			if name == "silent" {
				c.patience = 50 * time.Millisecond
				c.count = 5
			}
			l := runLoad(t, c)
			require.Equal(t, row.wrong, l.recorder.total.wrong == c.count)
			require.Equal(t, row.wrong, l.missed == 0)
			kinds := slices.Collect(maps.Keys(l.errors))
			if row.error == "" {
				require.Empty(t, kinds)
			} else {
				require.Contains(t, strings.Join(kinds, ", "), row.error)
			}
			require.Zero(t, l.open.Load())
		})
	}
}

// A load that only receives sends its message once, and ends with its count.
func TestLoopReceiveOnly(t *testing.T) {
	c := loopServer(t, &wsloop.Handler{Message: func(c *wsloop.Conn, op ws.OpCode, p []byte) {
		for range 20 {
			c.Send(op, p)
		}
	}})
	c.mode, c.pipeline, c.hello, c.count = receiveOnly, 0, true, 200
	l := runLoad(t, c)
	require.Empty(t, l.errors)
	require.EqualValues(t, 200, l.recorder.total.received)
}

// Ctrl-C ends a load whose answers do not come.
func TestLoopInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := loopServer(t, &wsloop.Handler{Message: func(*wsloop.Conn, ws.OpCode, []byte) { cancel() }})
	l := newLoad(c)
	l.run(ctx, func(progress) {})
	require.Empty(t, l.errors)
	require.Zero(t, l.open.Load())
}

func TestLoopDoesNotGoWith(t *testing.T) {
	for _, o := range []options{{script: "x"}, {sendOnly: true}, {compress: true}} {
		require.NoError(t, o.checkLoop())
		o.onLoop = true
		require.ErrorContains(t, o.checkLoop(), "--loop does not go with --")
	}
}
