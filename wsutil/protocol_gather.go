package wsutil

import (
	"io"
	"slices"

	"github.com/wskit/wskit/internal/bufpool"
)

// NextMessage is [Protocol.Next] for whole messages: its data events are First
// and Last. The payload is a view into p if the message is uncompressed,
// unfragmented and complete in p. Otherwise NextMessage gathers it in a buffer,
// which is valid until the next call of the receiving half. The buffer grows
// with the bytes that arrive, never with the lengths in headers. Control frames
// are returned as they arrive, including those inside a message. Rsv has the
// bits of all frames of the message.
//
// Next and NextMessage may be mixed. If Next has returned a chunk of a message,
// NextMessage returns the rest, which is not First. If NextMessage has begun to
// gather a message, Next must not complete it.
func (c *Protocol) NextMessage(p []byte) (ev Event, n int, err error) {
	if len(p) == 0 && c.flags == 0 { // between two messages, as after most calls
		return Event{}, 0, io.ErrUnexpectedEOF
	}
	if c.Plain(p) {
		if ev, n, err = c.Next(p); err != nil || ev.part == whole {
			return ev, n, err
		}
	}
	return c.assemble(ev, p, n)
}

// assemble is NextMessage after its first event, or without one if n is 0. It
// is a separate function so that the event of NextMessage is passed in
// registers.
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

// gatherRoom returns free memory after the gathered part of a message, for n
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

// gather adds a chunk to the message; placed reports that it is already in
// place. At the end of the message it makes ev the event of the whole message
// and returns true.
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

// Gather appends the next message to *dst. At the end of a message, it returns
// a data event without payload. The message is what was appended since the
// previous data event. Gather returns control frames as they arrive, including
// those inside a message; the part of the message that has arrived is then in
// *dst. Errors and n are those of [Protocol.Next]. After [io.ErrUnexpectedEOF],
// the next call continues the message.
//
// Until a message is complete, *dst must end with its bytes so far. If Gather
// has begun a compressed message, only Gather may receive the rest of it.
//
// *dst grows with the bytes that arrive, never with the length in a header.
// Gather does not allocate if *dst has room. It does not retain dst.
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

// gatherOn is Gather after its first event. packed reports that the payload of
// a compressed message was already appended.
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

// Extend appends the payload of a chunk to dst as [Protocol.Gather] does. It
// also makes room for a part of the rest of the frame.
func (c *Protocol) Extend(dst []byte, ev Event) []byte {
	return append(c.ahead(dst, len(ev.Payload)), ev.Payload...)
}

// minDirect is the smallest part of a frame that is worth receiving directly
// into the message.
const minDirect = 8 << 10

// ahead returns dst with room for n more bytes, plus some for the rest of the
// open frame: up to three times the bytes of the message so far, or minDirect.
func (c *Protocol) ahead(dst []byte, n int) []byte {
	rest := c.direct()
	if rest == 0 {
		return dst
	}
	limit := max(3*(c.in.size-rest), minDirect)
	return slices.Grow(dst, n+int(min(rest, limit)))
}

// direct returns how many of the next input bytes are uncompressed payload of a
// data frame.
func (c *Protocol) direct() int64 {
	if c.flags&(flagFrame|flagPacked) != flagFrame || c.controlOp != 0 || c.flags&flagDiscard != 0 {
		return 0
	}
	return c.rest
}

// Room returns memory for the next input, if a large uncompressed part of a
// frame is still to come. room is the free memory after dst. grown is dst, or a
// copy of it with more room. The caller receives n bytes into room and passes
// room[:n] to [Protocol.Next], which decodes them in place. The caller then
// continues with grown extended by n bytes. room is nil if the next input is
// something else. All earlier input must have been consumed.
func (c *Protocol) Room(dst []byte) (grown, room []byte) {
	rest := c.direct()
	if rest < minDirect {
		return dst, nil
	}
	if cap(dst)-len(dst) < minDirect {
		dst = c.ahead(dst, 0)
	}
	end := int(min(rest, int64(cap(dst)-len(dst)))) + len(dst)
	return dst, dst[len(dst):end:end]
}

// Direct returns a prefix of p for receiving payload of the open frame. It
// returns nil if p or the rest of the frame is small. The caller passes the
// received bytes to [Protocol.Next], which decodes them in place.
func (c *Protocol) Direct(p []byte) []byte {
	rest := c.direct()
	if rest < minDirect || len(p) < minDirect {
		return nil
	}
	return p[:min(int64(len(p)), rest)]
}
