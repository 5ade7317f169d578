package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// action is an action on the connection.
type action func(ctx context.Context, c *client, conn *websocket.Conn) error

// client is a run of wskit dial.
type client struct {
	options
	url     *url.URL
	dialer  ws.Dialer
	opener  *connect.Opener
	printer *printer
	first   []action        // to be done after the first connect
	input   <-chan action   // closed at the end; nil if there is none
	hurry   context.Context // ends at the second Ctrl-C, which ends all waiting

	sent     int          // messages, on the connection
	received atomic.Int64 // messages, on the connection
}

// errDone ends a conversation that is complete.
var errDone = errors.New("done")

// run connects and exchanges messages until the end, repeatedly with
// --reconnect.
func (c *client) run(ctx context.Context) error {
	if !c.reconnect {
		conn, err := c.connect(ctx)
		if err != nil {
			return err
		}
		return c.talk(ctx, conn)
	}
	err := reconnect.New(c.url.String(), &reconnect.Options{
		Dial: func(ctx context.Context, _ string, _ *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
			conn, err := c.connect(ctx)
			return conn, nil, err
		},
		DialTimeout: -1, // the dialer applies --timeout
		OnRetry:     c.rest,
	}).Run(ctx, c.talk)
	gaveUp, ok := errors.AsType[*reconnect.GaveUpError](err)
	switch {
	case !ok:
		return err
	case gaveUp.Reason == reconnect.Stopped:
		return nil
	case gaveUp.Reason == reconnect.ContextEnded && exit.Status(err) != exit.Interrupted:
		return c.afterInterrupt()
	}
	return gaveUp.Err
}

// rest reports why there is a pause before the next attempt, and reads input
// until the pause ends. It returns an error if there is no next attempt.
func (c *client) rest(ctx context.Context, lost error, wait time.Duration) error {
	c.printer.status(lost.Error())
	c.printer.status(fmt.Sprintf("reconnecting in %v", wait.Round(10*time.Millisecond)))
	enough := time.After(wait)
	input := c.input
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-enough:
			return nil
		case next, ok := <-input:
			if ok {
				c.first = append(c.first, next)
				continue
			}
			if c.printer.terminal || len(c.first) == 0 {
				return errDone
			}
			input = nil
		}
	}
}

// connect opens the connection.
func (c *client) connect(ctx context.Context) (*websocket.Conn, error) {
	d := wsutil.DebugDialer{Dialer: c.dialer}
	offer := wsflate.Parameters{}
	if c.compress {
		d.Dialer.Extensions = []httphead.Option{offer.Option()}
	}
	if c.trace {
		d.OnRequest = func(p []byte) { c.printer.head('>', p) }
		d.OnResponse = func(p []byte) { c.printer.head('<', p) }
	}
	conn, hs, err := c.opener.Dial(ctx, d, c.url.String())
	if err == nil && len(hs.Extensions) > 0 {
		if _, err = offer.Confirm(hs.Extensions[0]); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, exit.With(exit.Interrupted, nil)
		}
		return nil, c.Reason(c.url, err)
	}
	c.printer.connected(c.Name(c.url), hs)
	if c.trace {
		conn = &traced{conn, wsutil.NewTracer(conn, c.printer.tracer())}
	}
	return websocket.NewConn(conn, nil, hs, ws.StateClientSide, &websocket.ConnOptions{
		KeepAlive: c.keepAlive,
		ReadLimit: c.maxMessage,
	})
}

// traced is a connection whose frames are printed.
type traced struct {
	net.Conn
	tracer *wsutil.Tracer
}

func (t *traced) Read(p []byte) (int, error)  { return t.tracer.Read(p) }
func (t *traced) Write(p []byte) (int, error) { return t.tracer.Write(p) }

// talk executes the input and prints messages until one side closes the
// connection. It returns nil after a normal end.
func (c *client) talk(ctx context.Context, conn *websocket.Conn) error {
	defer conn.CloseNow()
	c.sent = 0
	c.received.Store(0)
	received := make(chan struct{}, 1) // a message has arrived
	ended := make(chan error, 1)
	go func() { ended <- c.receive(conn, received) }()

	err := c.send(ctx, conn, received)
	done, interrupted := errors.Is(err, errDone), ctx.Err() != nil
	mistaken := err != nil && !done && !interrupted && !over(conn, err)
	switch {
	case done:
		c.leave(ctx, conn, websocket.StatusNormalClosure, "")
	case interrupted:
		c.leave(c.hurry, conn, websocket.StatusGoingAway, "interrupted")
	case mistaken:
		c.leave(ctx, conn, websocket.StatusGoingAway, "")
	}
	end := <-ended
	ours, failed := errors.AsType[*exit.Error](end)
	switch {
	case failed: // a message could not be written
		return ours
	case done:
		return nil
	case interrupted:
		return c.afterInterrupt()
	case mistaken:
		return err
	}
	return c.closing(end)
}

// leave performs the closing handshake, unless ctx ends.
func (c *client) leave(ctx context.Context, conn *websocket.Conn, code websocket.StatusCode, reason string) error {
	defer context.AfterFunc(ctx, func() {
		c.printer.status("not waiting for the server's close frame")
		conn.CloseNow()
	})()
	return conn.Close(code, reason)
}

// over reports whether err means that the connection has ended.
func over(conn *websocket.Conn, err error) bool {
	if _, ok := errors.AsType[websocket.CloseError](err); ok || errors.Is(err, net.ErrClosed) {
		return true
	}
	select {
	case <-conn.Done():
		return true
	default:
		return false
	}
}

// receive prints the messages until the connection ends.
func (c *client) receive(conn *websocket.Conn, received chan<- struct{}) error {
	for {
		// Closing the connection ends this read. Messages until then are
		// wanted.
		typ, p, err := conn.Read(context.Background())
		if err != nil {
			return err
		}
		if err := c.printer.message(typ, p); err != nil {
			conn.CloseNow()
			return exit.With(exit.Failed, fmt.Errorf("writing what was received: %w", err))
		}
		c.received.Add(1)
		select {
		case received <- struct{}{}:
		default:
		}
		if c.one {
			return nil
		}
	}
}

// send executes the actions of the input in order. It returns errDone when
// there is nothing left to wait for, and nil when the connection is closed.
func (c *client) send(ctx context.Context, conn *websocket.Conn, received <-chan struct{}) error {
	for len(c.first) > 0 {
		next := c.first[0]
		c.first = c.first[1:]
		if err := next(ctx, c, conn); err != nil {
			return err
		}
	}
	if c.one {
		return c.awaitOne(ctx, conn, received)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-conn.Done():
			return nil
		case next, ok := <-c.input:
			if !ok {
				return c.lingering(ctx, conn, received)
			}
			if err := next(ctx, c, conn); err != nil {
				if over(conn, err) && !errors.Is(err, errDone) {
					c.first = append(c.first, next) // for the next connection, if any
				}
				return err
			}
		}
	}
}

// awaitOne waits for the answer of --one.
func (c *client) awaitOne(ctx context.Context, conn *websocket.Conn, received <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-received:
		return errDone
	case <-conn.Done():
		select {
		case <-received: // at the same time
			return errDone
		default:
			return nil
		}
	case <-time.After(c.wait):
		return exit.With(exit.Closed, fmt.Errorf("no answer within %v: give a longer --wait", c.wait))
	}
}

// lingering waits for messages after the end of the input. The pong to a last
// ping shows that a server that answers in order has sent all its answers. A
// server that does not has sent as many messages as it received. Otherwise, or
// with --linger, the end is reached when no message arrives for a time.
func (c *client) lingering(ctx context.Context, conn *websocket.Conn, received <-chan struct{}) error {
	pong := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { pong <- conn.Ping(ctx) }()
	for patience := c.Timeout; ; {
		answered := !c.lingers && c.received.Load() >= int64(c.sent)
		switch {
		case answered && pong == nil:
			return errDone
		case answered || pong == nil:
			patience = c.linger
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-conn.Done():
			return nil
		case <-received:
		case <-pong:
			pong = nil
		case <-time.After(patience):
			return errDone
		}
	}
}

// closing returns the end of the connection as an error, or nil after a normal
// end.
func (c *client) closing(err error) error {
	closed, ok := errors.AsType[websocket.CloseError](err)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		closed, ok = websocket.CloseError{Code: websocket.StatusAbnormalClosure}, true
	}
	switch {
	case err == nil || errors.Is(err, net.ErrClosed):
		return nil
	case !ok:
		return exit.With(exit.Closed, fmt.Errorf("the connection was lost: %w", err))
	}
	c.printer.closed(closed)
	text := "the server closed the connection: " + closeText(closed)
	switch closed.Code {
	case websocket.StatusAbnormalClosure:
		text = "the server dropped the connection without a close frame"
	case websocket.StatusNormalClosure, websocket.StatusGoingAway, websocket.StatusNoStatusRcvd:
		if c.one {
			text = "the server closed the connection without an answer"
		} else if !c.reconnect || !websocket.Retryable(err) {
			return nil
		}
	}
	return exit.With(exit.Closed, exit.Explain(text, err))
}

// afterInterrupt returns how Ctrl-C ends the program: with success if that is
// the usual way.
func (c *client) afterInterrupt() error {
	if c.listen || c.printer.terminal {
		return nil
	}
	return exit.With(exit.Interrupted, nil)
}

func closeText(e websocket.CloseError) string {
	text := fmt.Sprintf("code %d", e.Code)
	if name := ws.StatusCode(e.Code).Name(); name != "" {
		text += " (" + name + ")"
	}
	if e.Reason != "" {
		text += fmt.Sprintf(", %q", e.Reason)
	}
	return text
}
