package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// Programs as people have learned to write them for this API: they have to do here what
// they are said to do.

func start(t *testing.T, handler http.HandlerFunc) (url string) {
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return "ws" + srv.URL[len("http"):]
}

// A server with package functions that reads text until the client leaves, and a client
// that says hello and reads the reply into a string.
func TestProgramWithPackageFunctions(t *testing.T) {
	ended := make(chan error, 1)
	url := start(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		ctx := r.Context()
		for {
			var msg string
			if _, err := websocket.Read(ctx, conn, &msg); err != nil {
				ended <- err
				return
			}
			if err := websocket.Write(ctx, conn, websocket.MessageText, []byte(msg)); err != nil {
				ended <- err
				return
			}
		}
	})

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, url, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.NoError(t, websocket.Write(ctx, conn, websocket.MessageText, []byte("hello")))
	var msg string
	_, err = websocket.Read(ctx, conn, &msg)
	require.NoError(t, err)
	require.Equal(t, "hello", msg)
	require.NoError(t, conn.CloseNow())
	require.Error(t, <-ended)
}

// A client that expects to be closed, and asks for the status.
func TestProgramThatExpectsToBeClosed(t *testing.T) {
	url := start(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{"example.com"}})
		if err != nil {
			return
		}
		c.Close(websocket.StatusNormalClosure, "cross origin connection accepted")
	})
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://example.com"}}})
	require.NoError(t, err)
	defer c.CloseNow()
	_, _, err = c.Reader(t.Context())
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
	var closed websocket.CloseError
	require.True(t, errors.As(err, &closed))
	require.Equal(t, "cross origin connection accepted", closed.Reason)
}

// A client that pings a server which reads, five times.
func TestProgramThatPings(t *testing.T) {
	url := start(t, echo)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, nil)
	require.NoError(t, err)
	defer c.CloseNow()
	ctx = c.CloseRead(ctx)
	for range 5 {
		require.NoError(t, c.Ping(ctx))
	}
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
}

// A program that takes the connection over from net/http by itself, with goroutines that
// read and write its bytes: here the bytes are frames.
func TestProgramThatHijacks(t *testing.T) {
	url := start(t, func(w http.ResponseWriter, r *http.Request) {
		conn, rw, hs, err := ws.UpgradeHTTP(r, w) // checks, hijacks and answers
		if err != nil {
			return
		}
		c, err := websocket.NewConn(conn, rw.Reader, hs, ws.StateServerSide, nil)
		if err != nil {
			return
		}
		stream := websocket.NetConn(context.Background(), c, websocket.MessageBinary)
		defer stream.Close()
		messages := make(chan []byte)
		go readLoop(stream, messages)
		for p := range messages {
			stream.SetWriteDeadline(time.Now().Add(10 * time.Second))
			if _, err := stream.Write(p); err != nil {
				return
			}
		}
	})
	c, _, err := websocket.Dial(t.Context(), url, nil)
	require.NoError(t, err)
	conn := websocket.NetConn(t.Context(), c, websocket.MessageBinary)
	_, err = io.WriteString(conn, "over and out")
	require.NoError(t, err)
	p := make([]byte, len("over and out"))
	_, err = io.ReadFull(conn, p)
	require.NoError(t, err)
	require.Equal(t, "over and out", string(p))
	require.NoError(t, conn.Close())
}

// readLoop hands over what arrives until the connection ends.
func readLoop(conn net.Conn, messages chan<- []byte) {
	defer close(messages)
	buf := make([]byte, 4096)
	for {
		conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		messages <- append([]byte(nil), buf[:n]...)
	}
}
