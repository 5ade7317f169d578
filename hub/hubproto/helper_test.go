package hubproto_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var background = context.Background()

// network connects clients with a server, over pipes.
type network struct {
	conn  websocket.ConnOptions  // of the server's side
	serve func(c net.Conn) error // begins to serve the server's side
	end   func()                 // waits until all connections have ended

	mu    sync.Mutex
	away  bool
	conns []net.Conn // of the server
}

// opener is newNetwork or newLoopNetwork.
type opener func(t *testing.T, s *hubproto.Server) *network

// onEach runs a test with a server on connections of each package.
func onEach(t *testing.T, test func(t *testing.T, newNetwork opener)) {
	t.Run("websocket", func(t *testing.T) { test(t, newNetwork) })
	t.Run("wsloop", func(t *testing.T) { test(t, newLoopNetwork) })
}

// newNetwork returns a network whose server has a goroutine for each connection.
func newNetwork(t *testing.T, s *hubproto.Server) *network {
	n := new(network)
	var ended sync.WaitGroup
	n.end = ended.Wait
	n.serve = func(c net.Conn) error {
		conn, err := websocket.NewConn(c, nil, ws.Handshake{}, ws.StateServerSide, &n.conn)
		if err != nil {
			return err
		}
		ended.Go(func() {
			defer conn.CloseNow()
			s.Serve(background, conn, nil)
		})
		return nil
	}
	t.Cleanup(n.close)
	return n
}

// newLoopNetwork returns a network whose server has one loop for all connections.
func newLoopNetwork(t *testing.T, s *hubproto.Server) *network {
	n := new(network)
	loops := sync.OnceValue(func() *wsloop.Server {
		loops, err := wsloop.New(&wsloop.Config{
			Loops: 1, Goroutines: true, MaxMessage: n.conn.ReadLimit,
			Queue: n.conn.Queue, CloseTimeout: n.conn.CloseTimeout,
		}, s.LoopHandler(background))
		require.NoError(t, err)
		return loops
	})
	n.serve = func(c net.Conn) error {
		_, err := loops().Attach(c, nil, ws.Handshake{}, ws.StateServerSide, nil)
		return err
	}
	n.end = func() {
		require.NoError(t, loops().Shutdown(background))
		for s.Hub.Stats().Members > 0 { // they leave on goroutines
			time.Sleep(time.Millisecond)
		}
	}
	t.Cleanup(n.close)
	return n
}

// close ends all connections, and waits for that.
func (n *network) close() {
	n.cut()
	n.end()
}

// open opens a connection and returns the client's side.
func (n *network) open(o *websocket.ConnOptions) (*websocket.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.away {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	a, b := net.Pipe()
	n.conns = append(n.conns, b)
	if err := n.serve(b); err != nil {
		return nil, err
	}
	return websocket.NewConn(a, nil, ws.Handshake{}, ws.StateClientSide, o)
}

// cut cuts all connections.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.Close()
	}
	n.conns = nil
}

func (n *network) setAway(away bool) {
	n.mu.Lock()
	n.away = away
	n.mu.Unlock()
	if away {
		n.cut()
	}
}

// dial returns a connection that speaks the protocol by hand.
func (n *network) dial(t *testing.T) *raw {
	c, err := n.open(nil)
	require.NoError(t, err)
	t.Cleanup(func() { c.CloseNow() })
	return &raw{t, c}
}

// client returns a client that runs until the test ends.
func (n *network) client(t *testing.T) *hubproto.Client {
	c, stop, ended := n.run()
	t.Cleanup(func() {
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	return c
}

// run returns a client that runs until it is stopped, or stops by itself.
func (n *network) run() (c *hubproto.Client, stop func(), ended <-chan error) {
	c = hubproto.NewClient("ws://pipe", &hubproto.ClientOptions{Reconnect: reconnect.Options{
		Dial: func(_ context.Context, _ string, o *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
			conn, err := n.open(&o.ConnOptions)
			return conn, nil, err
		},
		DialOptions: &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: n.conn.ReadLimit}},
	}})
	ctx, stop := context.WithCancel(background)
	err := make(chan error, 1)
	go func() { err <- c.Run(ctx) }()
	return c, stop, err
}

// raw is a connection on which tests write what they like.
type raw struct {
	t    *testing.T
	conn *websocket.Conn
}

func (r *raw) send(text string) {
	r.t.Helper()
	require.NoError(r.t, r.conn.Write(background, websocket.MessageText, []byte(text)))
}

func (r *raw) receive() string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(background, time.Minute)
	defer cancel()
	_, p, err := r.conn.Read(ctx)
	require.NoError(r.t, err)
	return string(p)
}

// want reads a message.
func (r *raw) want(text string) {
	r.t.Helper()
	require.JSONEq(r.t, text, r.receive())
}

// log notes events.
type log struct {
	mu     sync.Mutex
	events []string
}

func (l *log) note(e hubproto.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case hubproto.Message:
		l.events = append(l.events, e.Topic+": "+string(e.Data)+e.Text+string(e.Bytes))
	case hubproto.Join:
		l.events = append(l.events, e.Topic+": join "+string(e.Data))
	case hubproto.Leave:
		l.events = append(l.events, e.Topic+": leave "+string(e.Data))
	case hubproto.Live:
		l.events = append(l.events, e.Topic+": live")
	case hubproto.Gap:
		l.events = append(l.events, e.Topic+": gap")
	case hubproto.Refused:
		l.events = append(l.events, e.Topic+": refused: "+e.Err.Error())
	}
}

// take returns what was noted since the last call.
func (l *log) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.events
	l.events = nil
	return events
}

func publish(t *testing.T, h *hub.Hub, topic string, data any) hub.Position {
	p, err := json.Marshal(data)
	require.NoError(t, err)
	at, err := h.Publish(background, topic, hub.Publication{Payload: p})
	require.NoError(t, err)
	return at
}

func keep(messages int) *hub.Memory {
	return hub.NewMemory(func(topic string) hub.History {
		if topic == "none" {
			return hub.History{}
		}
		return hub.History{Messages: messages}
	})
}
