package websocket

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/ws"
)

// lifetime is when a connection was opened, and for how long it was open, 0 until it is
// closed. It is known if somebody counts or looks on.
type lifetime struct {
	began  clockTime
	lasted atomic.Int64
}

// begins returns when a handshake begins, or 0 if nobody wants to know.
func (o *ConnOptions) begins() clockTime {
	if o.Stats == nil && o.Hooks == nil {
		return 0
	}
	return now()
}

// countOpened counts a connection whose handshake began then, 0 if that is not known.
//
//go:noinline
func (c *Conn) countOpened() {
	c.opts.life.began = now()
	if s := c.opts.Stats; s != nil {
		s.Opened.Add(1)
		s.Open.Add(1)
	}
}

// tellOpened tells of a connection that was opened, whose handshake began then, 0 if that is
// not known. A hook that does not return closes the connection.
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
