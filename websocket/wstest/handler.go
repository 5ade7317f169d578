package wstest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wskit/wskit/internal/httpstream"
)

// handlerConn is the connection of a case over a stream that a client under
// test has opened. The suite reads an HTTP/1.1 request before the data of the
// stream, and its HTTP/1.1 response becomes the response to the extended
// CONNECT.
type handlerConn struct {
	*httpstream.Stream
	w       http.ResponseWriter
	request bytes.Reader // unread part
	head    []byte       // of the response, as far as it is written
	opened  bool         // the response accepted the request
}

// newHandlerConn returns the stream of a request. It ends when its handler
// returns.
func newHandlerConn(w http.ResponseWriter, r *http.Request) (*handlerConn, error) {
	c := &handlerConn{Stream: httpstream.New(w, r), w: w}
	if err := c.OnRequest(func(*http.Request) error { return nil })(r); err != nil {
		return nil, err
	}
	c.request.Reset(requestOf(r))
	c.Open()
	return c, nil
}

// requestOf returns an extended CONNECT as an equivalent upgrade request.
func requestOf(r *http.Request) []byte {
	header := r.Header.Clone()
	delete(header, ":protocol")
	header.Set("Upgrade", "websocket")
	header.Set("Connection", "Upgrade")
	header.Set("Sec-WebSocket-Key", newKey())
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", r.URL.RequestURI(), r.Host)
	header.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}

func (c *handlerConn) Read(p []byte) (int, error) {
	if c.request.Len() > 0 {
		return c.request.Read(p)
	}
	return c.Stream.Read(p)
}

func (c *handlerConn) Write(p []byte) (int, error) {
	if c.opened {
		return c.Stream.Write(p)
	}
	c.head = append(c.head, p...)
	for !c.opened {
		end := bytes.Index(c.head, []byte("\r\n\r\n"))
		if end < 0 {
			return len(p), nil
		}
		if err := c.answer(c.head[:end+4]); err != nil {
			return 0, err
		}
		c.head = c.head[end+4:]
	}
	if len(c.head) > 0 {
		if _, err := c.Stream.Write(c.head); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// answer sends the head of a response. A refusal ends the stream.
func (c *handlerConn) answer(head []byte) error {
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	if err != nil {
		return err
	}
	h := c.w.Header()
	clear(h)
	for name, values := range resp.Header {
		h[name] = values
	}
	for _, name := range []string{"Upgrade", "Connection", "Sec-Websocket-Accept"} {
		delete(h, name) // RFC 8441, section 5
	}
	switch status := resp.StatusCode; {
	case status == http.StatusSwitchingProtocols:
		c.opened = true
		c.w.WriteHeader(http.StatusOK)
		_, err := c.Stream.Write(nil)
		return err
	case status < 200:
		c.w.WriteHeader(status)
		return nil
	default:
		c.w.WriteHeader(status)
		c.Close()
		return errors.New("the answer refuses")
	}
}

// Close ends both directions. END_STREAM or FIN follows when the handler
// returns.
func (c *handlerConn) Close() error {
	c.Finish(false)
	return nil
}

func (c *handlerConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
