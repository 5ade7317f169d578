package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// decoder finds the frames in the bytes of one direction, cut anywhere. It
// continues after an invalid frame, and stops if the bytes are not frames.
type decoder struct {
	from    direction
	show    int // maximum payload bytes to keep; -1: all
	unmask  bool
	inflate *wsflate.Receiver // nil: do not decompress
	rsv     ws.State          // the reserved bits that may be set
	emit    func(frame)

	offset int64
	head   []byte // the start of a header
	open   bool   // cur is incomplete
	cur    frame
	left   int64 // payload bytes still to come
	pos    int   // payload bytes so far, for the mask

	fragmented bool
	op         ws.OpCode // of the open message
	compressed bool
	text       wsutil.UTF8Reader
	badText    bool

	stopped bool
}

// feed decodes the next bytes, captured at the given time. It does not retain
// or modify p.
func (d *decoder) feed(at time.Time, p []byte) {
	for len(p) > 0 && !d.stopped {
		if !d.open {
			p = d.header(at, p)
			continue
		}
		n := int(min(int64(len(p)), d.left))
		d.payload(p[:n])
		p = p[n:]
	}
}

// end marks the end of the bytes.
func (d *decoder) end(at time.Time) {
	if d.stopped || !d.open && len(d.head) == 0 {
		return
	}
	f := frame{time: at, offset: d.offset - int64(len(d.head)), from: d.from, payload: d.head, lost: true}
	if d.open {
		f = d.cur
		f.cut = true
	}
	f.end = errCut
	d.stopped = true
	d.emit(f)
}

var errCut = errors.New("the capture ends inside this frame")

func (d *decoder) header(at time.Time, p []byte) (rest []byte) {
	had := len(d.head)
	d.head = append(d.head, p[:min(len(p), ws.MaxHeaderSize-had)]...)
	h, n, err := ws.ParseHeader(d.head)
	nonMinimal := errors.Is(err, ws.ErrHeaderLengthNotMinimal)
	if nonMinimal {
		h, n, err = ws.ParseHeaderNonMinimal(d.head)
	}
	start := d.offset - int64(had)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		d.offset += int64(len(p))
		return nil
	case err != nil:
		d.stopped = true
		d.emit(frame{time: at, offset: start, from: d.from, payload: d.head, lost: true, end: err})
		return nil
	}
	if d.from == unknown {
		d.from = fromServer
		if h.Masked {
			d.from = fromClient
		}
	}
	d.cur = frame{time: at, offset: start, from: d.from, header: h, inflated: -1}
	d.cur.fault = ws.CheckHeader(h, d.state())
	if nonMinimal {
		d.cur.fault = ws.ErrHeaderLengthNotMinimal
	}
	d.head = d.head[:0]
	d.offset += int64(n - had)
	d.begin(h)
	if d.left == 0 {
		d.payload(nil)
	}
	return p[n-had:]
}

func (d *decoder) state() ws.State {
	s := d.from.state().Set(d.rsv)
	if d.fragmented {
		s = s.Set(ws.StateFragmented)
	}
	return s
}

// begin opens the frame with header h.
func (d *decoder) begin(h ws.Header) {
	d.open, d.left, d.pos = true, h.Length, 0
	if h.OpCode.IsControl() {
		return
	}
	if h.OpCode != ws.OpContinuation {
		d.op, d.compressed, d.badText = h.OpCode, h.Rsv1(), false
		d.text.Reset(nil)
	}
	d.cur.message = d.op
	d.fragmented = !h.Fin
	if d.compressed && d.inflate != nil {
		d.cur.inflated = 0
	}
}

// payload decodes the next bytes of the open frame's payload.
func (d *decoder) payload(p []byte) {
	h := d.cur.header
	plain := p
	if h.Masked {
		plain = bytes.Clone(p)
		ws.Cipher(plain, h.Mask, d.pos)
	}
	d.left -= int64(len(p))
	d.pos += len(p)
	d.offset += int64(len(p))
	last := d.left == 0

	shown := plain
	if d.cur.inflated >= 0 {
		shown = d.inflateNext(plain, last && h.Fin)
	} else if !d.unmask {
		shown = p
	}
	d.keep(shown)
	d.check(plain, last)
	if last {
		d.open = false
		d.emit(d.cur)
	}
}

// keep adds to the shown payload of the open frame. A control frame is shown
// whole.
func (d *decoder) keep(p []byte) {
	most := d.show
	if d.cur.header.OpCode.IsControl() {
		most = ws.MaxControlFramePayloadSize
	}
	if most >= 0 {
		if room := most - len(d.cur.payload); len(p) > room {
			p, d.cur.cut = p[:room], true
		}
	}
	d.cur.payload = append(d.cur.payload, p...)
}

// inflateNext decompresses the next bytes of a compressed message.
func (d *decoder) inflateNext(p []byte, last bool) []byte {
	out, err := d.inflate.Append(nil, p, last, maxInflated)
	d.cur.inflated += int64(len(out))
	if err != nil && d.cur.fault == nil {
		d.cur.fault = err
	}
	return out
}

// maxInflated is the maximum size of a decompressed message.
const maxInflated = 256 << 20

// check checks what CheckHeader cannot: text and the body of a close frame.
func (d *decoder) check(p []byte, last bool) {
	h := d.cur.header
	switch {
	case h.OpCode == ws.OpClose && last && d.unmask:
		if _, _, err := ws.ParseCloseBody(d.cur.payload); err != nil && d.cur.fault == nil {
			d.cur.fault = err
		}
	case !h.OpCode.IsControl() && d.op == ws.OpText && !d.compressed && !d.badText:
		d.text.Source = bytes.NewReader(p)
		_, err := io.Copy(io.Discard, &d.text)
		if err != nil || last && h.Fin && !d.text.Valid() {
			d.badText = true
			if d.cur.fault == nil {
				d.cur.fault = ws.ErrProtocolInvalidUTF8
			}
		}
	}
}

// gap reports that n bytes are missing from the capture here. Nothing after
// them can be decoded.
func (d *decoder) gap(at time.Time, n int) {
	if d.stopped {
		return
	}
	f := frame{time: at, offset: d.offset, from: d.from, lost: true}
	if d.open {
		f = d.cur
		f.cut = true
	}
	f.end = fmt.Errorf("the capture misses %d bytes here", n)
	d.stopped = true
	d.emit(f)
}
