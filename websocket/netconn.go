package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// NetConn returns c as a [net.Conn] that carries a stream of bytes. Each Write
// sends one message of type msgType. Read reads the messages of the peer one
// after the other. A message of the other type closes the connection with
// [StatusUnsupportedData], within the deadline of the read. After a close frame
// of the peer with [StatusNormalClosure] or [StatusGoingAway], Read returns
// io.EOF.
//
// When ctx ends, all reads and writes end; if ctx is nil, each returns an
// error. A deadline ends pending reads and writes with os.ErrDeadlineExceeded.
// After a later deadline is set, the connection can be used again. A read then
// continues where it was. The bytes that an interrupted Write has counted reach
// the peer: the next Write first sends those that are still unsent. If a
// deadline ends a write over TLS, or any call on a transport without deadlines,
// the connection is closed. Later calls then return an error that wraps
// os.ErrDeadlineExceeded and is a [net.Error] with Timeout() true.
//
// The returned connection has a method CloseWrite() error, as a [net.TCPConn]
// has. It sends a close frame, and reads continue until the peer's close frame.
// A WebSocket connection cannot stay half-closed for longer than CloseTimeout.
//
// Close is [Conn.Close] with StatusNormalClosure. Later reads and writes return
// net.ErrClosed. The addresses are those of the transport, or
// "websocket/unknown-addr" if it has none. All methods are safe for concurrent
// use.
//
// NetConn removes the read limit of c, because a stream has no message
// boundaries and NetConn holds no whole message. [Conn.SetReadLimit] sets a new
// limit.
func NetConn(ctx context.Context, c *Conn, msgType MessageType) net.Conn {
	if ctx == nil {
		ctx = neverContext("NetConn")
	}
	c.SetReadLimit(-1)
	n := &netConn{conn: c, typ: msgType, readLock: make(chan struct{}, 1)}
	n.read.ctx(ctx)
	n.write.ctx(ctx)
	return n
}

type netConn struct {
	conn        *Conn
	typ         MessageType
	read, write deadline

	readLock chan struct{} // lock for reads: full while it is held
	reader   io.Reader     // the reader of the current message, or nil
	ended    bool          // the peer has ended the stream
}

// Read reads from the current message, or from the next one that is not empty.
func (n *netConn) Read(p []byte) (int, error) {
	ctx := n.read.current()
	if ctx.Err() != nil {
		return 0, n.read.explain(ctx, contextError(ctx, stillOpen))
	}
	if len(p) == 0 {
		return 0, nil
	}
	select {
	case n.readLock <- struct{}{}:
	case <-ctx.Done():
		return 0, n.read.explain(ctx, contextError(ctx, stillOpen))
	}
	defer func() { <-n.readLock }()
	for {
		size, err := n.readSome(ctx, p)
		if size > 0 || err != nil {
			return size, n.read.explain(ctx, err)
		}
	}
}

func (n *netConn) readSome(ctx context.Context, p []byte) (int, error) {
	if n.ended {
		return 0, io.EOF
	}
	if n.reader == nil {
		typ, r, err := n.conn.Reader(ctx)
		if err != nil {
			return 0, n.end(err)
		}
		if typ != n.typ {
			n.conn.CloseContext(ctx, StatusUnsupportedData, fmt.Sprintf("unexpected %v", typ))
			return 0, fmt.Errorf("websocket: read: unexpected message of type %v", typ)
		}
		r.(*stream).resumable = true
		n.reader = r
	}
	n.reader.(*stream).ctx = ctx
	size, err := n.reader.Read(p)
	if err == io.EOF {
		n.reader, err = nil, nil
	}
	return size, n.end(err)
}

// end returns io.EOF for a close frame of the peer that ends a stream, and err
// otherwise.
func (n *netConn) end(err error) error {
	switch CloseStatus(err) {
	case StatusNormalClosure, StatusGoingAway:
		n.ended = true
		return io.EOF
	}
	return err
}

// Write writes p as one message.
func (n *netConn) Write(p []byte) (int, error) {
	ctx := n.write.current()
	if ctx.Err() != nil {
		return 0, n.write.explain(ctx, contextError(ctx, stillOpen))
	}
	sent, err := n.conn.writeStream(ctx, ws.OpCode(n.typ), p)
	if !sent {
		return 0, n.write.explain(ctx, err)
	}
	return len(p), n.write.explain(ctx, err)
}

// CloseWrite ends the outgoing stream. It sends a close frame with
// StatusNormalClosure and does not wait. The rest of the peer's stream can be
// read for at most CloseTimeout, and ends with io.EOF.
func (n *netConn) CloseWrite() error {
	return n.conn.closeWrite(StatusNormalClosure)
}

// Close closes the connection and removes the deadlines from their parent
// context.
func (n *netConn) Close() error {
	err := n.conn.Close(StatusNormalClosure, "")
	n.read.close()
	n.write.close()
	return err
}

func (n *netConn) SetDeadline(t time.Time) error {
	n.read.set(t)
	n.write.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.read.set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.write.set(t)
	return nil
}

func (n *netConn) LocalAddr() net.Addr  { return n.conn.LocalAddr() }
func (n *netConn) RemoteAddr() net.Addr { return n.conn.RemoteAddr() }

// deadline makes contexts from a deadline that can change.
type deadline struct {
	parent context.Context

	mu     sync.Mutex
	child  context.Context // the context of pending calls
	cancel context.CancelCauseFunc
	timer  *time.Timer
	closed bool // never open again
}

// ctx initializes d without a deadline.
func (d *deadline) ctx(parent context.Context) {
	d.parent = parent
	d.child, d.cancel = context.WithCancelCause(parent)
}

func (d *deadline) current() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.child
}

// set changes the deadline of pending and later calls. The zero time means no
// deadline.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	past := d.timer != nil && !d.timer.Stop() // its function may be about to run with the child
	d.timer = nil
	if past || d.child.Err() != nil {
		d.child, d.cancel = context.WithCancelCause(d.parent)
	}
	if t.IsZero() {
		return
	}
	cancel := d.cancel
	if left := time.Until(t); left > 0 {
		d.timer = time.AfterFunc(left, func() { cancel(os.ErrDeadlineExceeded) })
	} else {
		cancel(os.ErrDeadlineExceeded)
	}
}

// close ends pending and later calls.
func (d *deadline) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.timer != nil {
		d.timer.Stop()
	}
	d.cancel(net.ErrClosed)
}

// explain returns os.ErrDeadlineExceeded or net.ErrClosed if one of them has
// ended ctx, and err if its parent has ended. A call ended by a deadline is a
// timeout.
func (d *deadline) explain(ctx context.Context, err error) error {
	if err == nil || d.parent.Err() != nil {
		return err
	}
	switch cause := context.Cause(ctx); {
	case cause == net.ErrClosed:
		return fmt.Errorf("websocket: %w", net.ErrClosed)
	case !errors.Is(err, os.ErrDeadlineExceeded):
	case cause == os.ErrDeadlineExceeded:
		return os.ErrDeadlineExceeded
	default: // an earlier deadline has closed the connection
		return &netTimeout{err}
	}
	return err
}

// netTimeout is a [net.Error] that is a timeout.
type netTimeout struct{ error }

func (e *netTimeout) Timeout() bool   { return true }
func (e *netTimeout) Temporary() bool { return false }
func (e *netTimeout) Unwrap() error   { return e.error }
