package wstest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// streamConn is the connection of a case over an HTTP/2 or HTTP/3 stream. The
// suite writes an HTTP/1.1 request, which opens the stream with an extended
// CONNECT, and reads an HTTP/1.1 response before the data of the stream.
type streamConn struct {
	ctx    context.Context // limits the request, which is sent after dial has returned
	cancel context.CancelFunc
	target target
	t      websocket.Transport
	change func(*http.Request) // of the extended CONNECT, if a case has one

	head   []byte // of the request, as far as written
	answer []byte // unread part of the response
	err    error  // of the request

	mu              sync.Mutex
	stream          websocket.Stream // nil before the response
	readBy, writeBy time.Time
	closed          bool
}

func newStreamConn(ctx context.Context, t target, o *Options) *streamConn {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.Timeout)
	return &streamConn{ctx: ctx, cancel: cancel, target: t, t: o.Transport}
}

// opened returns the stream, or nil.
func (c *streamConn) opened() websocket.Stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stream
}

// open sets the stream of the connection.
func (c *streamConn) open(stream websocket.Stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream = stream
	stream.SetReadDeadline(c.readBy)
	stream.SetWriteDeadline(c.writeBy)
	if c.closed {
		stream.Close()
	}
}

func (c *streamConn) Write(p []byte) (int, error) {
	if s := c.opened(); s != nil {
		return s.Write(p)
	}
	if c.err != nil {
		return 0, c.err
	}
	c.head = append(c.head, p...)
	end := bytes.Index(c.head, []byte("\r\n\r\n"))
	if end < 0 {
		return len(p), nil
	}
	rest := c.head[end+4:]
	if c.err = c.connect(); c.err != nil {
		return 0, c.err
	}
	if s := c.opened(); s != nil && len(rest) > 0 {
		_, err := s.Write(rest)
		return len(p), err
	}
	return len(p), nil
}

// connect sends the request in head as an extended CONNECT, and encodes the
// response.
func (c *streamConn) connect() error {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(c.head)))
	if err != nil {
		return err
	}
	key := r.Header.Get("Sec-WebSocket-Key")
	r.URL.Scheme, r.URL.Host = "http", r.Host
	if c.target.secure {
		r.URL.Scheme = "https"
	}
	if r, err = ws.ExtendedConnect(r.WithContext(c.ctx)); err != nil {
		return err
	}
	if c.change != nil {
		c.change(r)
	}
	stream, resp, err := c.t.Connect(r)
	if err != nil {
		return err
	}
	if stream != nil {
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Sec-WebSocket-Accept") != "" {
			stream.Close()
			return errors.New("the answer is not 200 without Sec-WebSocket-Accept (RFC 8441, section 5)")
		}
		c.open(stream)
		resp.StatusCode = http.StatusSwitchingProtocols
		resp.Header.Set("Upgrade", "websocket")
		resp.Header.Set("Connection", "Upgrade")
		resp.Header.Set("Sec-WebSocket-Accept", acceptOf(key))
		resp.Body = http.NoBody
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	fmt.Fprintf(&answer, "HTTP/1.1 %d %s\r\n", resp.StatusCode, http.StatusText(resp.StatusCode))
	resp.Header.Write(&answer)
	answer.WriteString("\r\n")
	io.Copy(&answer, io.LimitReader(resp.Body, maxHead))
	c.answer = answer.Bytes()
	return nil
}

// streamFault returns why a stream could not be opened over conn, or nil.
func streamFault(conn net.Conn) error {
	if c, ok := conn.(*streamConn); ok {
		return c.err
	}
	return nil
}

func (c *streamConn) Read(p []byte) (int, error) {
	if len(c.answer) > 0 {
		n := copy(p, c.answer)
		c.answer = c.answer[n:]
		return n, nil
	}
	if s := c.opened(); s != nil {
		return s.Read(p)
	}
	return 0, cmp.Or(c.err, io.EOF)
}

// Close ends the stream.
func (c *streamConn) Close() error {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed = true; c.stream == nil {
		return nil
	}
	return c.stream.Close()
}

// CloseWrite ends the suite's half of the stream.
func (c *streamConn) CloseWrite() error {
	if s := c.opened(); s != nil {
		return s.CloseWrite()
	}
	return nil
}

func (c *streamConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readBy = t; c.stream == nil {
		return nil
	}
	return c.stream.SetReadDeadline(t)
}

func (c *streamConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeBy = t; c.stream == nil {
		return nil
	}
	return c.stream.SetWriteDeadline(t)
}

func (c *streamConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *streamConn) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (c *streamConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// netStream is a stream as a net.Conn.
type netStream struct{ websocket.Stream }

func (s netStream) SetDeadline(t time.Time) error {
	return errors.Join(s.SetReadDeadline(t), s.SetWriteDeadline(t))
}

func (netStream) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (netStream) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// onlyUpgrades are the cases about handshakes of HTTP/1.1. Cases in which the
// suite refuses a client are among them: a refusal ends the stream, so that the
// suite does not see how the client reacts.
var onlyUpgrades = regexp.MustCompile(`^request/(key|upgrade|connection|host|method|http|head|body)/` +
	`|^request/good/(connection|upgrade|names|order|spaces|absolute|pieces|frame)` +
	`|^response/(status|line|upgrade|connection|accept|head)/` +
	`|^response/good/(upgrade|connection|names|order|another|empty|spaces|pieces)`)

// overStream returns why a case does not apply to a stream, or "".
func (c *Case) overStream() string {
	if onlyUpgrades.MatchString(c.ID) {
		return "the case is about a handshake of HTTP/1.1"
	}
	return ""
}
