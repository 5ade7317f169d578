package wsh2

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/net/http2"

	"github.com/wskit/wskit/websocket"
)

// faultError is a violation of HTTP/2 by the server.
type faultError struct {
	code   http2.ErrCode
	reason string
}

func (e *faultError) Error() string {
	return fmt.Sprintf("the server has broken HTTP/2: %s (%v)", e.reason, e.code)
}

func fault(code http2.ErrCode, format string, args ...any) error {
	return &faultError{code, fmt.Sprintf(format, args...)}
}

var errNotExtended = fmt.Errorf("SETTINGS without ENABLE_CONNECT_PROTOCOL: %w", websocket.ErrNoExtendedConnect)

// read handles received frames until the connection ends.
func (c *conn) read() {
	defer c.t.running.Done()
	err := c.checkVersion()
	for err == nil {
		err = c.readFrame()
	}
	c.mu.Lock()
	c.fail(err)
	c.mu.Unlock()
}

// checkVersion returns an error if the server answers in HTTP/1.
func (c *conn) checkVersion() error {
	if start, err := c.input.Peek(len("HTTP/")); err == nil && string(start) == "HTTP/" {
		return fmt.Errorf("the server answers in HTTP/1: %w", websocket.ErrNoExtendedConnect)
	}
	return nil
}

// readFrame reads and handles one frame. An error ends the connection.
func (c *conn) readFrame() error {
	f, err := c.reader.ReadFrame()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard, c.pinged = true, false
	before := c.out.Len()
	if e, ok := errors.AsType[http2.StreamError](err); ok {
		err = c.streamFault(e)
	} else if err == nil {
		err = c.handle(f)
	}
	if c.answers += c.out.Len() - before; err == nil && c.answers > maxAnswers {
		err = fault(http2.ErrCodeEnhanceYourCalm, "it requests answers and does not read them")
	}
	c.pump()
	return c.readError(err)
}

// readError returns the error for a failed read.
func (c *conn) readError(err error) error {
	code, broken := errors.AsType[http2.ConnectionError](err)
	switch {
	case err == nil:
		return nil
	case broken && c.reader.ErrorDetail() != nil:
		return fault(http2.ErrCode(code), "%v", c.reader.ErrorDetail())
	case broken:
		return fault(http2.ErrCode(code), "malformed frame")
	case errors.Is(err, http2.ErrFrameTooLarge):
		return fault(http2.ErrCodeFrameSize, "frame of more than %d bytes", largestFrame)
	case err == io.EOF:
		return fmt.Errorf("the server has closed the connection: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// handle handles a frame.
func (c *conn) handle(f http2.Frame) error {
	if settings, ok := f.(*http2.SettingsFrame); !c.settled && (!ok || settings.IsAck()) {
		return fault(http2.ErrCodeProtocol, "the first frame is %v, want SETTINGS", f.Header().Type)
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		return c.handleSettings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			c.writer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		c.handleGoAway(f)
	case *http2.WindowUpdateFrame:
		return c.handleWindow(f)
	case *http2.DataFrame:
		return c.handleData(f)
	case *http2.MetaHeadersFrame:
		return c.handleHeaders(f)
	case *http2.RSTStreamFrame:
		return c.handleReset(f)
	case *http2.PushPromiseFrame:
		return fault(http2.ErrCodeProtocol, "PUSH_PROMISE is not allowed by our SETTINGS")
	}
	return nil // PRIORITY and unknown frames (RFC 9113, section 4.1)
}

func (c *conn) handleSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if err := f.ForeachSetting(c.set); err != nil {
		return err
	}
	c.writer.WriteSettingsAck()
	if !c.settled {
		c.settled = true
		close(c.ready)
	}
	c.pool.changed.tell()
	return nil
}

func (c *conn) set(s http2.Setting) error {
	if err := s.Valid(); err != nil {
		return fault(http2.ErrCode(err.(http2.ConnectionError)), "SETTINGS with %v", s)
	}
	switch s.ID {
	case http2.SettingEnableConnectProtocol:
		if c.extended && s.Val == 0 { // RFC 8441, section 3
			return fault(http2.ErrCodeProtocol, "ENABLE_CONNECT_PROTOCOL is 0 after 1")
		}
		c.extended = s.Val == 1
	case http2.SettingMaxConcurrentStreams:
		c.maxStreams = s.Val
	case http2.SettingMaxFrameSize:
		c.maxFrame = s.Val
	case http2.SettingMaxHeaderListSize:
		c.maxHeaderList = s.Val
	case http2.SettingHeaderTableSize:
		c.fields.SetMaxDynamicTableSize(min(s.Val, 4096))
	case http2.SettingInitialWindowSize:
		return c.setInitialWindow(int64(s.Val))
	}
	return nil
}

// setInitialWindow changes the windows of all streams (RFC 9113, section
// 6.9.2).
func (c *conn) setInitialWindow(n int64) error {
	more := n - c.initialWindow
	c.initialWindow = n
	for _, s := range c.streams {
		if s.sendWindow += more; s.sendWindow > maxWindow {
			return fault(http2.ErrCodeFlowControl, "INITIAL_WINDOW_SIZE makes the window of a stream overflow")
		}
		c.enqueue(s)
	}
	return nil
}

// handleGoAway ends the streams that the server will not process. Others
// continue (RFC 9113, section 6.8).
func (c *conn) handleGoAway(f *http2.GoAwayFrame) {
	err := fmt.Errorf("the server has sent GOAWAY (%v)", f.ErrCode)
	c.leaving = true
	for _, s := range c.requests {
		s.end(&unprocessedError{err})
	}
	c.requests = nil
	for id, s := range c.streams {
		if id > f.LastStreamID {
			s.end(&unprocessedError{err})
		}
	}
	c.rest()
	c.pool.changed.tell()
}

func (c *conn) handleWindow(f *http2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if c.sendWindow += int64(f.Increment); c.sendWindow > maxWindow {
			return fault(http2.ErrCodeFlowControl, "the window of the connection overflows")
		}
		return nil
	}
	s, err := c.streamOf(f)
	if s == nil {
		return err
	}
	if s.sendWindow += int64(f.Increment); s.sendWindow > maxWindow {
		s.reset(http2.ErrCodeFlowControl, fault(http2.ErrCodeFlowControl, "the window of a stream overflows"))
		return nil
	}
	c.enqueue(s)
	return nil
}

// streamOf returns the stream of a frame: nil without an error if it has ended.
func (c *conn) streamOf(f http2.Frame) (*stream, error) {
	id := f.Header().StreamID
	if s := c.streams[id]; s != nil {
		return s, nil
	}
	if id%2 == 0 || id >= c.nextID {
		return nil, fault(http2.ErrCodeProtocol, "%v for stream %d, which is not open", f.Header().Type, id)
	}
	return nil, nil
}

// handleData counts the whole frame, including its padding, in both windows
// (RFC 9113, section 6.9.1).
func (c *conn) handleData(f *http2.DataFrame) error {
	size := int(f.Length)
	if c.window -= size; c.window < 0 {
		return fault(http2.ErrCodeFlowControl, "data beyond the window of the connection")
	}
	if c.credit += size; c.credit >= c.t.connWindow()/4 {
		c.writer.WriteWindowUpdate(0, uint32(c.credit))
		c.window, c.credit = c.window+c.credit, 0
	}
	s, err := c.streamOf(f)
	if s == nil {
		return err
	}
	s.receive(f.Data(), size, f.StreamEnded())
	return nil
}

func (c *conn) handleReset(f *http2.RSTStreamFrame) error {
	s, err := c.streamOf(f)
	if s == nil {
		return err
	}
	err = resetError(f.ErrCode)
	if f.ErrCode == http2.ErrCodeRefusedStream && s.response == nil {
		err = &unprocessedError{err}
	}
	s.end(err)
	return nil
}

// resetError reports that the server has reset the stream.
type resetError http2.ErrCode

func (e resetError) Error() string {
	return fmt.Sprintf("the server has reset the stream (%v)", http2.ErrCode(e))
}

// streamFault resets a stream because of a violation of HTTP/2 that concerns
// only that stream.
func (c *conn) streamFault(e http2.StreamError) error {
	cause := e.Cause
	if cause == nil {
		cause = errors.New("malformed frame")
	}
	if s := c.streams[e.StreamID]; s != nil {
		s.reset(e.Code, fault(e.Code, "%v", cause))
	} else if e.StreamID%2 == 0 || e.StreamID >= c.nextID {
		return fault(e.Code, "%v for stream %d, which is not open", cause, e.StreamID)
	}
	return nil
}

// maxInterim is how many interim responses are skipped (RFC 9110, section
// 15.2).
const maxInterim = 7

// handleHeaders handles the head of a response, or trailers.
func (c *conn) handleHeaders(f *http2.MetaHeadersFrame) error {
	s, err := c.streamOf(f)
	if s == nil {
		return err
	}
	if err := s.receiveHead(f); err != nil {
		s.reset(http2.ErrCodeProtocol, err)
	}
	return nil
}

func (s *stream) receiveHead(f *http2.MetaHeadersFrame) error {
	switch {
	case s.response != nil && !f.StreamEnded():
		return fault(http2.ErrCodeProtocol, "second head of an answer")
	case s.response != nil:
		s.endRemote() // the content of trailers is ignored
		return nil
	case f.Truncated:
		return fmt.Errorf("response head exceeds %d bytes", s.c.t.headerBytes())
	}
	status, err := statusOf(f)
	switch {
	case err != nil:
		return err
	case status == http.StatusSwitchingProtocols: // RFC 9113, section 8.6
		return fault(http2.ErrCodeProtocol, "status 101")
	case status >= 200:
		s.response = newResponse(s.c, status, f)
		if f.StreamEnded() {
			s.endRemote()
		}
		s.readable.Broadcast()
		return nil
	case f.StreamEnded():
		return fault(http2.ErrCodeProtocol, "interim response ends the stream")
	case s.interim == maxInterim:
		return errors.New("too many interim responses")
	}
	s.interim++
	return nil
}
