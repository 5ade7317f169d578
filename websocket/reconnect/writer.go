package reconnect

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/wskit/wskit/websocket"
)

// writer writes queued messages to one connection.
type writer struct {
	client *Client
	conn   *websocket.Conn
	cancel context.CancelCauseFunc
	finish chan struct{} // closed to end the writer when the queue is empty
	done   chan struct{} // closed when the writer has ended
	err    error         // the error of the last write; read it only after done is closed
}

func (c *Client) startWriter(ctx context.Context, conn *websocket.Conn) *writer {
	w := &writer{client: c, conn: conn, finish: make(chan struct{}), done: make(chan struct{})}
	ctx, w.cancel = context.WithCancelCause(ctx)
	go func() {
		defer close(w.done)
		defer w.guard()
		w.run(ctx)
	}()
	return w
}

// guard ends the connection, not the process, after a panic of OnDrop or a
// hook.
func (w *writer) guard() {
	if v := recover(); v != nil {
		w.err = &websocket.PanicError{Value: v, Stack: debug.Stack()}
		w.conn.CloseNow()
	}
}

// run writes until the connection or ctx ends.
func (w *writer) run(ctx context.Context) {
	for {
		m, ok := w.client.queue.first()
		if ok && !w.over(ctx) {
			if w.err = w.write(ctx, m); w.err == nil {
				continue
			}
			w.giveUp(ctx)
			return
		}
		finish := w.finish
		if ok {
			finish = nil // a message remains
		}
		select {
		case <-ctx.Done():
			return
		case <-w.conn.Done():
			return
		case <-w.client.queue.pushed:
		case <-finish:
			if _, more := w.client.queue.first(); !more {
				return
			}
		}
	}
}

func (w *writer) over(ctx context.Context) bool {
	select {
	case <-w.conn.Done():
		return true
	default:
		return ctx.Err() != nil
	}
}

// write writes the first message of the queue. If Resend is set, the message
// stays in the queue until it is written. An error means that nothing more can
// be written to the connection.
func (w *writer) write(ctx context.Context, m websocket.Message) error {
	o := &w.client.opts
	err := w.conn.Write(ctx, m.Type, m.Data)
	if err != nil && o.Resend {
		return err
	}
	w.client.queue.pop()
	if err != nil && o.OnDrop != nil {
		o.OnDrop(m, err)
	}
	return err
}

// giveUp closes a connection that can no longer be written to. The handler has
// a short time to read what has arrived.
func (w *writer) giveUp(ctx context.Context) {
	moment := time.NewTimer(leaveTime)
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-w.conn.Done():
	case <-ctx.Done():
	}
	w.conn.CloseNow()
}

// drain waits until all queued messages are written, and returns the error that
// prevented that.
func (w *writer) drain(ctx context.Context) error {
	close(w.finish)
	select {
	case <-w.done:
	case <-ctx.Done():
		w.cancel(context.Cause(ctx))
		<-w.done
	}
	if left, _ := w.client.queue.size(); left == 0 && w.err == nil {
		return nil
	}
	if w.err != nil {
		return w.err
	}
	if end := w.conn.CloseRecord().Err; end != nil {
		return end
	}
	return ctx.Err()
}

// stop ends the writer, including a pending write, and returns its error. It
// may be called again.
func (w *writer) stop() error {
	w.cancel(nil)
	<-w.done
	return w.err
}
