// Package loop is the common part of event loops: the server side of a
// connection as a function from received bytes to bytes to send, with
// [wsutil.Protocol]. Its folders have a loop with epoll and one with gnet.
package loop

import (
	"io"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Conn is one connection. One goroutine at a time may use it.
type Conn struct {
	// Handle is called with each message. The payload is valid until it
	// returns.
	Handle func(c *Conn, m wsutil.Event)

	// Out holds the bytes to send. The loop sends them and removes what it has
	// sent.
	Out []byte

	request  *request // nil once the handshake is done
	refused  bool
	protocol wsutil.Protocol
}

// MostOut is the maximum number of bytes that wait for a client. A client that
// does not read is disconnected.
const MostOut = 1 << 20

// request is the state of a handshake.
type request struct {
	in []byte
	ws.Request
}

var config = wsutil.Config{State: ws.StateServerSide, KeepAlive: 30 * time.Second, MaxMessage: 64 << 10}

// Open initializes c at this time of the loop's clock.
func (c *Conn) Open(now time.Duration) {
	cfg := config
	cfg.Now = now
	c.protocol.Reset(&cfg)
	c.protocol.CloseBy(now + ws.DefaultHandshakeTimeout)
	c.request = new(request)
}

// Receive handles received bytes, which it modifies, and reports whether the
// connection continues. If not, the loop sends as much of Out as possible and
// closes the connection.
func (c *Conn) Receive(now time.Duration, p []byte) (goesOn bool) {
	if c.request != nil {
		if p = c.handshake(now, p); c.request != nil {
			return !c.refused
		}
	}
	c.protocol.Heard(now, len(p))
	for c.protocol.Transport(len(p) > 0, false) == wsutil.Proceed {
		ev, n, err := c.protocol.NextMessage(p)
		p = p[n:]
		switch {
		case err == io.ErrUnexpectedEOF:
			c.protocol.Waits(now)
			return len(c.Out) <= MostOut
		case err != nil:
			c.Out = c.protocol.AppendCloseFor(c.Out, err)
		case ev.OpCode.IsControl():
			c.Out = c.protocol.AppendReply(c.Out, ev)
		default:
			c.Handle(c, ev)
		}
	}
	return false
}

// handshake handles bytes of the request. It returns the bytes after it.
func (c *Conn) handshake(now time.Duration, p []byte) (rest []byte) {
	r := c.request
	r.in = append(r.in, p...)
	n, err := ws.ParseRequest(r.in, &r.Request)
	if err == io.ErrUnexpectedEOF {
		return nil
	}
	var agreed ws.Agreement
	if err == nil {
		agreed, err = new(ws.Upgrader).Decide(&r.Request)
	}
	if err != nil {
		c.Out, c.refused = ws.AppendRefusal(c.Out, &r.Request, err), true
		return nil
	}
	c.Out = ws.AppendResponse(c.Out, agreed)
	rest, c.request = r.in[n:], nil
	cfg := config
	cfg.Now = now
	c.protocol.Reset(&cfg) // ends the timeout of the handshake
	return rest
}

// Tick handles timeouts, and reports whether the connection continues.
func (c *Conn) Tick(now time.Duration) (goesOn bool) {
	due := c.protocol.Tick(now)
	switch {
	case due.Err != nil && c.request == nil:
		c.Out = c.protocol.AppendCloseFor(c.Out, c.protocol.Fail(due.Err))
		return false
	case due.Err != nil:
		return false
	case due.Ping:
		c.Out, _ = c.protocol.AppendPing(c.Out, nil)
		c.protocol.PingSent(now)
		c.protocol.Waits(now)
	}
	return true
}

// Send sends a message.
func (c *Conn) Send(op ws.OpCode, p []byte) error {
	out, err := c.protocol.AppendMessage(c.Out, op, p)
	c.Out = out
	return err
}

// Close releases the memory of the connection.
func (c *Conn) Close() {
	c.protocol.EOF()
	c.protocol.Release()
}

// Echo is a handler that echoes every message.
func Echo(c *Conn, m wsutil.Event) { c.Send(m.OpCode, m.Payload) }
