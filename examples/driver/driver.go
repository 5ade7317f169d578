package driver

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Conn is one side of a connection.
type Conn struct {
	conn     net.Conn
	half     writeCloser // conn, if it supports CloseWrite
	protocol wsutil.Protocol
	begin    time.Time // time 0 of the protocol's clock
	timeout  time.Duration
	in       []byte // received, and not consumed
	out      []byte // to write
}

const mostWaiting = 32 << 10 // bytes of out that wait until the input is consumed

// Run calls handle with each message until the connection ends, and closes it.
// The payload is valid until handle returns. The error says how the connection
// ended: it is a wsutil.ClosedError after a close frame of the peer. When ctx
// ends, Run sends a close frame with status 1001.
func (c *Conn) Run(ctx context.Context, handle func(c *Conn, m wsutil.Event)) error {
	defer c.conn.Close()
	defer c.protocol.Release()
	stop := context.AfterFunc(ctx, func() { c.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buffer := make([]byte, 4<<10)
	for {
		c.decode(handle)
		c.write(nil)
		if c.action() != wsutil.Proceed {
			break
		}
		c.receive(ctx, buffer)
	}
	stop()
	c.linger()
	c.protocol.EOF() // releases an incomplete message
	return c.protocol.Err()
}

// Send sends a message of type ws.OpText or ws.OpBinary. It does not retain p.
func (c *Conn) Send(op ws.OpCode, p []byte) (err error) {
	m := wsutil.NewOutgoing(op, p)
	for m.Pending() && err == nil {
		var body []byte
		if c.out, body, err = c.protocol.AppendFrame(c.out, &m); err != nil {
			return err
		}
		if body != nil || len(c.out) > mostWaiting {
			c.write(body)
		}
		err = c.protocol.Err()
	}
	return err
}

// Close begins the closing handshake, which Run completes. Messages that arrive
// until then are dropped.
func (c *Conn) Close(code ws.StatusCode, reason string) (err error) {
	c.out, err = c.protocol.AppendClose(c.out, code, reason)
	return err
}

// Status returns the state of the connection.
func (c *Conn) Status() wsutil.Status { return c.protocol.Status() }

// decode consumes what was received.
func (c *Conn) decode(handle func(*Conn, wsutil.Event)) {
	for c.action() == wsutil.Proceed {
		if c.closes() {
			c.protocol.Discard()
		}
		ev, n, err := c.protocol.NextMessage(c.in)
		c.in = c.in[n:]
		switch {
		case err == io.ErrUnexpectedEOF:
			return
		case err != nil:
			c.out = c.protocol.AppendCloseFor(c.out, err)
		case ev.OpCode.IsControl():
			c.out = c.protocol.AppendReply(c.out, ev)
		case !c.closes():
			handle(c, ev)
		}
	}
}

// receive waits for bytes, at most until the next timeout, and handles
// timeouts.
func (c *Conn) receive(ctx context.Context, buffer []byte) {
	switch due := c.protocol.Tick(c.now()); {
	case due.Err != nil:
		c.out = c.protocol.AppendCloseFor(c.out, c.protocol.Fail(due.Err))
		return
	case due.Ping:
		c.protocol.Heard(c.now(), 0) // the write of the ping does not count as silence
		c.out, _ = c.protocol.AppendPing(c.out, nil)
		c.protocol.PingSent(c.now())
		return
	}
	c.protocol.Waits(c.now())
	c.setReadDeadline()
	if ctx.Err() != nil && !c.closes() { // checked after the deadline was set: see Run
		c.protocol.Heard(c.now(), 0)
		c.Close(ws.StatusGoingAway, "")
		return
	}
	n, err := c.conn.Read(buffer)
	switch {
	case n > 0:
		c.protocol.Heard(c.now(), n)
		c.in = buffer[:n]
	case err == io.EOF:
		c.protocol.EOF()
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded): // otherwise it was only a timeout
		c.protocol.Fail(err)
	}
}

// write writes out, and body after it.
func (c *Conn) write(body []byte) {
	for _, p := range [][]byte{c.out, body} {
		if len(p) == 0 {
			continue
		}
		c.conn.SetWriteDeadline(time.Now().Add(c.timeout))
		if _, err := c.conn.Write(p); err != nil {
			c.protocol.Fail(err)
			c.conn.Close() // a frame may be incomplete: nothing can follow it
		}
	}
	if c.out = c.out[:0]; cap(c.out) > 2*mostWaiting {
		c.out = nil
	}
}

// linger ends the transport before it is closed.
func (c *Conn) linger() {
	action := c.action()
	if action == wsutil.Shut {
		return
	}
	halfClosed := action == wsutil.HalfClose && c.half.CloseWrite() == nil
	c.protocol.CloseBy(c.now() + c.protocol.Linger(halfClosed))
	c.setReadDeadline()
	io.Copy(io.Discard, c.conn)
}

// setReadDeadline makes a read return when Tick has something to do.
func (c *Conn) setReadDeadline() {
	var deadline time.Time
	if at, ok := c.protocol.Deadline(); ok {
		deadline = c.begin.Add(at)
	}
	c.conn.SetReadDeadline(deadline)
}

// action returns what to do with the transport.
func (c *Conn) action() wsutil.Action { return c.protocol.Transport(len(c.in) > 0, c.half != nil) }

func (c *Conn) closes() bool { return c.protocol.Closing().Sent != 0 }

func (c *Conn) now() time.Duration { return time.Since(c.begin) }

type writeCloser interface{ CloseWrite() error }
