package websocket

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/ws"
)

// lifetime holds when a connection was opened and for how long it was open. It
// is set only if the connection has Stats or Hooks. lasted is 0 until the
// connection is closed.
type lifetime struct {
	began  clockTime
	lasted atomic.Int64
}

// begins returns the current time, or 0 without Stats and Hooks.
func (o *ConnOptions) begins() clockTime {
	if o.Stats == nil && o.Hooks == nil {
		return 0
	}
	return now()
}

// countOpened counts a connection that was opened.
//
//go:noinline
func (c *Conn) countOpened() {
	c.opts.life.began = now()
	if s := c.opts.Stats; s != nil {
		s.Opened.Add(1)
		s.Open.Add(1)
	}
}

// tellOpened reports to Stats and Hooks that the connection was opened.
// handshake is the time at which the handshake began, or 0 if it is unknown. If
// the hook does not return, tellOpened closes the connection.
//
//go:noinline
func (c *Conn) tellOpened(handshake clockTime) {
	var took time.Duration
	if handshake != 0 {
		took = c.opts.life.began - handshake
		if s := c.opts.Stats; s != nil {
			s.Handshakes.Add(took)
		}
	}
	h := c.opts.Hooks
	if h == nil || h.Opened == nil {
		return
	}
	returned := false
	defer func() {
		if !returned {
			c.CloseNow()
		}
	}()
	h.Opened(c, took)
	returned = true
}

// countEnd counts the end of a connection.
func (c *Conn) countEnd() {
	if !c.observed() {
		return
	}
	lasted := now() - c.opts.life.began
	c.opts.life.lasted.Store(int64(lasted))
	if s := c.opts.Stats; s != nil {
		s.Open.Add(-1)
		s.Lifetimes.Add(lasted)
	}
}

// refused counts a handshake of Accept that failed with err.
//
//go:noinline
func (o *ConnOptions) refused(err error) {
	if o.Stats != nil {
		o.Stats.CountRefused(ws.RefusalStatus(err))
	}
}

// unanswered counts a handshake of Dial that failed with err.
func (o *ConnOptions) unanswered(err error) {
	if o.Stats == nil || errors.Is(err, ErrGroupClosed) {
		return
	}
	status := 0
	if refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err); ok {
		status = refusal.StatusCode()
	}
	o.Stats.CountRefused(status)
}
