package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh2"
	"github.com/wskit/wskit/wsh3"
)

// clients opens the connections of one version of HTTP.
type clients struct {
	s         *server
	config    *tls.Config
	transport interface {
		websocket.Transport
		io.Closer
	} // nil for HTTP/1.1
}

// dialing returns the clients of a version. streams is how many share a
// connection of HTTP/2, 0 for as many as the server allows.
func (s *server) dialing(version, streams int) *clients {
	c := &clients{s: s, config: s.trust()}
	switch version {
	case 2:
		c.transport = &wsh2.Transport{Dialer: ws.Dialer{TLSConfig: c.config}, MaxStreams: streams, MaxConns: -1}
	case 3:
		c.transport = &wsh3.Transport{TLSConfig: c.config}
	}
	return c
}

func (c *clients) close() {
	if c.transport != nil {
		c.transport.Close()
	}
}

// echoer is one connection: exchange sends a message and reads its echo.
type echoer struct {
	exchange func() error
	close    func()
}

// websocket opens a WebSocket for messages of n bytes.
func (c *clients) websocket(n int) (*echoer, error) {
	ctx := context.Background()
	conn, _, err := websocket.Dial(ctx, "wss://"+c.s.addr+"/websocket", dialOptions(c.transportOrNil(), c.config))
	if err != nil {
		return nil, err
	}
	p := make([]byte, n)
	return &echoer{func() error {
		if err := conn.Write(ctx, websocket.MessageBinary, p); err != nil {
			return err
		}
		_, got, err := conn.ReadAppend(ctx, p[:0])
		if err == nil && len(got) != n {
			err = io.ErrUnexpectedEOF
		}
		return err
	}, func() { conn.CloseNow() }}, nil
}

func (c *clients) transportOrNil() websocket.Transport {
	if c.transport == nil {
		return nil
	}
	return c.transport
}

// bare opens a stream without WebSocket frames. Its messages are as long as a
// server's frame with n bytes of payload.
func (c *clients) bare(n int) (*echoer, error) {
	n += ws.HeaderSize(ws.Header{Length: int64(n)})
	open := c.bareStream
	if c.transport == nil {
		open = c.bareConn
	}
	stream, in, err := open(fmt.Sprintf("/bare?n=%d", n))
	if err != nil {
		return nil, err
	}
	p := make([]byte, n)
	return &echoer{func() error {
		if _, err := stream.Write(p); err != nil {
			return err
		}
		_, err := io.ReadFull(in, p)
		return err
	}, func() { stream.Close() }}, nil
}

func (c *clients) bareStream(path string) (io.WriteCloser, io.Reader, error) {
	r, err := http.NewRequest(http.MethodConnect, "https://"+c.s.addr+path, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header[":protocol"] = []string{"bare"}
	s, resp, err := c.transport.Connect(r)
	if err == nil && s == nil {
		resp.Body.Close()
		err = errors.New(resp.Status)
	}
	return s, s, err
}

func (c *clients) bareConn(path string) (io.WriteCloser, io.Reader, error) {
	conn, err := tls.Dial("tcp", c.s.addr, c.config)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: bare\r\n\r\n", path)
	in := bufio.NewReaderSize(conn, 32<<10)
	resp, err := http.ReadResponse(in, nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(resp.Status)
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, in, nil
}
