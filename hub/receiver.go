package hub

import (
	"context"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// Receiver is what gets messages: a connection. [Conn] and [LoopConn] return those
// of this toolkit's connections. Its methods may be called by any number of
// goroutines at once. They must not call methods of the hub or of its members.
type Receiver interface {
	// Deliver queues m and never blocks. The result is that of a send queue. An
	// error that wraps [wsutil.ErrSendTooLarge] counts as a dropped message; after
	// any other one the member leaves the hub.
	Deliver(m *Message) (wsutil.SendResult, error)

	// Replay is Deliver that waits for room until ctx ends.
	Replay(ctx context.Context, m *Message) error

	// Buffered returns how many bytes wait to be sent.
	Buffered() int

	// Close begins to close the connection. It may wait for the peer for a bounded
	// time.
	Close(code ws.StatusCode, reason string) error
}

// Conn returns c as a Receiver that sends what e encodes: nil stands for
// [Payloads]. What happens if c is slow is decided by Queue of its options.
func Conn(c *websocket.Conn, e Encoder) Receiver { return conn{c, e} }

type conn struct {
	c *websocket.Conn
	e Encoder
}

func (r conn) Deliver(m *Message) (wsutil.SendResult, error) {
	f := m.form(r.e)
	switch {
	case f.err != nil:
		return wsutil.SendDropped, nil
	case f.message == nil:
		return wsutil.SendQueued, nil
	}
	return r.c.SendPreparedKey(f.message, m.slot)
}

func (r conn) Replay(ctx context.Context, m *Message) error {
	f := m.form(r.e)
	if f.message == nil {
		return f.err
	}
	return r.c.WritePrepared(ctx, f.message)
}

func (r conn) Buffered() int { return r.c.Buffered() }

func (r conn) Close(code ws.StatusCode, reason string) error {
	return r.c.Close(websocket.StatusCode(code), reason)
}

// LoopConn is [Conn] for a connection on a loop. [Member.Subscribe] may block, and
// must not be called on the loop: see [wsloop.Conn.Go].
func LoopConn(c *wsloop.Conn, e Encoder) Receiver { return loopConn{c, e} }

type loopConn struct {
	*wsloop.Conn
	e Encoder
}

func (r loopConn) Deliver(m *Message) (wsutil.SendResult, error) {
	f := m.form(r.e)
	switch {
	case f.err != nil:
		return wsutil.SendDropped, nil
	case f.message == nil:
		return wsutil.SendQueued, nil
	}
	return r.SendPreparedKey(f.message, m.slot)
}

func (r loopConn) Replay(ctx context.Context, m *Message) error {
	f := m.form(r.e)
	if f.message == nil {
		return f.err
	}
	return r.SendWait(ctx, f.message.OpCode(), f.message.Payload())
}
