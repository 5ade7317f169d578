package wsbridge

import (
	"cmp"
	"errors"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// tunnel forwards frames between two streams with the same compression. It
// parses only the headers of frames.
type tunnel struct {
	h           *Handler
	front, back side
	closing     atomic.Bool // a close frame was forwarded or sent, in at least one direction
	idle        *time.Timer
	ending      sync.Once
}

// side is one of the two streams.
type side struct {
	stream io.ReadWriteCloser
	client bool // the bridge is the client of this side

	mu      sync.Mutex // held for each write
	within  bool       // a frame to this side is partly written
	stopped bool       // our close frame was written: nothing follows it
}

// tunnel forwards frames between front and the backend until both directions
// have ended. It reports whether there was a close frame.
func (b *bridge) tunnel(front io.ReadWriteCloser, _ ws.Handshake) (clean bool) {
	t := &tunnel{h: b.h, front: side{stream: front}, back: side{stream: b.back, client: true}}
	var extended ws.State
	if len(b.agreed.Extensions) > 0 {
		extended = ws.StateRSV1 // RFC 7692, section 6
	}
	if d := b.h.idleTimeout(); d > 0 {
		t.idle = time.AfterFunc(d, func() { t.end(ws.StatusGoingAway, ws.StatusGoingAway, "idle") })
		defer t.idle.Stop()
	}
	b.h.open.begin(b, func() { t.end(ws.StatusGoingAway, ws.StatusGoingAway, "shutdown") }, t.abort)
	up := &direction{t: t, from: &t.front, to: &t.back, frames: frames{state: ws.StateServerSide | extended, limit: b.h.readLimit()}}
	down := &direction{t: t, from: &t.back, to: &t.front, frames: frames{state: ws.StateClientSide | extended, limit: b.h.readLimit()}}
	var both sync.WaitGroup
	both.Go(up.run)
	both.Go(down.run)
	both.Wait()
	t.abort()
	return t.closing.Load()
}

func (h *Handler) readLimit() int64 {
	if h.ReadLimit < 0 {
		return math.MaxInt64
	}
	return cmp.Or(h.ReadLimit, defaultReadLimit)
}

func (h *Handler) idleTimeout() time.Duration { return cmp.Or(h.IdleTimeout, defaultIdleTimeout) }

// active records traffic.
func (t *tunnel) active() {
	if t.idle != nil {
		t.idle.Reset(t.h.idleTimeout())
	}
}

// finish makes both streams end within CloseTimeout. It is called after a
// direction has ended.
func (t *tunnel) finish() {
	t.ending.Do(func() { time.AfterFunc(cmp.Or(t.h.CloseTimeout, defaultCloseTimeout), t.abort) })
}

// abort ends both streams and their pending reads and writes.
func (t *tunnel) abort() {
	t.front.stream.Close()
	t.back.stream.Close()
}

// end closes both sides with these codes.
func (t *tunnel) end(front, back ws.StatusCode, reason string) {
	t.finish() // first, because a write to a side may block
	t.closing.Store(true)
	t.front.close(front, reason)
	t.back.close(back, reason)
}

// close sends a close frame of the bridge, if a frame can begin.
func (s *side) close(code ws.StatusCode, reason string) {
	f := ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason))
	if s.client {
		f = ws.MaskFrame(f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.stopped = true
	if !s.within {
		s.stream.Write(ws.AppendFrame(nil, f))
	}
}

// told reports whether the bridge itself has sent a close frame to s.
func (s *side) told() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// write writes p. within reports whether p ends inside a frame.
func (s *side) write(p []byte, within bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || len(p) == 0 {
		return nil
	}
	s.within = within
	_, err := s.stream.Write(p)
	return err
}

// direction forwards frames from one side to the other.
type direction struct {
	t        *tunnel
	from, to *side
	frames   frames
}

// Sizes of the buffer of a direction: small while idle, and large while there
// is much traffic.
const (
	smallBuffer = 2 << 10
	largeBuffer = 32 << 10
)

func (d *direction) run() {
	defer d.t.finish()
	buffer := bufpool.Get(smallBuffer)
	defer func() { buffer.Free() }()
	held := 0 // bytes at the start of the buffer: an incomplete header
	for {
		p := buffer.All()
		n, err := d.from.stream.Read(p[held:])
		n += held
		if held = d.pass(p[:n]); held < 0 {
			return
		}
		if err != nil {
			d.ended(err)
			return
		}
		switch {
		case n == len(p) && n < largeBuffer:
			buffer = resized(buffer, p[:held], largeBuffer)
		case n < smallBuffer/2 && len(p) > largeBuffer/2:
			buffer = resized(buffer, p[:held], smallBuffer)
		}
	}
}

func resized(b *bufpool.Buffer, held []byte, size int) *bufpool.Buffer {
	other := bufpool.Get(size)
	copy(other.All(), held)
	b.Free()
	return other
}

// pass forwards p up to an incomplete header at its end, which it moves to the
// start of p. It returns the size of that part, or a negative number if the
// direction has ended.
func (d *direction) pass(p []byte) (held int) {
	d.t.active()
	n, fault := d.frames.walk(p)
	if d.frames.closed {
		d.t.closing.Store(true)
	}
	if err := d.to.write(p[:n], d.frames.left > 0); err != nil {
		d.t.abort()
		return -1
	}
	if fault != nil {
		d.fail(fault)
		return -1
	}
	if d.frames.closed && d.frames.left == 0 && d.from.told() {
		return -1 // the closing handshake with the bridge is complete
	}
	return copy(p, p[n:])
}

// fail closes both sides because of a fault in the received frames.
func (d *direction) fail(fault error) {
	code, reason := ws.StatusMessageTooBig, fault.Error()
	if e, ok := errors.AsType[*ws.ProtocolError](fault); ok {
		code, reason = e.Code, e.Reason
	}
	if d.from.client {
		d.t.end(ws.StatusGoingAway, code, reason)
	} else {
		d.t.end(code, ws.StatusGoingAway, reason)
	}
}

// ended forwards the end of one direction. An end after a close frame is clean;
// any other end is a loss of the connection.
func (d *direction) ended(err error) {
	if err == io.EOF && d.t.closing.Load() {
		closeWrite(d.to.stream)
		return
	}
	d.t.abort()
}

// frames follows the frames of one direction.
type frames struct {
	state  ws.State
	left   int64 // remaining payload of the current frame
	size   int64 // of the message so far
	limit  int64
	closed bool // a close frame has begun
}

var errTooBig = errors.New("message too big")

// walk returns how many bytes of p can be forwarded: all except an incomplete
// header at the end, or the bytes before a fault.
func (f *frames) walk(p []byte) (n int, err error) {
	for {
		more := min(f.left, int64(len(p)-n))
		n += int(more)
		if f.left -= more; f.left > 0 {
			return n, nil
		}
		h, size, err := ws.ParseHeader(p[n:])
		if err == io.ErrUnexpectedEOF {
			return n, nil
		}
		if err == nil {
			err = f.begin(h)
		}
		if err != nil {
			return n, err
		}
		n += size
	}
}

// begin handles the header of a frame.
func (f *frames) begin(h ws.Header) error {
	if err := ws.CheckHeader(h, f.state); err != nil {
		return err
	}
	if !h.OpCode.IsControl() && h.Length > f.limit-f.size {
		return errTooBig
	}
	f.left = h.Length
	if h.OpCode.IsControl() {
		f.closed = f.closed || h.OpCode == ws.OpClose
		return nil
	}
	f.size += h.Length
	f.state = f.state.Set(ws.StateFragmented)
	if h.Fin {
		f.size, f.state = 0, f.state.Clear(ws.StateFragmented)
	}
	return nil
}
