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

// tunnel passes the bytes of frames between two streams that speak the same
// compression. It looks at the headers of frames, and at nothing else.
type tunnel struct {
	h           *Handler
	front, back side
	closing     atomic.Bool // a close frame has passed or was sent, in one direction at least
	idle        *time.Timer
	ending      sync.Once
}

// side is one of the two streams.
type side struct {
	stream io.ReadWriteCloser
	client bool // the bridge is the client of this side

	mu      sync.Mutex // held for each write
	within  bool       // a frame to this side is cut in the middle for now
	stopped bool       // a close frame of ours was written: nothing follows it
}

// tunnel passes frames between front and the backend until both directions have ended. It
// reports whether a close frame has come before that.
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

// active notes that something has passed.
func (t *tunnel) active() {
	if t.idle != nil {
		t.idle.Reset(t.h.idleTimeout())
	}
}

// finish has both streams end soon. It is called once a direction has ended.
func (t *tunnel) finish() {
	t.ending.Do(func() { time.AfterFunc(cmp.Or(t.h.CloseTimeout, defaultCloseTimeout), t.abort) })
}

// abort ends both streams, and with them reads and writes that are under way.
func (t *tunnel) abort() {
	t.front.stream.Close()
	t.back.stream.Close()
}

// end has the bridge close both sides with these codes.
func (t *tunnel) end(front, back ws.StatusCode, reason string) {
	t.finish() // first, since a write to a side may be stuck
	t.closing.Store(true)
	t.front.close(front, reason)
	t.back.close(back, reason)
}

// close sends a close frame of the bridge's own, where a frame may begin.
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

// told reports whether the bridge has sent a close frame of its own to s.
func (s *side) told() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// write passes p on; within says that it ends in the middle of a frame.
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

// direction passes what one side sends to the other.
type direction struct {
	t        *tunnel
	from, to *side
	frames   frames
}

// The sizes of the buffer of a direction: it has the small one while it waits, and the
// large one while much passes.
const (
	smallBuffer = 2 << 10
	largeBuffer = 32 << 10
)

func (d *direction) run() {
	defer d.t.finish()
	buffer := bufpool.Get(smallBuffer)
	defer func() { buffer.Free() }()
	held := 0 // bytes at the start of the buffer: a header that is not whole
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

// pass passes on what of p may be, and moves the rest, a part of a header, to its start.
// It returns the size of that, or a negative number if the direction has ended.
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
		return -1 // the closing handshake with the bridge itself is over
	}
	return copy(p, p[n:])
}

// fail closes both sides because of a fault of what has arrived.
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

// ended passes the end of one direction on: after a close frame as such, and otherwise
// as the loss that it is.
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
	left   int64 // payload of the frame under way that is still to come
	size   int64 // of the message so far
	limit  int64
	closed bool // a close frame has begun
}

var errTooBig = errors.New("message too big")

// walk returns how many bytes of p may be passed on: all but a part of a header at the
// end, or what comes before a fault.
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

// begin takes the header of a frame.
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
