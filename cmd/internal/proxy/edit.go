package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/wskit/wskit/cmd/internal/trace"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
)

// maxHeld is how many bytes of a frame are buffered to match it with the rules.
const maxHeld = 1 << 20

// editor forwards the frames of one direction and applies the rules.
type editor struct {
	ctx   context.Context
	rules []*rule
	count []int64        // number of matching frames for each rule
	note  func(*rule)    // reports that a rule was applied
	wrap  func(net.Conn) // registers a connection to be closed
	out   net.Conn

	buf     []byte // bytes that are not forwarded yet
	scratch []byte // an unmasked payload
	raw     bool   // the bytes are not frames: they are forwarded unchanged

	left    int64 // bytes still to come of a frame that was matched
	dropped bool  // that frame is not forwarded
	rate    int64 // its rate in bytes per second, 0 for no limit
}

// newEditor returns the editor for the frames of this side, or nil if no rule
// applies to it.
func newEditor(ctx context.Context, from trace.Sender, rules []*rule, out net.Conn, note func(*rule), wrap func(net.Conn)) *editor {
	e := &editor{ctx: ctx, out: out, note: note, wrap: wrap}
	for _, r := range rules {
		for _, sender := range r.senders {
			if sender == from {
				e.rules = append(e.rules, r)
			}
		}
	}
	if len(e.rules) == 0 {
		return nil
	}
	e.count = make([]int64, len(e.rules))
	for _, r := range e.rules {
		if r.kind == kindStream {
			e.breakAt(r)
			note(r)
		}
	}
	return e
}

// breakAt makes the connection break after n more bytes.
func (e *editor) breakAt(r *rule) {
	kind := wstest.FaultCut
	if r.action == "stall" {
		kind = wstest.FaultBlock
	}
	e.out = wstest.InjectFault(e.out, wstest.Fault{Kind: kind, Write: true, At: r.n})
	e.wrap(e.out)
}

// Write forwards p, or buffers a part of it until the frame is complete. It
// does not modify p.
func (e *editor) Write(p []byte) (int, error) {
	e.buf = append(e.buf, p...)
	rest := e.buf
	for len(rest) > 0 {
		n, err := e.step(rest)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		rest = rest[n:]
	}
	if len(rest) == 0 && cap(e.buf) > maxHeld/8 {
		e.buf, e.scratch = nil, nil
		return len(p), nil
	}
	e.buf = e.buf[:copy(e.buf, rest)]
	return len(p), nil
}

// flush forwards the buffered part of a frame that the end of the stream has
// cut.
func (e *editor) flush() error {
	e.dropped = e.dropped && e.left > 0
	err := e.emit(e.buf)
	e.buf = nil
	return err
}

// step forwards bytes at the start of p and returns how many. It returns 0 if
// more of the frame is needed.
func (e *editor) step(p []byte) (int, error) {
	if e.left > 0 || e.raw {
		n := len(p)
		if !e.raw {
			n = int(min(e.left, int64(n)))
			e.left -= int64(n)
		}
		return n, e.emit(p[:n])
	}
	h, head, err := ws.ParseHeader(p)
	if errors.Is(err, ws.ErrHeaderLengthNotMinimal) {
		h, head, err = ws.ParseHeaderNonMinimal(p)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return 0, nil
	case err != nil:
		e.raw, e.dropped, e.rate = true, false, 0
		return len(p), e.emit(p)
	}
	missing := h.Length - int64(len(p)-head)
	if missing > 0 && len(p) < maxHeld {
		return 0, nil
	}
	f := p
	if missing <= 0 {
		f = p[:int64(head)+h.Length]
	}
	e.left = max(missing, 0)
	return len(f), e.edit(h, head, f)
}

// edit applies the rules to a frame, or to the start of a long one, and
// forwards it.
func (e *editor) edit(h ws.Header, head int, f []byte) error {
	payload := e.unmasked(h, f[head:])
	e.dropped, e.rate = false, 0
	copies := 1
	var delay time.Duration
	for i, r := range e.rules {
		if !r.matches(h, payload) || !e.due(i) {
			continue
		}
		switch r.action {
		case "delay":
			delay += r.delay
		case "drop":
			e.dropped = true
		case "corrupt":
			if r.n >= int64(len(payload)) {
				continue
			}
			f[int64(head)+r.n] ^= 0xff
		case "duplicate":
			if e.left > 0 {
				continue
			}
			copies++
		case "throttle":
			e.rate = r.n
		case "cut", "stall":
			e.breakAt(r)
		}
		e.note(r)
	}
	if err := e.pause(delay); err != nil {
		return err
	}
	for range copies {
		if err := e.emit(f); err != nil {
			return err
		}
	}
	return nil
}

// unmasked returns an unmasked payload.
func (e *editor) unmasked(h ws.Header, p []byte) []byte {
	if !h.Masked {
		return p
	}
	e.scratch = append(e.scratch[:0], p...)
	ws.Cipher(e.scratch, h.Mask, 0)
	return e.scratch
}

// due counts a frame that rule i matches, and reports whether the rule applies
// to it.
func (e *editor) due(i int) bool {
	e.count[i]++
	r, n := e.rules[i], e.count[i]
	return (r.only == 0 || r.only == n) && (r.each == 0 || n%r.each == 0)
}

// emit forwards p at the rate of the frame.
func (e *editor) emit(p []byte) error {
	if e.dropped {
		return nil
	}
	if e.rate == 0 {
		_, err := e.out.Write(p)
		return err
	}
	const pieces = 20 // per second
	for len(p) > 0 {
		n := min(int64(len(p)), max(e.rate/pieces, 1))
		if _, err := e.out.Write(p[:n]); err != nil {
			return err
		}
		if err := e.pause(time.Duration(n) * time.Second / time.Duration(e.rate)); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// pause waits for d, unless the connection ends.
func (e *editor) pause(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-e.ctx.Done():
		return e.ctx.Err()
	}
}

// String returns the rule for the log.
func (r *rule) String() string { return fmt.Sprintf("rule %q", r.text) }
