package echoserver

import (
	"bytes"
	"fmt"
	"io"
	"net"

	"github.com/wskit/wskit/ws"
)

const request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// Client is a connection to a server. It knows what an echo looks like, and does not
// look at it: it costs the same whatever it talks to.
type Client struct {
	conn  net.Conn
	frame []byte // what it sends
	echo  []byte // what it gets, which is as long
}

// Dial opens a connection to a server of library, for messages of text.
func Dial(addr, library string, text []byte) (*Client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.(*net.TCPConn).SetLinger(0) // ports are free again at once
	c := &Client{conn: conn, frame: text, echo: bytes.Clone(text)}
	if library == tcpLibrary.Name {
		return c, nil
	}
	f := ws.NewTextFrame(text)
	c.echo = ws.AppendFrame(nil, f)
	c.frame = ws.AppendFrame(nil, ws.MaskFrame(f))
	return c, c.handshake()
}

// handshake reads the answer by the byte, so that nothing behind it is lost.
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

// Send sends a message.
func (c *Client) Send() error {
	_, err := c.conn.Write(c.frame)
	return err
}

// Receive waits for the echo.
func (c *Client) Receive() error {
	_, err := io.ReadFull(c.conn, c.echo)
	return err
}

// Close resets the connection.
func (c *Client) Close() { c.conn.Close() }
