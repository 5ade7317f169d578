package echoserver

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// Load is the traffic of the connections to one server. They share its bytes.
type Load struct {
	library string
	options Options
	text    []byte // a message
	batch   int    // messages in a batch
	frame   []byte // a message as it is sent
	frames  []byte // a batch
	echo    []byte // the answer to a message, if it is known in advance
}

// NewLoad returns the load for servers of library: batches of text messages. If
// o.Deflate is set, the text is compressed once, here.
func NewLoad(library string, o Options, text []byte, batch int) (*Load, error) {
	l := &Load{library: library, options: o, text: text, batch: batch}
	f := ws.NewTextFrame(text)
	if o.Deflate {
		s := wsflate.NewSender(wsflate.DefaultParameters, ws.StateClientSide, &wsflate.SenderConfig{Level: 6, Threshold: -1})
		payload, compressed := s.AppendMessage(nil, text)
		if !compressed {
			return nil, fmt.Errorf("a message of %d bytes does not become smaller", len(text))
		}
		f = ws.NewTextFrame(payload)
		f.Header.Rsv = ws.Rsv(true, false, false)
	}
	switch {
	case library == tcpLibrary.Name:
		l.frame, l.echo = f.Payload, f.Payload
	case o.Deflate:
		l.frame = ws.AppendFrame(nil, ws.MaskFrame(f))
	default:
		l.frame, l.echo = ws.AppendFrame(nil, ws.MaskFrame(f)), ws.AppendFrame(nil, f)
	}
	l.frames = bytes.Repeat(l.frame, batch)
	return l, nil
}

// Client is a connection to a server. It knows the length of an echo, but does
// not compare it, so that it costs the same for all servers.
type Client struct {
	conn  net.Conn
	frame []byte // what it sends
	echo  []byte // buffer for the echo
	large bool   // larger than socket buffers: must be read while it is sent
	sent  chan error
}

// Dial opens a connection to a server of library, for batches of text messages.
func Dial(addr, library string, o Options, text []byte, batch int) (*Client, error) {
	l, err := NewLoad(library, o, text, batch)
	if err != nil {
		return nil, err
	}
	return l.Dial(addr)
}

// Dial opens a connection. It retries for a while, because some libraries
// listen themselves. If messages are compressed, it sends one and checks its
// answer.
func (l *Load) Dial(addr string) (*Client, error) {
	var c *Client
	var hs ws.Handshake
	var err error
	for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(time.Millisecond) {
		if c, hs, err = l.dial(addr); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	echo := l.echo
	if echo == nil {
		if echo, err = l.inflate(c, hs); err != nil {
			c.Close()
			return nil, err
		}
	}
	c.echo = bytes.Repeat(echo, l.batch)
	return c, nil
}

func (l *Load) dial(addr string) (c *Client, hs ws.Handshake, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, hs, err
	}
	conn.(*net.TCPConn).SetLinger(0) // frees ports immediately
	if l.options.TLS {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	if l.library != tcpLibrary.Name {
		if hs, err = handshake(conn, l.options.Deflate); err != nil {
			conn.Close()
			return nil, hs, err
		}
	}
	return &Client{conn: conn, frame: l.frames, large: len(l.frames) > mostAtOnce, sent: make(chan error, 1)}, hs, nil
}

// mostAtOnce is the number of bytes that certainly fit into socket buffers.
const mostAtOnce = 32 << 10

// handshake reads the response byte by byte, so that data after it is not lost.
func handshake(conn net.Conn, deflate bool) (hs ws.Handshake, err error) {
	o := &ws.Offer{
		Host: "x", Target: "/", Nonce: [16]byte([]byte("the sample nonce")),
		Header: ws.HandshakeHeaderHTTP{"User-Agent": {""}},
	}
	if deflate {
		o.Extensions = append(o.Extensions, wsflate.DefaultParameters.Option())
	}
	request, err := ws.AppendRequest(nil, o)
	if err != nil {
		return hs, err
	}
	if _, err := conn.Write(request); err != nil {
		return hs, err
	}
	var head [1024]byte
	n := 0
	for n < len(head) && !bytes.HasSuffix(head[:n], []byte("\r\n\r\n")) {
		k, err := conn.Read(head[n : n+1])
		if err != nil {
			return hs, err
		}
		n += k
	}
	hs, _, err = ws.ParseResponse(head[:n], o)
	return hs, err
}

// checkAgreement returns an error unless messages are compressed without
// context takeover on both sides.
func checkAgreement(extensions []httphead.Option) error {
	if len(extensions) != 1 {
		return fmt.Errorf("the server negotiates the extensions %q, want permessage-deflate", extensions)
	}
	agreed, err := wsflate.DefaultParameters.Confirm(extensions[0])
	if err == nil && agreed != wsflate.DefaultParameters {
		err = fmt.Errorf("the server negotiates %q, want no context takeover on both sides", extensions)
	}
	return err
}

// inflate sends a compressed message and returns the bytes of the answer, which
// must inflate to the same text.
func (l *Load) inflate(c *Client, hs ws.Handshake) (echo []byte, err error) {
	if err := checkAgreement(hs.Extensions); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(l.frame); err != nil {
		return nil, err
	}
	var answer bytes.Buffer
	rd := wsutil.NewReader(io.TeeReader(c.conn, &answer), ws.StateClientSide|ws.StateRSV1)
	var state wsflate.MessageState
	rd.Extensions = append(rd.Extensions, &state)
	payload, _, err := rd.AppendMessage(nil)
	switch {
	case err != nil:
		return nil, err
	case !state.IsCompressed():
		return nil, fmt.Errorf("the answer to a message of %d bytes is not compressed", len(l.text))
	}
	r := wsflate.NewReceiver(wsflate.DefaultParameters, ws.StateClientSide)
	got, err := r.Append(nil, payload, true, int64(len(l.text)))
	if err == nil && !bytes.Equal(got, l.text) {
		err = fmt.Errorf("the answer to a message of %d bytes inflates to %d other bytes", len(l.text), len(got))
	}
	return answer.Bytes(), err
}

// Raw returns the connection, and the bytes of a batch and of its echo.
func (c *Client) Raw() (conn net.Conn, frames, echo []byte) { return c.conn, c.frame, c.echo }

// Send sends a batch of messages.
func (c *Client) Send() error {
	if c.large {
		go func() {
			_, err := c.conn.Write(c.frame)
			c.sent <- err
		}()
		return nil
	}
	_, err := c.conn.Write(c.frame)
	return err
}

// Receive waits for the echoes of a batch.
func (c *Client) Receive() error {
	_, err := io.ReadFull(c.conn, c.echo)
	if c.large && err == nil {
		err = <-c.sent
	}
	return err
}

// Close resets the connection.
func (c *Client) Close() { c.conn.Close() }
