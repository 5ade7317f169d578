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

// NetConn returns c as a [net.Conn], to carry a stream of bytes: each Write is one
// message of type msgType, and reads run through the messages of the peer, one after the
// other. A message of the other type closes the connection with [StatusUnsupportedData], which
// takes no longer than the deadline of the read allows.
// The peer's close frame with [StatusNormalClosure] or [StatusGoingAway] is io.EOF.
//
// When ctx ends, so do all reads and writes; with a nil ctx each is an error. Deadlines end those that are under way with
// os.ErrDeadlineExceeded, and the connection can be used again with a later one: a read
// goes on where it was, and of a write the number of bytes that it returns will
// reach the peer, the rest of them by the next write. Over TLS a deadline closes the
// connection if it ends a write, and so does any on a transport without deadlines: what
// follows is an error that wraps os.ErrDeadlineExceeded and is a timeout as net.Error
// has it.
//
// The connection has a method CloseWrite() error, as a [net.TCPConn] has: it sends a
// close frame, and reads go on until the peer's. A WebSocket cannot end one direction
// for longer than CloseTimeout.
//
// Close is [Conn.Close] with StatusNormalClosure; after it, reads and writes are
// net.ErrClosed. Addresses are those of the transport,
// or "websocket/unknown-addr" if it has none. All methods may be called by any number of
// goroutines at once.
//
// A stream has no messages that could be too long, and nothing gathers one here: NetConn
// lifts the read limit of c. [Conn.SetReadLimit] sets another one after it.
func NetConn(ctx context.Context, c *Conn, msgType MessageType) net.Conn {
	if ctx == nil {
		ctx = neverContext("NetConn")
	}
	c.SetReadLimit(-1)
	n := &netConn{conn: c, typ: msgType, turn: make(chan struct{}, 1)}
	n.read.ctx(ctx)
	n.write.ctx(ctx)
	return n
}

type netConn struct {
	conn        *Conn
	typ         MessageType
	read, write deadline

	turn   chan struct{} // to read, held by who has put something in
	reader io.Reader     // of the message under way, or nil
	ended  bool          // the peer has ended the stream
}

// Read reads from the message under way, or the next one that is not empty.
func (n *netConn) Read(p []byte) (int, error) {
	ctx := n.read.current()
	if ctx.Err() != nil {
		return 0, n.read.explain(ctx, contextError(ctx, stillOpen))
	}
	if len(p) == 0 {
		return 0, nil
	}
	select {
	case n.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, n.read.explain(ctx, contextError(ctx, stillOpen))
	}
	defer func() { <-n.turn }()
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
			return 0, fmt.Errorf("websocket: read: unexpected %v", typ)
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

// end makes io.EOF of the peer's close frame, if that is how a stream ends.
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

// CloseWrite ends the stream that is written: it sends a close frame with
// StatusNormalClosure and does not wait. What the peer has still to say can be read,
// for CloseTimeout at most, and ends with io.EOF.
func (n *netConn) CloseWrite() error {
	return n.conn.closeWrite(StatusNormalClosure)
}

// Close leaves nothing behind in the parent of the deadlines.
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

// deadline makes contexts out of a deadline that changes.
type deadline struct {
	parent context.Context

	mu     sync.Mutex
	child  context.Context // of what is under way
	cancel context.CancelCauseFunc
	timer  *time.Timer
	closed bool // for ever
}

// ctx begins with a deadline that never comes.
func (d *deadline) ctx(parent context.Context) {
	d.parent = parent
	d.child, d.cancel = context.WithCancelCause(parent)
}

func (d *deadline) current() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.child
}

// set changes the deadline, also for what is under way; the zero time is none.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	past := d.timer != nil && !d.timer.Stop() // its function may be about to run, and has the child
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

// close ends what is under way, and all that may begin.
func (d *deadline) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.timer != nil {
		d.timer.Stop()
	}
	d.cancel(net.ErrClosed)
}

// explain returns err, or os.ErrDeadlineExceeded or net.ErrClosed if that has ended ctx, and
// not its parent. All that a deadline has ended is a timeout.
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

// netTimeout is an error that is a timeout as [net.Error] has it.
type netTimeout struct{ error }

func (e *netTimeout) Timeout() bool   { return true }
func (e *netTimeout) Temporary() bool { return false }
func (e *netTimeout) Unwrap() error   { return e.error }
