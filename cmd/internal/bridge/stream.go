// Package bridge connects a WebSocket with a stream of bytes or a process.
//
// A WebSocket has no half-close, so an empty binary message marks the end of
// one direction. A close frame ends both directions.
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

// chunk is the maximum number of bytes of a stream in one message.
const chunk = 32 << 10

// Stream copies the payloads of messages to stream, and the bytes of stream to
// binary messages of up to 32 KiB, until both directions have ended or one has
// failed. It reads from each side only as fast as the other one accepts data.
// If halfClose is false, the end of the stream closes the WebSocket. Stream
// owns both, and returns how the WebSocket ended.
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

// onEnd calls f, which unblocks a write, when conn has ended, unless stop is
// called first.
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

// send sends the data of r until its end.
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

// receive writes the payloads of messages to w until the connection ends, and
// always returns an error. It calls end once, for the first empty binary
// message, and discards later messages.
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
