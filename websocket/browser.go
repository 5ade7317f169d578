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

// browserObject is the WebSocket object of a browser. No method waits for anything.
type browserObject interface {
	send(op ws.OpCode, p []byte) error       // does not retain p
	close(code ws.StatusCode, reason string) // StatusNoStatusRcvd for none
	buffered() int                           // bytes sent that are not yet with the network
	protocol() string                        // the subprotocol, once it is open
	release()                                // ends the events; may be called again
}

// browserSocket is the transport of a connection in a browser, whose WebSocket object
// speaks the protocol by itself and shows no bytes. It plays the peer: the events of the
// object become the frames of a server, to be read, and the frames that are written
// become calls of the object.
type browserSocket struct {
	object   browserObject
	outcome  chan error      // of the handshake, of capacity 1
	protocol wsutil.Protocol // of the server that it plays; belongs to who writes

	mu         sync.Mutex
	changed    sync.Cond // what follows
	frames     [][]byte  // to be read: headers and payloads
	held       int       // what frames hold, in bytes
	heldMost   int       // up to which another message may join them; negative for any
	ended      bool      // the object is closed
	fault      error     // why it was closed, if that was not the peer's doing
	closed     bool      // Close was called
	readUntil  time.Time
	writeUntil time.Time
}

// The browser takes whatever it is given to send: writes wait while it holds more than
// bufferedMost bytes, and look again and again, as no event tells.
const (
	bufferedMost = 1 << 20
	bufferedLook = 5 * time.Millisecond
)

// DefaultBrowserQueue is what a 0 in [DialOptions].BrowserQueue stands for.
const DefaultBrowserQueue = 16 << 20

// frameOverhead is what a slice of frames costs beside its bytes.
const frameOverhead = 48

var errBrowserQueue = errors.New("messages arrived faster than they were read, and DialOptions.BrowserQueue is full")

var errBrowserGone = &chainError{"the browser has closed the connection", []error{net.ErrClosed, io.ErrClosedPipe}}

var errBrowserRefused = errors.New("the browser could not open the connection; it does not tell programs why")

// newBrowserSocket returns a socket whose queue is bounded to so many bytes, where 0 stands
// for the default and a negative number for no bound.
func newBrowserSocket(queue int) *browserSocket {
	s := &browserSocket{outcome: make(chan error, 1), heldMost: cmp.Or(queue, DefaultBrowserQueue)}
	s.changed.L = &s.mu
	s.protocol.Reset(&wsutil.Config{State: ws.StateServerSide, MaxMessage: -1, MaxFragments: -1})
	return s
}

// opened is the event that the connection is open.
func (s *browserSocket) opened() { s.outcome <- nil }

// received is the event of a message. It keeps p. Nothing holds a browser's peer back: where
// too much waits to be read, the connection ends.
func (s *browserSocket) received(op ws.OpCode, p []byte) {
	s.mu.Lock()
	full := s.heldMost >= 0 && s.held > s.heldMost && !s.closed && !s.ended
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

// end is the event that the object is closed: clean says that both close frames are there.
func (s *browserSocket) end(clean bool, code ws.StatusCode, reason string) {
	select {
	case s.outcome <- errBrowserRefused:
	default: // it was open
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if clean {
		s.enqueue(ws.OpClose, ws.AppendCloseBody(nil, code, reason))
	}
	s.ended = true
	s.changed.Broadcast()
}

// enqueue has a frame read. mu is held.
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

// Read reads what the events have brought.
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

// dequeue moves as much to p as there is, or has room. mu is held.
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

// Write does what the frames in p ask for. It takes all of p, or nothing if it has to wait in
// vain, and modifies p in place: the connection masks into memory of its own.
func (s *browserSocket) Write(p []byte) (int, error) {
	if err := s.awaitRoom(); err != nil {
		return 0, err
	}
	for rest := p; len(rest) > 0; {
		ev, n, err := s.protocol.NextMessage(rest)
		switch {
		case err == io.ErrUnexpectedEOF:
			return len(p), nil
		case err != nil: // text that is not UTF-8
			s.object.close(browserCode(wsutil.CloseCode(err)), "")
			return 0, fmt.Errorf("the browser cannot send that: %v", err)
		}
		if err := s.perform(ev); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(p), nil
}

// awaitRoom waits until the browser may be given more.
func (s *browserSocket) awaitRoom() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return net.ErrClosed
		case late(s.writeUntil):
			return os.ErrDeadlineExceeded
		case s.ended || s.object.buffered() <= bufferedMost:
			return nil
		}
		time.AfterFunc(bufferedLook, s.changed.Broadcast)
		s.changed.Wait()
	}
}

// perform does what a message or a control frame asks for. Pings and pongs are the
// browser's own matter.
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

// browserCode returns the code to close with instead of code: a browser sends 1000 and 3000
// to 4999 for programs, and refuses the others. They are moved to 4001 to 4014.
func browserCode(code ws.StatusCode) ws.StatusCode {
	switch {
	case code == ws.StatusNormalClosure, code == ws.StatusNoStatusRcvd, !code.IsProtocolSpec():
		return code
	}
	return code + 3000
}

// Close closes the object, which does that with a handshake if there was none. Nobody waits
// for it.
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

// late reports whether a deadline has passed. The zero value is none.
func late(until time.Time) bool { return !until.IsZero() && !time.Now().Before(until) }

// isBrowser reports whether the transport is a browser's, which sends no pings for programs.
func (t *transport) isBrowser() bool {
	_, ok := t.ReadWriteCloser.(*browserSocket)
	return ok
}
