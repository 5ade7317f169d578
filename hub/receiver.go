package hub

import (
	"context"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// Receiver is a connection that receives messages. [Conn] and [LoopConn] return
// Receivers for the connections of this module. The methods must be safe for
// concurrent use, and must not call methods of the hub or of its members.
type Receiver interface {
	// Deliver queues m and never blocks. It returns the result of the send
	// queue. An error that wraps [wsutil.ErrSendTooLarge] counts as a dropped
	// message. After any other error, the member leaves the hub.
	Deliver(m *Message) (wsutil.SendResult, error)

	// Replay is like Deliver, but waits for room in the queue until ctx ends. An
	// error that wraps [wsutil.ErrSendTooLarge] ends the replay: see
	// [Subscribed.Recovered].
	Replay(ctx context.Context, m *Message) error

	// Buffered returns how many bytes wait to be sent.
	Buffered() int

	// Close begins to close the connection. It may wait for the peer for a
	// bounded time.
	Close(code ws.StatusCode, reason string) error
}

// connection has the common methods of both kinds of connections.
type connection interface {
	SendPreparedKey(m *wsutil.PreparedMessage, key string) (wsutil.SendResult, error)
	Buffered() int
}

// sender delivers to a connection.
type sender struct {
	connection
	e Encoder
}

func (r sender) Deliver(m *Message) (wsutil.SendResult, error) {
	p, err := m.Prepared(r.e)
	switch {
	case err != nil:
		return wsutil.SendDropped, nil
	case p == nil:
		return wsutil.SendQueued, nil
	}
	return r.SendPreparedKey(p, m.slot)
}

// replay implements Replay with a blocking write.
func (r sender) replay(m *Message, write func(p *wsutil.PreparedMessage) error) error {
	p, err := m.Prepared(r.e)
	if p == nil {
		return err
	}
	return write(p)
}

// Conn returns a Receiver that sends messages to c as e encodes them. A nil e
// means [Payloads]. Queue in the options of c decides what happens if c is
// slow.
func Conn(c *websocket.Conn, e Encoder) Receiver { return conn{sender{c, e}, c} }

type conn struct {
	sender
	c *websocket.Conn
}

func (r conn) Replay(ctx context.Context, m *Message) error {
	return r.replay(m, func(p *wsutil.PreparedMessage) error { return r.c.WritePrepared(ctx, p) })
}

func (r conn) Close(code ws.StatusCode, reason string) error {
	return r.c.Close(websocket.StatusCode(code), reason)
}

// LoopConn is like [Conn], for a connection on a loop. Methods of [Member] that
// may wait for the broker, such as Subscribe, must not be called on the loop:
// see [wsloop.Conn.Go]. Leave and Unsubscribe do not wait for it.
func LoopConn(c *wsloop.Conn, e Encoder) Receiver { return loopConn{sender{c, e}, c} }

type loopConn struct {
	sender
	c *wsloop.Conn
}

func (r loopConn) Replay(ctx context.Context, m *Message) error {
	return r.replay(m, func(p *wsutil.PreparedMessage) error { return r.c.SendWait(ctx, p.OpCode(), p.Payload()) })
}

func (r loopConn) Close(code ws.StatusCode, reason string) error { return r.c.Close(code, reason) }
