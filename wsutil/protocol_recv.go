package wsutil

import (
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// way says where the payload of a data message goes.
type way uint8

const (
	view     way = iota // it stays in the input, or lies in a lent buffer if it was compressed
	into                // into dst, as much as fits
	appended            // as view, but a compressed one is appended to dst, and the event has all of dst
)

// chunkSize is the size of the buffer for a chunk of a compressed message.
const chunkSize = 4 << 10

// step is Next without a fast path. A frame goes through header and open, which
// sets flagFrame, and then, as its bytes arrive, through controlFrame, plain or
// inflate, which clear it at the end.
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

// header parses the header of which p is the beginning, or the continuation if
// head holds a part of it. With io.ErrUnexpectedEOF, p has gone into head.
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

// open begins the frame of this header, if it may stand here.
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
			return ws.ErrProtocolNonZeroRsv // RFC 7692, section 6.1, also with ws.StateExtended
		}
	} else {
		c.flags |= flagMessage
		c.most = c.limit.Load()
		if c.set.inflater != nil && h.Rsv1() {
			c.flags |= flagPacked
			c.set.decoded = 0
		}
	}
	lim := limits{message: c.most, frame: c.set.maxFrame, fragments: c.set.maxFragments}
	switch {
	case c.flags&flagDiscard != 0:
		lim = limits{math.MaxInt64, math.MaxInt64, math.MaxInt32}
	case c.flags&flagPacked != 0:
		lim.message = wireLimit(c.most)
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

// wireLimit returns how long a compressed message may be on the wire that
// inflates to n bytes at most: a block that cannot be compressed adds a few
// bytes.
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

// endFrame closes the open frame, of which nothing is left. It reports whether
// the message ends with it.
func (c *Protocol) endFrame() bool {
	final := c.flags&flagFinal != 0
	c.flags &^= flagFrame | flagFinal
	if final {
		c.flags &^= flagMessage | flagBegun | flagPacked
		if c.message != nil { // NextMessage began what Next ends
			c.flags |= flagLent
		}
	}
	return final
}

// Discard makes the receiving half drop the messages that arrive, from the next
// byte on: their events have no payload, and they are neither limited nor
// decompressed nor validated. It is for a driver that has sent its close frame and waits for the
// peer's.
func (c *Protocol) Discard() {
	c.reclaim()
	c.message = free(c.message)
	if c.flags&flagStopped == 0 {
		c.flags |= flagDiscard
	}
}

// skip drops p, the next piece of the open frame.
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

// mostUnmasked is how much of a compressed frame is unmasked at once. What is not
// consumed of it is masked again, so that no more is unmasked than may fit.
const mostUnmasked = 16 << 10

// inflate returns what p, the next piece of the open frame of a compressed
// message, decodes to. It consumes less than p if dst gets full.
func (c *Protocol) inflate(p, dst []byte, w way) (Event, int, error) {
	s := c.set
	switch w {
	case view:
		p = p[:min(len(p), chunkSize)]
	case into:
		p = p[:min(len(p), len(dst)+64, mostUnmasked)]
	}
	c.unmask(p)
	final := c.flags&flagFinal != 0 && int64(len(p)) == c.rest
	out, size, used, done, err := dst, 0, len(p), final, error(nil)
	full := false // there may be more
	switch w {
	case appended:
		out, err = s.inflater.Extend(dst, p, final, inflatedLimit(c.most))
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
	text := out[len(out)-size : len(out)-int(max(s.decoded-c.most, 0))]
	switch {
	case c.in.checksText() && !c.in.text.Valid(text):
		err = ErrInvalidUTF8 // the first fault in the message, however it was cut
	case s.decoded > c.most || CloseCode(err) == ws.StatusMessageTooBig:
		err = ErrMessageTooLarge // whoever has counted
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

// inflatedLimit returns n as an [Inflater] takes a limit.
func inflatedLimit(n int64) int64 {
	if n == math.MaxInt64 {
		return -1
	}
	return n
}

// controlFrame returns the open frame if p ends it, and gathers it otherwise.
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

// closed takes the payload of the peer's close frame: it is the last frame that
// counts (RFC 6455, section 5.5.1).
func (c *Protocol) closed(p []byte) error {
	code, reason, err := ws.ParseCloseBody(p)
	if err != nil {
		return err
	}
	c.closing.receive(code) // before Err is set: until then the reply would not be due
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

// unmaskText is unmask for a piece of the open message's text. It reports
// whether a text may begin like that.
func (c *Protocol) unmaskText(p []byte) bool {
	if c.maskBit == 0 {
		return c.in.text.Valid(p)
	}
	at := int(c.pos)
	c.pos = uint8((at + len(p)) & 3)
	return c.in.text.Unmask(p, c.key, at)
}

// NextChunk is [Protocol.Next] with the payload of data messages in dst: the
// event's payload is the beginning of dst. It consumes no more of p than fits
// dst; the rest of p belongs to the next call, and the caller may move or copy it
// before that. If dst is empty, NextChunk opens the next message and returns its
// first event without payload, as soon as a byte of it has arrived.
func (c *Protocol) NextChunk(dst, p []byte) (ev Event, n int, err error) {
	return c.step(p, dst, into)
}

// Plain reports whether [Protocol.Next] does not decompress what p begins with, so
// that its chunks are views of p.
func (c *Protocol) Plain(p []byte) bool {
	return c.set.inflater == nil || c.flags&flagDiscard != 0 || c.flags&^flagLent == 0 && (len(p) == 0 || p[0]>>4&rsv1 == 0)
}

// Gather appends the next message to *dst. Its data events end a message and have
// no payload; the message is what was appended since the last one. Control frames
// are returned as they come, also from inside a message, with the part of the
// message that has arrived appended. Errors and n are those of [Protocol.Next]: with
// [io.ErrUnexpectedEOF] the part that has arrived is appended, and the next call goes
// on after it.
//
// Until a message is complete, *dst has to end with what was appended of it, and
// no other function may receive the rest of a compressed message: only Gather goes
// on with what it has begun.
//
// *dst grows with the bytes that arrive, never with the length that a header
// declares, and nothing is allocated if it has room. Gather does not retain dst.
func (c *Protocol) Gather(dst *[]byte, p []byte) (ev Event, n int, err error) {
	packed := !c.Plain(p)
	if packed {
		ev, n, err = c.step(p, *dst, appended)
	} else {
		ev, n, err = c.Next(p)
		if err == nil && ev.part == whole && !ev.OpCode.IsControl() {
			*dst = append(*dst, ev.Payload...)
			ev.Payload = nil
			return ev, n, nil
		}
	}
	return c.gatherOn(dst, p, ev, n, err, packed)
}

// gatherOn is Gather after its first event. packed says that the payload of a
// compressed message was appended already.
func (c *Protocol) gatherOn(dst *[]byte, p []byte, ev Event, n int, err error, packed bool) (Event, int, error) {
	for {
		switch {
		case err != nil, ev.OpCode.IsControl():
			return ev, n, err
		case packed && ev.Compressed():
			*dst = ev.Payload
		default:
			*dst = c.Extend(*dst, ev)
		}
		if ev.Last() {
			ev.Payload = nil
			return ev, n, nil
		}
		var k int
		if packed = !c.Plain(p[n:]); packed {
			ev, k, err = c.step(p[n:], *dst, appended)
		} else {
			ev, k, err = c.Next(p[n:])
		}
		n += k
	}
}

// Extend appends the payload of a chunk to dst as [Protocol.Gather] does, with some
// room for what is still to come of the frame.
func (c *Protocol) Extend(dst []byte, ev Event) []byte {
	return append(c.ahead(dst, len(ev.Payload)), ev.Payload...)
}

// directLeast is the least part of a frame that is worth being received where the
// message lies.
const directLeast = 8 << 10

// ahead returns dst with room for n bytes more, and for some of the open frame
// that is still to come: three times as many bytes as have arrived of the
// message, or directLeast.
func (c *Protocol) ahead(dst []byte, n int) []byte {
	rest := c.direct()
	if rest == 0 {
		return dst
	}
	most := max(3*(c.in.size-rest), directLeast)
	return slices.Grow(dst, n+int(min(rest, most)))
}

// direct returns how many of the next bytes of input are payload of a data frame
// that is not compressed.
func (c *Protocol) direct() int64 {
	if c.flags&(flagFrame|flagPacked) != flagFrame || c.controlOp != 0 || c.flags&flagDiscard != 0 {
		return 0
	}
	return c.rest
}

// Room returns where the next bytes of input are wanted, if a large part of a
// frame is still to come that needs no decompression: room is free memory after
// dst, and grown is dst, moved if it had no room. The caller receives n bytes
// into room, gives room[:n] to [Protocol.Next], which decodes them in place, and
// goes on with grown extended by n bytes. room is nil if the input is wanted
// elsewhere; all that was received before has to be consumed first.
func (c *Protocol) Room(dst []byte) (grown, room []byte) {
	rest := c.direct()
	if rest < directLeast {
		return dst, nil
	}
	if cap(dst)-len(dst) < directLeast {
		dst = c.ahead(dst, 0)
	}
	end := int(min(rest, int64(cap(dst)-len(dst)))) + len(dst)
	return dst, dst[len(dst):end:end]
}

// Direct returns p, cut to the payload bytes of the open frame that are still to
// come, if that is a large part of a frame and p is large: the caller may receive
// into what is returned and give it to [Protocol.Next], which decodes it in
// place. Otherwise it returns nil.
func (c *Protocol) Direct(p []byte) []byte {
	rest := c.direct()
	if rest < directLeast || len(p) < directLeast {
		return nil
	}
	return p[:min(int64(len(p)), rest)]
}

// InMessage reports whether a chunk of a message has been returned and its last
// one has not.
func (c *Protocol) InMessage() bool { return c.flags&flagBegun != 0 }

// Stopped reports whether the receiving half has ended: whatever arrives does not
// count.
func (c *Protocol) Stopped() bool { return c.flags&flagStopped != 0 }

// InFrame reports whether a frame has begun that has not ended.
func (c *Protocol) InFrame() bool { return c.flags&(flagHead|flagFrame) != 0 }

// WireSize returns how many payload bytes a compressed message has on the wire,
// by the headers that have arrived so far: the message that the last data event
// belongs to. For other messages it may be the size of an earlier message.
func (c *Protocol) WireSize() int64 { return c.in.size }

// NextMessage is [Protocol.Next] for whole messages: its data events are First
// and Last. The payload is a view into p if the message is one frame that lies
// whole in p and is not compressed. Otherwise it is gathered in a buffer that
// grows with the bytes that arrive, never with the lengths that headers declare,
// and that is lent until the next call of the receiving half. Control frames are
// returned as they come, also from inside a message. Rsv has the bits of all
// frames of the message.
//
// Next and NextMessage may be mixed. Inside a message of which Next has returned
// a chunk, NextMessage returns what is left of it, which is not First. What
// NextMessage has begun to gather must not be ended by Next.
func (c *Protocol) NextMessage(p []byte) (ev Event, n int, err error) {
	if c.Plain(p) {
		if ev, n, err = c.Next(p); err != nil || ev.part == whole {
			return ev, n, err
		}
	}
	return c.assemble(ev, p, n)
}

// assemble is NextMessage after its first event, or without one if n is 0. It is apart
// so that the event of NextMessage travels in registers.
func (c *Protocol) assemble(ev Event, p []byte, n int) (Event, int, error) {
	if n > 0 && c.gather(&ev, false) {
		return ev, n, nil
	}
	for {
		k, placed, err := 0, false, error(nil)
		if c.Plain(p[n:]) {
			ev, k, err = c.Next(p[n:])
		} else {
			placed = true
			ev, k, err = c.step(p[n:], c.gatherRoom(len(p)-n), into)
		}
		n += k
		if err != nil || ev.OpCode.IsControl() {
			if placed && c.message != nil && c.flags&(flagBegun|flagLent) == 0 {
				c.message = free(c.message)
			}
			return ev, n, err
		}
		if ev.part&whole == whole && !placed {
			return ev, n, nil
		}
		if c.gather(&ev, placed) {
			return ev, n, nil
		}
	}
}

// gatherRoom returns free memory after what was gathered of a message, for n
// bytes of input.
func (c *Protocol) gatherRoom(n int) []byte {
	c.reclaim()
	const least = 512
	switch b := c.message; {
	case b == nil:
		c.message = bufpool.Get(min(max(4*n, least), 16*chunkSize))
		c.part = 0
	case cap(b.B)-len(b.B) < least:
		larger := bufpool.Get(2 * cap(b.B))
		larger.B = append(larger.B, b.B...)
		b.Free()
		c.message = larger
	}
	b := c.message.B
	return b[len(b):cap(b)]
}

// gather adds a chunk to the message. It lies there already if placed is set. At
// the end of the message it makes ev the event of all of it and reports true.
func (c *Protocol) gather(ev *Event, placed bool) bool {
	if c.message == nil || ev.First() {
		c.part = ev.part & partFirst
	}
	if placed {
		b := c.message
		b.B = b.B[:len(b.B)+len(ev.Payload)]
	} else {
		c.message = c.message.Append(ev.Payload)
	}
	if !ev.Last() {
		return false
	}
	c.flags |= flagLent
	ev.part, ev.Payload = ev.part&partPacked|c.part|partLast, c.message.B
	return true
}

// EOF says that no more bytes will arrive, and gives buffers back. The caller has
// taken all events before: Next has returned [io.ErrUnexpectedEOF]. EOF returns
// what this makes of the connection: a [ClosedError] with the code and reason of
// the peer's close frame, or with [ws.StatusAbnormalClosure] if there was none; an
// error that wraps [io.ErrUnexpectedEOF] if the input ended inside a frame or a
// message; or the error that has ended the connection before. Next and EOF return
// the same from then on.
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

// IsTruncated reports whether err is that of [Protocol.EOF] inside a frame or a
// message.
func IsTruncated(err error) bool { return err == errTruncated }

// fail ends the receiving half: there was no close frame, and there will be none.
func (c *Protocol) fail(err error) (Event, int, error) {
	c.closing.fail()
	c.stop(err)
	c.drop()
	return Event{}, 0, c.Err()
}

// stop ends the receiving half, and with it the connection.
func (c *Protocol) stop(err error) {
	c.Fail(err)
	if c.set.inflater != nil {
		c.set.inflater.Close()
	}
	c.flags = flagStopped
	c.message = free(c.message)
}

// reclaim takes back what the last event was lent. A message that NextMessage is
// still gathering stays.
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

// drop gives all buffers back.
func (c *Protocol) drop() {
	c.flags &^= flagLent
	c.lent = free(c.lent)
	c.message = free(c.message)
}

// free gives b back and returns nil, to be stored where b was.
func free(b *bufpool.Buffer) *bufpool.Buffer {
	b.Free()
	return nil
}
