// Package h2peer is an HTTP/2 client for tests that works on frames. It sends
// any frames, valid or not, and shows received ones.
package h2peer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Client is one connection. All methods are safe for concurrent use.
type Client struct {
	conn net.Conn

	writing sync.Mutex // guards the writing half of fr, block and fields
	fr      *http2.Framer
	block   bytes.Buffer
	fields  *hpack.Encoder
	next    uint32

	mu       sync.Mutex
	changed  *sync.Cond
	settings map[http2.SettingID]uint32 // of the server; nil before
	window   int64                      // of the connection, for sending
	initial  int64                      // of a new stream
	streams  map[uint32]*Stream
	goAway   *http2.GoAwayFrame
	err      error
}

// Stream is one request and its response.
type Stream struct {
	ID uint32
	c  *Client

	// Guarded by c.mu.
	header map[string]string // of the response; nil before
	in     []byte
	window int64
	held   bool
	err    error // for reads; io.EOF after END_STREAM
	gone   error // for writes
}

// Open starts a connection with these client settings.
func Open(conn net.Conn, settings ...http2.Setting) (*Client, error) {
	c := &Client{conn: conn, fr: http2.NewFramer(conn, conn), next: 1, window: 65535, initial: 65535, streams: make(map[uint32]*Stream)}
	c.changed = sync.NewCond(&c.mu)
	c.fields = hpack.NewEncoder(&c.block)
	c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.writing.Lock() // receive must not answer the server's SETTINGS before the preface
	defer c.writing.Unlock()
	go c.receive()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return nil, err
	}
	return c, c.fr.WriteSettings(settings...)
}

// Send calls f to write frames.
func (c *Client) Send(f func(fr *http2.Framer) error) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return f(c.fr)
}

// Close closes the connection without GOAWAY.
func (c *Client) Close() error { return c.conn.Close() }

// wait waits until done returns true or the connection has ended. c.mu is held.
func (c *Client) wait(done func() bool) error {
	for !done() {
		if c.err != nil {
			return c.err
		}
		c.changed.Wait()
	}
	return nil
}

// Setting waits for the server's settings and returns one of them.
func (c *Client) Setting(id http2.SettingID) (v uint32, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wait(func() bool { return c.settings != nil })
	v, ok = c.settings[id]
	return v, ok
}

// GoAway waits for GOAWAY and returns its code, or an earlier error.
func (c *Client) GoAway() (code http2.ErrCode, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.wait(func() bool { return c.goAway != nil }); err != nil {
		return 0, err
	}
	return c.goAway.ErrCode, nil
}

// Connect opens a WebSocket with an extended CONNECT to path and additional
// fields.
func (c *Client) Connect(path string, fields ...[2]string) (*Stream, error) {
	return c.Request(false, append([][2]string{
		{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", path},
		{":authority", "server.example"}, {"sec-websocket-version", "13"},
	}, fields...)...)
}

// Request sends the fields of a request, and END_STREAM if end is set.
func (c *Client) Request(end bool, fields ...[2]string) (*Stream, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.block.Reset()
	for _, f := range fields {
		c.fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	s := &Stream{ID: c.next, c: c}
	c.next += 2
	c.mu.Lock()
	s.window = c.initial
	c.streams[s.ID] = s
	c.mu.Unlock()
	return s, c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: s.ID, BlockFragment: c.block.Bytes(), EndStream: end, EndHeaders: true})
}

// Answer waits for the response and returns its fields, or an error if the
// stream was reset.
func (s *Stream) Answer() (map[string]string, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	err := s.c.wait(func() bool { return s.header != nil || s.err != nil })
	if s.header != nil {
		return s.header, nil
	}
	return nil, errors.Join(err, s.err)
}

// Hold stops returning read bytes to the window of the stream.
func (s *Stream) Hold() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.held = true
}

// Read reads from the body of the response.
func (s *Stream) Read(p []byte) (int, error) {
	c := s.c
	c.mu.Lock()
	err := c.wait(func() bool { return len(s.in) > 0 || s.err != nil })
	n := copy(p, s.in)
	s.in = s.in[n:]
	if n == 0 && err == nil {
		err = s.err
	}
	give := n > 0 && !s.held && s.err == nil
	c.mu.Unlock()
	if n > 0 {
		if give {
			c.Send(func(fr *http2.Framer) error { return fr.WriteWindowUpdate(s.ID, uint32(n)) })
		}
		return n, nil
	}
	return 0, err
}

// Write writes p in DATA frames, within the windows.
func (s *Stream) Write(p []byte) (n int, err error) {
	c := s.c
	for n < len(p) && err == nil {
		var part []byte
		c.mu.Lock()
		err = c.wait(func() bool { return s.gone != nil || min(s.window, c.window) > 0 })
		if err == nil {
			err = s.gone
		}
		if err == nil {
			part = p[n:][:min(int64(len(p)-n), s.window, c.window, 16<<10)]
			s.window -= int64(len(part))
			c.window -= int64(len(part))
		}
		c.mu.Unlock()
		if err == nil {
			err = c.Send(func(fr *http2.Framer) error { return fr.WriteData(s.ID, false, part) })
			n += len(part)
		}
	}
	return n, err
}

// CloseWrite sends END_STREAM.
func (s *Stream) CloseWrite() error {
	return s.c.Send(func(fr *http2.Framer) error { return fr.WriteData(s.ID, true, nil) })
}

// Reset sends RST_STREAM.
func (s *Stream) Reset(code http2.ErrCode) error {
	s.c.mu.Lock()
	s.end(net.ErrClosed)
	s.c.changed.Broadcast()
	s.c.mu.Unlock()
	return s.c.Send(func(fr *http2.Framer) error { return fr.WriteRSTStream(s.ID, code) })
}

// Close resets the stream unless it has ended.
func (s *Stream) Close() error { return s.Reset(http2.ErrCodeCancel) }

// End discards data until the end of the response. It returns nil for
// END_STREAM, or an error if the stream was reset.
func (s *Stream) End() error {
	_, err := io.Copy(io.Discard, s)
	return err
}

func (c *Client) receive() {
	for {
		f, err := c.fr.ReadFrame()
		if err != nil {
			c.mu.Lock()
			c.err = err
			for _, s := range c.streams {
				s.end(err)
			}
			c.changed.Broadcast()
			c.mu.Unlock()
			return
		}
		c.take(f)
	}
}

// take handles one frame.
func (c *Client) take(f http2.Frame) {
	answer := func(*http2.Framer) error { return nil }
	c.mu.Lock()
	s := c.streams[f.Header().StreamID]
	if s == nil && f.Header().StreamID != 0 {
		c.mu.Unlock()
		return
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			c.takeSettings(f)
			answer = func(fr *http2.Framer) error { return fr.WriteSettingsAck() }
		}
	case *http2.PingFrame:
		if data := f.Data; !f.IsAck() {
			answer = func(fr *http2.Framer) error { return fr.WritePing(true, data) }
		}
	case *http2.GoAwayFrame:
		c.goAway = &http2.GoAwayFrame{ErrCode: f.ErrCode, LastStreamID: f.LastStreamID}
	case *http2.WindowUpdateFrame:
		if s != nil {
			s.window += int64(f.Increment)
		} else {
			c.window += int64(f.Increment)
		}
	case *http2.MetaHeadersFrame:
		s.header = make(map[string]string)
		for _, field := range f.Fields {
			s.header[field.Name] += field.Value
		}
		s.ended(f.StreamEnded())
	case *http2.DataFrame:
		s.in = append(s.in, f.Data()...)
		s.ended(f.StreamEnded())
		if n := f.Length; n > 0 {
			answer = func(fr *http2.Framer) error { return fr.WriteWindowUpdate(0, n) }
		}
	case *http2.RSTStreamFrame:
		s.end(http2.StreamError{StreamID: s.ID, Code: f.ErrCode})
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	c.Send(answer)
}

func (c *Client) takeSettings(f *http2.SettingsFrame) {
	if c.settings == nil {
		c.settings = make(map[http2.SettingID]uint32)
	}
	f.ForeachSetting(func(set http2.Setting) error {
		c.settings[set.ID] = set.Val
		if set.ID == http2.SettingInitialWindowSize {
			for _, s := range c.streams {
				s.window += int64(set.Val) - c.initial
			}
			c.initial = int64(set.Val)
		}
		return nil
	})
}

// end ends both directions.
func (s *Stream) end(err error) {
	if s.err == nil {
		s.err = err
	}
	if s.gone == nil {
		s.gone = err
	}
}

func (s *Stream) ended(end bool) {
	if end && s.err == nil {
		s.err = io.EOF
	}
}

// Open200 is Connect, and requires a response of status 200.
func (c *Client) Open200(path string, fields ...[2]string) (*Stream, map[string]string, error) {
	s, err := c.Connect(path, fields...)
	if err != nil {
		return nil, nil, err
	}
	answer, err := s.Answer()
	if err == nil && answer[":status"] != "200" {
		err = fmt.Errorf("status %s: %s", answer[":status"], s.body())
	}
	return s, answer, err
}

// body returns the rest of the response.
func (s *Stream) body() []byte {
	p, _ := io.ReadAll(s)
	return p
}
