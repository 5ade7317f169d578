package guide_test

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// From gorilla/websocket: read and write loops in one handler.

var fromGorilla = &websocket.AcceptOptions{
	OriginPatterns: []string{"https://app.example"}, // CheckOrigin
	Subprotocols:   []string{"chat.v1"},
	ConnOptions: websocket.ConnOptions{
		ReadLimit:    512 << 10,        // SetReadLimit
		KeepAlive:    54 * time.Second, // the ticker that writes pings, and SetPongHandler
		WriteTimeout: 10 * time.Second, // SetWriteDeadline before each write
	},
}

// chat passes what one member says on to all.
func chat(group *websocket.Group) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, fromGorilla)
		if err != nil {
			return // Upgrade has answered in gorilla as well
		}
		defer c.CloseNow()
		if err := group.Join(c); err != nil {
			return // the server shuts down
		}
		for msg, err := range c.Messages(r.Context()) {
			if code := websocket.CloseStatus(err); code != -1 && code != websocket.StatusGoingAway {
				log.Printf("closed with %v", code) // IsUnexpectedCloseError
			}
			if err != nil {
				return
			}
			if m, err := websocket.NewPreparedMessage(msg.Type, msg.Data); err == nil {
				group.Broadcast(m) // waits for no member
			}
		}
	}
}

func TestFromGorilla(t *testing.T) {
	server := httptest.NewServer(chat(new(websocket.Group)))
	defer server.Close()
	ann := program.Dial(t, server.URL, nil)
	program.Echo(t, ann, "hello")
	bob := program.Dial(t, server.URL, nil)
	program.Echo(t, bob, "hello, ann")
	require.Equal(t, "hello, ann", program.Receive(t, ann))
}

// From lxzan/gws: an event handler.

func newLoop() (*wsloop.Server, error) {
	return wsloop.New(&wsloop.Config{KeepAlive: 30 * time.Second}, &wsloop.Handler{
		Open: func(c *wsloop.Conn) { // OnOpen
			c.SetValue("ann")
		},
		Message: func(c *wsloop.Conn, op ws.OpCode, payload []byte) { // OnMessage
			c.Send(op, payload)
		},
		Close: func(c *wsloop.Conn, end wsloop.End) { // OnClose
			log.Printf("%v left with %v", c.Value(), end.Code)
		},
	})
}

func TestFromGws(t *testing.T) {
	loop, err := newLoop()
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- loop.Serve(ln) }()
	c := program.Dial(t, "ws://"+ln.Addr().String(), nil)
	program.Echo(t, c, "hello")
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	require.NoError(t, loop.Shutdown(t.Context()))
	require.ErrorIs(t, <-served, wsloop.ErrServerClosed)
}

// From golang.org/x/net/websocket: a connection that is a stream of bytes.

func TestFromXNet(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		stream := websocket.NetConn(r.Context(), c, websocket.MessageBinary)
		io.Copy(stream, stream)
	}))
	defer server.Close()
	c := program.Dial(t, server.URL, nil)
	stream := websocket.NetConn(t.Context(), c, websocket.MessageBinary)
	_, err := stream.Write([]byte("hello"))
	require.NoError(t, err)
	p := make([]byte, 5)
	_, err = io.ReadFull(stream, p)
	require.NoError(t, err)
	require.Equal(t, "hello", string(p))
	require.NoError(t, stream.Close())
}

// From gobwas/ws: the error of a peer that breaks the protocol.

func report(err error) {
	var e *ws.ProtocolError
	if errors.As(err, &e) {
		log.Printf("peer broke section %s: %s", e.Section, e.Reason)
	}
}

func TestProtocolError(t *testing.T) {
	var logged bytes.Buffer
	before := log.Writer()
	log.SetOutput(&logged)
	defer log.SetOutput(before)
	client, server := wstest.Pipe(nil)
	require.NoError(t, ws.WriteFrame(client, ws.NewTextFrame([]byte("not masked"))))
	_, _, err := wsutil.ReadClientData(server)
	report(err)
	require.Contains(t, logged.String(), "peer broke section 5.1")
	require.NoError(t, errors.Join(client.Close(), server.Close()))
}
