package moved

import (
	"bytes"
	"encoding/json"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// timed is a connection that the program wraps: ws takes any io.ReadWriter.
type timed struct {
	net.Conn
	timeout time.Duration
}

func (c timed) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c timed) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

type note struct {
	Method string         `json:"method"`
	Params map[string]any `json:"params"`
}

// room is a chat on raw connections: NextReader and a JSON decoder to read, a
// Writer into a buffer to encode a message once for all.
type room struct {
	mu    sync.Mutex
	users map[net.Conn]bool
}

func (r *room) serve(conn net.Conn) error {
	defer conn.Close()
	if _, err := ws.Upgrade(conn); err != nil {
		return err
	}
	r.mu.Lock()
	r.users[conn] = true
	r.mu.Unlock()
	for {
		if err := r.receive(conn); err != nil {
			return err
		}
	}
}

func (r *room) receive(conn net.Conn) error {
	h, rd, err := wsutil.NextReader(conn, ws.StateServerSide)
	if err != nil {
		return err
	}
	if h.OpCode.IsControl() {
		return wsutil.ControlFrameHandler(conn, ws.StateServerSide)(h, rd)
	}
	var n note
	if err := json.NewDecoder(rd).Decode(&n); err != nil {
		return err
	}
	return r.broadcast(n)
}

func (r *room) broadcast(n note) error {
	var b bytes.Buffer
	w := wsutil.NewWriter(&b, ws.StateServerSide, ws.OpText)
	if err := json.NewEncoder(w).Encode(n); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.users {
		conn.Write(b.Bytes())
	}
	return nil
}

func TestChat(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &room{users: make(map[net.Conn]bool)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { r.serve(timed{conn, 20 * time.Second}) })
		}
	})
	defer serving.Wait()
	defer ln.Close()

	var conns []net.Conn
	for range 3 {
		conn, br, _, err := ws.Dial(t.Context(), "ws://"+ln.Addr().String())
		require.NoError(t, err)
		require.Nil(t, br)
		defer conn.Close()
		conns = append(conns, conn)
		// A pong shows that the user has joined.
		require.NoError(t, ws.WriteFrame(conn, ws.MaskFrameInPlace(ws.NewPingFrame([]byte("in")))))
		f, err := ws.ReadFrame(conn)
		require.NoError(t, err)
		require.Equal(t, ws.OpPong, f.Header.OpCode)
	}
	require.NoError(t, wsutil.WriteClientText(conns[0], []byte(`{"method":"publish","params":{"text":"hello"}}`)))
	for _, conn := range conns {
		p, err := wsutil.ReadServerText(conn)
		require.NoError(t, err)
		require.JSONEq(t, `{"method":"publish","params":{"text":"hello"}}`, string(p))
	}
}
