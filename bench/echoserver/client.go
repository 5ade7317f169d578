package echoserver

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/wskit/wskit/ws"
)

const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

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
// It retries for a while, because some libraries listen themselves.
func Dial(addr, library string, o Options, text []byte, batch int) (c *Client, err error) {
	for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(time.Millisecond) {
		if c, err = dial(addr, library, o, text, batch); err == nil {
			return c, nil
		}
	}
	return nil, err
}

func dial(addr, library string, o Options, text []byte, batch int) (*Client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.(*net.TCPConn).SetLinger(0) // frees ports immediately
	if o.TLS {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	c := &Client{conn: conn, sent: make(chan error, 1)}
	frame, echo := text, bytes.Clone(text)
	if library != tcpLibrary.Name {
		f := ws.NewTextFrame(text)
		echo = ws.AppendFrame(nil, f)
		frame = ws.AppendFrame(nil, ws.MaskFrame(f))
		err = c.handshake()
	}
	c.frame, c.echo = bytes.Repeat(frame, batch), bytes.Repeat(echo, batch)
	c.large = len(c.frame) > mostAtOnce
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

// mostAtOnce is the number of bytes that certainly fit into socket buffers.
const mostAtOnce = 32 << 10

// handshake reads the response byte by byte, so that data after it is not lost.
func (c *Client) handshake() error {
	if _, err := io.WriteString(c.conn, request); err != nil {
		return err
	}
	var head [1024]byte
	n := 0
	for n < len(head) && !bytes.HasSuffix(head[:n], []byte("\r\n\r\n")) {
		k, err := c.conn.Read(head[n : n+1])
		if err != nil {
			return err
		}
		n += k
	}
	if !bytes.HasPrefix(head[:n], []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("the server answers %q", head[:n])
	}
	return nil
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
