package wsutil

import (
	"fmt"
	"io"
	"math"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// way says where the payload of a data message is returned.
type way uint8

const (
	view     way = iota // it stays in the input, or in a lent buffer if it was compressed
	into                // into dst, as much as fits
	appended            // like view, but a compressed payload is appended to dst, and the event has all of dst
)

// chunkSize is the size of the buffer for a chunk of a compressed message.
const chunkSize = 4 << 10

// step is Next without the fast path. header and open handle the header of a
// frame and set flagFrame. Then controlFrame, plain or inflate handle the
// payload as it arrives, and clear flagFrame at its end.
func (c *Protocol) step(p, dst []byte, w way) (ev Event, n int, err error) {
	c.reclaim()
	if c.flags&flagStopped != 0 {
		return Event{}, 0, c.Err()
	}
	if c.flags&flagFrame == 0 {
		var h ws.Header
		h, n, err = c.header(p)
		if err == io.ErrUnexpectedEOF {
			return Event{}, n, err
		}
		if err == nil {
			err = c.open(h)
		}
		if err != nil {
			return c.fail(err)
		}
	}
	rest := p[n:]
	if c.rest > 0 && len(rest) == 0 {
		return Event{}, n, io.ErrUnexpectedEOF
	}
	rest = rest[:min(int64(len(rest)), c.rest)]
	var k int
	switch {
	case c.controlOp != 0:
		ev, k, err = c.controlFrame(rest)
	case c.flags&flagDiscard != 0:
		ev, k = c.skip(rest)
	case w == into && len(dst) == 0 && c.rest > 0:
		ev = c.event(nil)
	case c.flags&flagPacked != 0:
		ev, k, err = c.inflate(rest, dst, w)
	default:
		ev, k, err = c.plain(rest, dst, w)
	}
	return ev, n + k, err
}

// header parses the header at the start of p, or its rest if head holds the
// beginning. If the header is incomplete, header copies p to head and returns
// io.ErrUnexpectedEOF.
func (c *Protocol) header(p []byte) (h ws.Header, n int, err error) {
	had := int(c.headLen)
	if had == 0 {
		h, n, err = ws.ParseHeader(p)
		if err != io.ErrUnexpectedEOF || len(p) == 0 {
			return h, n, err
		}
	}
	var room [ws.MaxHeaderSize]byte
	copy(room[:], c.head[:had])
	n = copy(room[had:], p)
	h, size, err := ws.ParseHeader(room[:had+n])
	if err == io.ErrUnexpectedEOF {
		c.headLen = uint8(copy(c.head[:], room[:had+n]))
		c.flags |= flagHead
		return h, n, err
	}
	c.headLen = 0
	c.flags &^= flagHead
	return h, size - had, err
}

// open begins the frame with this header, if it is allowed here.
func (c *Protocol) open(h ws.Header) error {
	state := c.state
	if c.flags&flagMessage != 0 {
		state |= ws.StateFragmented
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return err
	}
	c.flags |= flagFrame
	c.rest, c.key, c.pos = h.Length, h.Mask, 0
	if h.OpCode.IsControl() {
		c.controlOp = h.OpCode
		return nil
	}
	return c.openData(h)
}

func (c *Protocol) openData(h ws.Header) error {
	if h.OpCode == ws.OpContinuation {
		if c.set.inflater != nil && h.Rsv1() {
			return ws.ErrProtocolNonZeroRsv // RFC 7692, section 6.1, even with ws.StateExtended
		}
	} else {
		c.flags |= flagMessage
		c.openLimit = c.limit.Load()
		if c.set.inflater != nil && h.Rsv1() {
			c.flags |= flagPacked
			c.set.decoded = 0
		}
	}
	lim := limits{message: c.openLimit, frame: c.set.maxFrame, fragments: c.set.maxFragments}
	switch {
	case c.flags&flagDiscard != 0:
		lim = limits{math.MaxInt64, math.MaxInt64, math.MaxInt32}
	case c.flags&flagPacked != 0:
		lim.message = wireLimit(c.openLimit)
	}
	if c.flags&flagPacked != 0 {
		h.Rsv &^= rsv1
	}
	if h.Fin {
		c.flags |= flagFinal
	}
	if err := c.in.openFrame(&h, h.OpCode != ws.OpContinuation, &lim); err != nil {
		return err
	}
	c.in.rsv |= h.Rsv
	return nil
}

// rsv1 marks a message as compressed (RFC 7692, section 6).
var rsv1 = ws.Rsv(true, false, false)

// wireLimit returns the size limit on the wire of a compressed message that may
// have n bytes. An incompressible block is a few bytes longer than its data.
func wireLimit(n int64) int64 { return n + min(n/8+1024, math.MaxInt64-n) }

// event returns the event of a chunk of the open message.
func (c *Protocol) event(p []byte) Event {
	ev := Event{Payload: p, OpCode: c.in.op, Rsv: c.in.rsv}
	if c.flags&flagPacked != 0 {
		ev.part = partPacked
	}
	if c.flags&flagBegun == 0 {
		c.flags |= flagBegun
		ev.part |= partFirst
	}
	return ev
}

// endFrame closes the open frame after its payload. It reports whether the
// message ends with it.
func (c *Protocol) endFrame() bool {
	final := c.flags&flagFinal != 0
	c.flags &^= flagFrame | flagFinal
	if final {
		c.flags &^= flagMessage | flagBegun | flagPacked
		if c.message != nil { // NextMessage began the message that Next ends
			c.flags |= flagLent
		}
	}
	return final
}

// Discard makes the receiving half discard messages from the next byte on.
// Their events have no payload, and they are not limited, decompressed or
// validated. A driver calls it when it has sent its close frame and waits for
// the peer's.
func (c *Protocol) Discard() {
	c.reclaim()
	c.message = free(c.message)
	if c.flags&flagStopped == 0 {
		c.flags |= flagDiscard
	}
}

// skip discards p, the next piece of the open frame.
func (c *Protocol) skip(p []byte) (Event, int) {
	c.rest -= int64(len(p))
	ev := c.event(nil)
	if c.rest == 0 && c.endFrame() {
		ev.part |= partLast
	}
	return ev, len(p)
}

// plain returns p, the next piece of the open frame, as a chunk.
func (c *Protocol) plain(p, dst []byte, w way) (Event, int, error) {
	n := len(p)
	if w == into {
		n = min(n, len(dst))
	}
	p = p[:n:n]
	c.rest -= int64(n)
	if c.in.checksText() {
		ends := c.rest == 0 && c.flags&flagFinal != 0
		if !c.unmaskText(p) || ends && !c.in.text.Done() {
			return c.fail(ErrInvalidUTF8)
		}
	} else {
		c.unmask(p)
	}
	if w == into {
		copy(dst, p)
		p = dst[:n:n]
	}
	ev := c.event(p)
	if c.rest == 0 && c.endFrame() {
		ev.part |= partLast
	}
	return ev, n, nil
}

// maxUnmasked is the maximum number of bytes of a compressed frame that are
// unmasked at once. Unconsumed bytes are masked again, so the limit bounds the
// work that is done twice.
const maxUnmasked = 16 << 10

// inflate decompresses p, the next piece of the open frame of a compressed
// message. It consumes less than p if dst gets full.
func (c *Protocol) inflate(p, dst []byte, w way) (Event, int, error) {
	s := c.set
	switch w {
	case view:
		p = p[:min(len(p), chunkSize)]
	case into:
		p = p[:min(len(p), len(dst)+64, maxUnmasked)]
	}
	c.unmask(p)
	final := c.flags&flagFinal != 0 && int64(len(p)) == c.rest
	out, size, used, done, err := dst, 0, len(p), final, error(nil)
	full := false // more output may be available
	switch w {
	case appended:
		out, err = s.inflater.Extend(dst, p, final, inflatedLimit(c.openLimit))
		size = len(out) - len(dst)
	case view:
		if c.lent == nil {
			c.lent = bufpool.Get(chunkSize)
		}
		dst = c.lent.All()
		c.flags |= flagLent
		fallthrough
	case into:
		size, used, done, err = s.inflater.Read(dst, p, final)
		out, full = dst[:size:size], size == len(dst)
		c.mask(p[used:])
	}
	s.decoded += int64(size)
	text := out[len(out)-size : len(out)-int(max(s.decoded-c.openLimit, 0))]
	switch {
	case c.in.checksText() && !c.in.text.Valid(text):
		err = ErrInvalidUTF8 // the invalid text comes first in the message, wherever it was cut
	case s.decoded > c.openLimit || CloseCode(err) == ws.StatusMessageTooBig:
		err = ErrMessageTooLarge // also if Inflater did not count
	case err == nil && done && c.in.checksText() && !c.in.text.Done():
		err = ErrInvalidUTF8
	}
	if err != nil {
		return c.fail(err)
	}
	c.rest -= int64(used)
	ev := c.event(out)
	if c.rest == 0 && (done || c.flags&flagFinal == 0 && !full) && c.endFrame() {
		ev.part |= partLast
	}
	return ev, used, nil
}

// inflatedLimit returns the limit n in the form that an [Inflater] takes.
func inflatedLimit(n int64) int64 {
	if n == math.MaxInt64 {
		return -1
	}
	return n
}

// controlFrame returns the event of the open frame if p completes it, and
// buffers p otherwise.
func (c *Protocol) controlFrame(p []byte) (ev Event, n int, err error) {
	n = len(p)
	p = p[:n:n]
	c.unmask(p)
	c.rest -= int64(n)
	if c.lent != nil || c.rest > 0 {
		c.lent = c.lent.Append(p)
		p = c.lent.B
	}
	if c.rest > 0 {
		return Event{}, n, io.ErrUnexpectedEOF
	}
	ev = Event{Payload: p, OpCode: c.controlOp, part: whole}
	c.controlOp = 0
	c.flags &^= flagFrame
	if ev.OpCode == ws.OpClose {
		if err := c.closed(p); err != nil {
			return c.fail(err)
		}
	}
	if c.lent != nil {
		c.flags |= flagLent
	}
	return ev, n, nil
}

// closed handles the payload of the peer's close frame, after which the peer's
// data is ignored (RFC 6455, section 5.5.1).
func (c *Protocol) closed(p []byte) error {
	code, reason, err := ws.ParseCloseBody(p)
	if err != nil {
		return err
	}
	c.closing.receive(code) // before Err is set, because the reply is due from then on
	c.stop(ClosedError{code, reason})
	return nil
}

// unmask unmasks the next piece of the open frame's payload.
func (c *Protocol) unmask(p []byte) {
	if c.maskBit != 0 {
		ws.Cipher(p, c.key, int(c.pos))
		c.pos = uint8((int(c.pos) + len(p)) & 3)
	}
}

// mask undoes unmask for p, which was unmasked last.
func (c *Protocol) mask(p []byte) {
	if c.maskBit != 0 {
		c.pos = uint8((int(c.pos) - len(p)) & 3)
		ws.Cipher(p, c.key, int(c.pos))
	}
}

// unmaskText is unmask for a piece of the open text message. It reports whether
// the text so far can be valid.
func (c *Protocol) unmaskText(p []byte) bool {
	if c.maskBit == 0 {
		return c.in.text.Valid(p)
	}
	at := int(c.pos)
	c.pos = uint8((at + len(p)) & 3)
	return c.in.text.Unmask(p, c.key, at)
}

// NextChunk is [Protocol.Next] with the payload of data messages in dst: the
// payload is a prefix of dst. NextChunk consumes only as much of p as fits in
// dst. The rest of p belongs to the next call; the caller may move or copy it
// first. If dst is empty, NextChunk opens the next message, and returns its
// first event without payload when its first byte has arrived.
func (c *Protocol) NextChunk(dst, p []byte) (ev Event, n int, err error) {
	return c.step(p, dst, into)
}

// Plain reports whether the data at the start of p is uncompressed, so that
// [Protocol.Next] returns views of p.
func (c *Protocol) Plain(p []byte) bool {
	return c.set.inflater == nil || c.flags&flagDiscard != 0 || c.flags&^flagLent == 0 && (len(p) == 0 || p[0]>>4&rsv1 == 0)
}

// InMessage reports whether the first chunk of a message was returned and its
// last chunk was not.
func (c *Protocol) InMessage() bool { return c.flags&flagBegun != 0 }

// Stopped reports whether the receiving half has ended, so that further input
// is ignored.
func (c *Protocol) Stopped() bool { return c.flags&flagStopped != 0 }

// InFrame reports whether a frame has begun and not ended.
func (c *Protocol) InFrame() bool { return c.flags&(flagHead|flagFrame) != 0 }

// WireSize returns the compressed size of the message of the last data event,
// in bytes of payload on the wire. It counts the frames whose headers have
// arrived. For an uncompressed message the result may belong to an earlier
// message.
func (c *Protocol) WireSize() int64 { return c.in.size }

// EOF records that no more bytes will arrive, and releases buffers. The caller
// must have received all events: Next has returned [io.ErrUnexpectedEOF]. If
// the connection has already ended, EOF returns the error that ended it, such
// as the [ClosedError] for the peer's close frame. Otherwise it ends the
// connection and returns one of two errors. If the input ended inside a frame
// or message, the error wraps [io.ErrUnexpectedEOF]. If not, it is a
// [ClosedError] with [ws.StatusAbnormalClosure]. Later calls of Next and EOF
// return the same error.
func (c *Protocol) EOF() error {
	if c.flags&flagStopped == 0 {
		var err error = ClosedError{Code: ws.StatusAbnormalClosure}
		if c.flags&(flagHead|flagFrame|flagMessage) != 0 {
			err = errTruncated
		}
		c.fail(err)
	}
	c.drop()
	return c.Err()
}

var errTruncated = fmt.Errorf("wsutil: input ended inside a message: %w", io.ErrUnexpectedEOF)

// IsTruncated reports whether err is the error of [Protocol.EOF] for input that
// ended inside a frame or message.
func IsTruncated(err error) bool { return err == errTruncated }

// fail ends the receiving half with err, without a close frame of the peer.
func (c *Protocol) fail(err error) (Event, int, error) {
	c.closing.fail()
	c.stop(err)
	c.drop()
	return Event{}, 0, c.Err()
}

// stop ends the receiving half and the connection.
func (c *Protocol) stop(err error) {
	c.Fail(err)
	if c.set.inflater != nil {
		c.set.inflater.Close()
	}
	c.flags = flagStopped
	c.message = free(c.message)
}

// reclaim releases the memory of the last event. It keeps a message that
// NextMessage is gathering.
func (c *Protocol) reclaim() {
	if c.flags&flagLent == 0 {
		return
	}
	c.flags &^= flagLent
	c.lent = free(c.lent)
	if c.flags&flagMessage == 0 {
		c.message = free(c.message)
	}
}

// drop releases all buffers.
func (c *Protocol) drop() {
	c.flags &^= flagLent
	c.lent = free(c.lent)
	c.message = free(c.message)
}

// free releases b and returns nil, to be stored where b was.
func free(b *bufpool.Buffer) *bufpool.Buffer {
	b.Free()
	return nil
}
