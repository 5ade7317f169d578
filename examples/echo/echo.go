// Package echo is a WebSocket echo server with only package ws: the loop of the
// server side of a connection, and two servers, one on a TCP listener and one
// under net/http. It also has the same server with package websocket, which
// most programs should use. It is a program to copy.
package echo

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"time"
	"unicode/utf8"

	"github.com/wskit/wskit/ws"
)

// DefaultMaxMessage is the default of [Server.MaxMessage] in bytes.
const DefaultMaxMessage = 16 << 20

const (
	writeTimeout  = 10 * time.Second // for one frame, to a peer that does not read
	lingerTimeout = time.Second      // for the peer to end the connection after our close frame
	keepBuffer    = 64 << 10         // a larger buffer is not kept for the next message
)

var (
	errClosed     = errors.New("echo: the close handshake is done")
	errTooBig     = &ws.ProtocolError{Code: ws.StatusMessageTooBig, Section: "7.4.1", Reason: "message is too big"}
	longAgo       = time.Unix(1, 0)
	goingAwayBody = ws.AppendCloseBody(nil, ws.StatusGoingAway, "server is stopping")
)

// session is the state of one connection. Only the goroutine of Echo uses it,
// so it needs no lock.
type session struct {
	conn  net.Conn
	r     *bufio.Reader
	max   int64
	state ws.State // StateFragmented is set inside a fragmented message

	op      ws.OpCode    // of the current message
	message bytes.Buffer // its payload so far
	control [ws.MaxControlFramePayloadSize]byte
}

// Echo echoes every message on conn, after the handshake, until one side
// closes. r reads from conn and may hold bytes that came after the handshake.
// Echo owns conn and closes it.
//
// When ctx ends, the peer gets status 1001. If the peer violates the protocol,
// it gets the status of the [ws.ProtocolError] that Echo returns. After a
// closing handshake that the peer began, the error is nil.
func (s *Server) Echo(ctx context.Context, conn net.Conn, r *bufio.Reader) error {
	defer conn.Close()

	// The deadline in the past wakes up the loop, because only the loop writes.
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(longAgo) })
	defer stop()

	c := &session{
		conn:  conn,
		r:     r,
		max:   cmp.Or(s.MaxMessage, DefaultMaxMessage),
		state: ws.StateServerSide,
	}
	err := c.loop()

	var fault *ws.ProtocolError
	switch {
	case errors.Is(err, errClosed):
		return nil
	case errors.As(err, &fault):
		c.close(ws.AppendCloseBody(nil, fault.Code, fault.Reason))
	case ctx.Err() != nil:
		c.close(goingAwayBody)
	}
	return err
}

// loop serves frames until an error, which is errClosed after a closing
// handshake.
func (c *session) loop() error {
	for {
		h, err := ws.ReadHeader(c.r)
		if err != nil {
			return err
		}
		if err := ws.CheckHeader(h, c.state); err != nil {
			return err
		}
		if h.OpCode.IsControl() {
			err = c.serveControl(h)
		} else {
			err = c.serveData(h)
		}
		if err != nil {
			return err
		}
	}
}

// serveControl answers a ping with its own payload and a close frame with its
// own code and reason (RFC 6455, section 5.5).
func (c *session) serveControl(h ws.Header) error {
	p := c.control[:h.Length] // CheckHeader refuses more than 125 bytes
	if _, err := io.ReadFull(c.r, p); err != nil {
		return err
	}
	ws.Cipher(p, h.Mask, 0)

	switch h.OpCode {
	case ws.OpPing:
		return c.write(ws.NewPongFrame(p))
	case ws.OpClose:
		if _, _, err := ws.ParseCloseBody(p); err != nil {
			return err
		}
		if err := c.close(p); err != nil {
			return err
		}
		return errClosed
	}
	return nil // an unsolicited pong
}

// serveData reads one frame of a message, and echoes the message after the last
// one (RFC 6455, section 5.4).
func (c *session) serveData(h ws.Header) error {
	if h.OpCode != ws.OpContinuation {
		c.op = h.OpCode
	}
	start := c.message.Len()
	if h.Length > c.max-int64(start) {
		return errTooBig
	}
	// The buffer grows with the bytes that arrive, not with the length that
	// the header declares.
	if _, err := io.CopyN(&c.message, c.r, h.Length); err != nil {
		return err
	}
	ws.Cipher(c.message.Bytes()[start:], h.Mask, 0)

	if !h.Fin {
		c.state = c.state.Set(ws.StateFragmented)
		return nil
	}
	c.state = c.state.Clear(ws.StateFragmented)
	return c.echo()
}

// echo sends the assembled message and resets the buffer.
func (c *session) echo() error {
	p := c.message.Bytes()
	if c.op == ws.OpText && !utf8.Valid(p) {
		return ws.ErrProtocolInvalidUTF8
	}
	if err := c.write(ws.NewFrame(c.op, true, p)); err != nil {
		return err
	}
	if len(p) > keepBuffer {
		c.message = bytes.Buffer{}
	}
	c.message.Reset()
	return nil
}

// write sends f with one Write. If it fails, a part of the frame may have been
// sent, so it closes the connection.
func (c *session) write(f ws.Frame) error {
	err := c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		err = ws.WriteFrame(c.conn, f)
	}
	if err != nil {
		c.conn.Close()
	}
	return err
}

// close sends the close frame and waits for the peer to end the connection.
func (c *session) close(body []byte) error {
	if err := c.write(ws.NewCloseFrame(body)); err != nil {
		return err
	}
	linger(c.conn)
	return nil
}

// linger ends our half of conn and waits a moment for the peer to end the
// other. Closing a socket with unread input resets it, and the reset may
// overtake the last written bytes.
func linger(conn net.Conn) {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	conn.SetReadDeadline(time.Now().Add(lingerTimeout))
	io.Copy(io.Discard, conn)
}
