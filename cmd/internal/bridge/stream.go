// Package bridge connects a WebSocket with a stream of bytes, or with a process.
//
// A WebSocket has no half-close, so an empty binary message stands for the end of what a
// side sends. A close frame ends both directions.
package bridge

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/wskit/wskit/websocket"
)

// chunk is the most bytes of a stream that become one message.
const chunk = 32 << 10

// Stream passes the payloads of messages to stream, and what comes from there as binary
// messages of up to 32 KiB, until both directions have ended or one has failed. It reads
// from either side no faster than the other one takes. If halfClose is false, the end of
// the stream closes the WebSocket. Stream owns both, and returns how the WebSocket ended.
func Stream(conn *websocket.Conn, stream net.Conn, halfClose bool) error {
	defer conn.CloseNow()
	defer stream.Close()
	var open atomic.Int32
	open.Store(2)
	ended := func() {
		if open.Add(-1) == 0 {
			conn.Close(websocket.StatusNormalClosure, "")
		}
	}
	defer onEnd(conn, func() { stream.Close() })()
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := send(conn, stream)
		switch {
		case err != nil && !errors.Is(err, net.ErrClosed):
			conn.Close(websocket.StatusInternalError, "the connection behind the bridge is lost")
		case err == nil && !halfClose:
			conn.Close(websocket.StatusNormalClosure, "")
		case err == nil:
			conn.Write(context.Background(), websocket.MessageBinary, nil)
			ended()
		}
	}()
	err := receive(conn, stream, func() error {
		defer ended()
		if c, ok := stream.(interface{ CloseWrite() error }); ok {
			return c.CloseWrite()
		}
		return nil
	})
	if _, ok := errors.AsType[*net.OpError](err); ok {
		conn.Close(websocket.StatusInternalError, "the connection behind the bridge is lost")
	}
	stream.Close()
	<-done
	return err
}

// onEnd calls f, which unblocks a write, once conn has ended, unless stop is called before.
func onEnd(conn *websocket.Conn, f func()) (stop func()) {
	stopped := make(chan struct{})
	go func() {
		select {
		case <-conn.Done():
			f()
		case <-stopped:
		}
	}()
	return sync.OnceFunc(func() { close(stopped) })
}

// send sends what comes from r until that ends.
func send(conn *websocket.Conn, r io.Reader) error {
	p := make([]byte, chunk)
	for {
		n, err := r.Read(p)
		if n > 0 {
			if err := conn.Write(context.Background(), websocket.MessageBinary, p[:n]); err != nil {
				return net.ErrClosed
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// receive writes the payloads of messages to w until the connection ends, which it always
// returns as an error. It calls end, once, for the first empty binary message; what comes
// after that is dropped.
func receive(conn *websocket.Conn, w io.Writer, end func() error) error {
	p := make([]byte, chunk)
	for ended := false; ; {
		typ, r, err := conn.Reader(context.Background())
		if err != nil {
			return err
		}
		if ended {
			w = io.Discard
		}
		n, err := io.CopyBuffer(onlyWriter{w}, onlyReader{r}, p)
		if err == nil && n == 0 && typ == websocket.MessageBinary && !ended {
			ended, err = true, end()
		}
		if err != nil {
			return err
		}
	}
}

// onlyReader and onlyWriter hide WriteTo and ReadFrom, so that the buffer is used.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
