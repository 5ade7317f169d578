package websocket

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// browserObject is the WebSocket object of a browser. Its methods do not block.
type browserObject interface {
	send(op ws.OpCode, p []byte) error       // does not retain p
	close(code ws.StatusCode, reason string) // StatusNoStatusRcvd for no code
	buffered() int                           // bytes that the browser has not sent yet
	protocol() string                        // the subprotocol, once it is open
	release()                                // stops the events; may be called again
}

// browserSocket is the transport of a connection in a browser. The WebSocket
// object of the browser implements the protocol and does not expose bytes.
// browserSocket therefore acts as the peer: it encodes the events of the object
// as frames of a server, and turns the frames that are written into calls of
// the object.
type browserSocket struct {
	object   browserObject
	outcome  chan error      // of the handshake, of capacity 1
	protocol wsutil.Protocol // of the simulated server; owned by the writer

	mu         sync.Mutex
	changed    sync.Cond // for changes of the fields below
	frames     [][]byte  // headers and payloads to be read
	held       int       // size of frames in bytes
	maxHeld    int       // limit of held for another message; negative for none
	ended      bool      // the object is closed
	fault      error     // why it was closed, if not by the peer
	closed     bool      // Close was called
	readUntil  time.Time
	writeUntil time.Time
}

// A browser accepts any amount of data to send. Writes therefore wait while it
// holds more than maxBuffered bytes. They poll, because the browser reports no
// event when it has sent data.
const (
	maxBuffered  = 1 << 20
	bufferedLook = 5 * time.Millisecond
)

// DefaultBrowserQueue is the default of BrowserQueue of [DialOptions] in bytes.
const DefaultBrowserQueue = 16 << 20

// frameOverhead is the memory for a slice in frames in addition to its bytes.
const frameOverhead = 48

var errBrowserQueue = errors.New("DialOptions.BrowserQueue is full: messages arrive faster than they are read")

var errBrowserGone = &chainError{"the browser has closed the connection", []error{net.ErrClosed, io.ErrClosedPipe}}

var errBrowserRefused = errors.New("the browser could not open the connection (browsers do not report the reason)")

// newBrowserSocket returns a socket with a queue of this size in bytes. 0 means
// the default, and a negative value means no limit.
func newBrowserSocket(queue int) *browserSocket {
	s := &browserSocket{outcome: make(chan error, 1), maxHeld: cmp.Or(queue, DefaultBrowserQueue)}
	s.changed.L = &s.mu
	s.protocol.Reset(&wsutil.Config{State: ws.StateServerSide, MaxMessage: -1, MaxFragments: -1})
	return s
}

// opened handles the event that the connection is open.
func (s *browserSocket) opened() { s.outcome <- nil }

// received handles the event of a message. It retains p. A browser cannot slow
// down its peer, so the connection ends if the queue is full.
func (s *browserSocket) received(op ws.OpCode, p []byte) {
	s.mu.Lock()
	full := s.maxHeld >= 0 && s.held > s.maxHeld && !s.closed && !s.ended
	if full {
		s.ended, s.fault = true, errBrowserQueue
		s.changed.Broadcast()
	} else {
		s.enqueue(op, p)
	}
	s.mu.Unlock()
	if full {
		s.object.close(browserCode(ws.StatusPolicyViolation), "messages are not read")
	}
}

// end handles the event that the object is closed. clean reports whether both
// close frames were exchanged.
func (s *browserSocket) end(clean bool, code ws.StatusCode, reason string) {
	select {
	case s.outcome <- errBrowserRefused:
	default: // the connection was open
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if clean {
		s.enqueue(ws.OpClose, ws.AppendCloseBody(nil, code, reason))
	}
	s.ended = true
	s.changed.Broadcast()
}

// enqueue queues a frame to be read. mu is held.
func (s *browserSocket) enqueue(op ws.OpCode, p []byte) {
	if s.closed || s.ended {
		return
	}
	s.hold(ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: op, Length: int64(len(p))}))
	if len(p) > 0 {
		s.hold(p)
	}
	s.changed.Broadcast()
}

func (s *browserSocket) hold(p []byte) {
	s.frames = append(s.frames, p)
	s.held += len(p) + frameOverhead
}

// Read reads from the queued frames.
func (s *browserSocket) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, net.ErrClosed
		case late(s.readUntil):
			return 0, os.ErrDeadlineExceeded
		case len(s.frames) > 0:
			return s.dequeue(p), nil
		case s.fault != nil:
			return 0, s.fault
		case s.ended:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

// dequeue moves queued bytes to p. mu is held.
func (s *browserSocket) dequeue(p []byte) (n int) {
	for n < len(p) && len(s.frames) > 0 {
		moved := copy(p[n:], s.frames[0])
		n += moved
		s.held -= moved
		if s.frames[0] = s.frames[0][moved:]; len(s.frames[0]) == 0 {
			s.frames[0] = nil
			s.frames = s.frames[1:]
			s.held -= frameOverhead
		}
	}
	return n
}

// Write executes the frames in p. It consumes all of p, or nothing if its wait
// ends early. It modifies p in place: the connection masks in its own memory.
func (s *browserSocket) Write(p []byte) (int, error) {
	if err := s.awaitRoom(); err != nil {
		return 0, err
	}
	for rest := p; len(rest) > 0; {
		ev, n, err := s.protocol.NextMessage(rest)
		switch {
		case err == io.ErrUnexpectedEOF:
			return len(p), nil
		case err != nil: // text that is not valid UTF-8
			s.object.close(browserCode(wsutil.CloseCode(err)), "")
			return 0, fmt.Errorf("the browser cannot send the message: %v", err)
		}
		if err := s.perform(ev); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// awaitRoom waits until the browser can accept more data.
func (s *browserSocket) awaitRoom() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return net.ErrClosed
		case late(s.writeUntil):
			return os.ErrDeadlineExceeded
		case s.ended || s.object.buffered() <= maxBuffered:
			return nil
		}
		time.AfterFunc(bufferedLook, s.changed.Broadcast)
		s.changed.Wait()
	}
}

// perform executes a message or a control frame. It ignores pings and pongs,
// which the browser handles itself.
func (s *browserSocket) perform(ev wsutil.Event) error {
	switch {
	case ev.OpCode == ws.OpClose:
		code, reason, _ := ws.ParseCloseBody(ev.Payload)
		s.object.close(browserCode(code), reason)
	case ev.OpCode.IsControl():
	case s.isEnded():
		return errBrowserGone
	default:
		return s.object.send(ev.OpCode, ev.Payload)
	}
	return nil
}

func (s *browserSocket) isEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// browserCode returns the code to close with instead of code. A browser lets
// programs send only 1000 and 3000 to 4999. Other codes are moved to 4001 to
// 4014.
func browserCode(code ws.StatusCode) ws.StatusCode {
	switch {
	case code == ws.StatusNormalClosure, code == ws.StatusNoStatusRcvd, !code.IsProtocolSpec():
		return code
	}
	return code + 3000
}

// Close closes the object, which performs a closing handshake if there was
// none. It does not wait for that.
func (s *browserSocket) Close() error {
	s.mu.Lock()
	closed, ended := s.closed, s.ended
	s.closed, s.frames, s.held = true, nil, 0
	s.changed.Broadcast()
	s.mu.Unlock()
	if closed || s.object == nil {
		return nil
	}
	s.object.release()
	if !ended {
		s.object.close(ws.StatusNoStatusRcvd, "")
	}
	return nil
}

func (s *browserSocket) SetReadDeadline(t time.Time) error  { return s.setDeadline(&s.readUntil, t) }
func (s *browserSocket) SetWriteDeadline(t time.Time) error { return s.setDeadline(&s.writeUntil, t) }

func (s *browserSocket) setDeadline(until *time.Time, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	*until = t
	s.changed.Broadcast()
	if left := time.Until(t); left > 0 {
		time.AfterFunc(left, s.changed.Broadcast)
	}
	return nil
}

// late reports whether a deadline has passed. The zero value means no deadline.
func late(until time.Time) bool { return !until.IsZero() && !time.Now().Before(until) }

// isBrowser reports whether the transport is a browser's, which cannot send
// pings.
func (t *transport) isBrowser() bool {
	_, ok := t.ReadWriteCloser.(*browserSocket)
	return ok
}
