package deflate

import "math"

// Tail is the end of a compressed message that is not sent (RFC 7692, section
// 7.2.1): an empty stored block without its three header bits.
const Tail = "\x00\x00\xff\xff"

// MinBits and MaxBits limit the window of 2^bits bytes (RFC 7692, section
// 7.1.2).
const (
	MinBits = 8
	MaxBits = 15
)

// maxLevel is the highest level of klauspost/compress.
const maxLevel = 9

// Encoder compresses the messages that one side of a connection sends. With
// context takeover, it holds a window of sent data and a table of positions in
// it, which grow with the messages. Without takeover, it holds nothing between
// messages.
//
// The zero value has a window of 15 bits, no takeover and level 1. An Encoder
// is not safe for concurrent use, and must not be copied after its first use.
type Encoder struct {
	window   *window // of the context or of an open message in parts, or nil
	warm     warm    // a compressor with the same context as the window
	bits     uint8   // 0 for 15
	level    uint8   // 0 for 1
	takeover bool
	open     bool // AppendPart has begun a message
}

// Reset drops the context and sets the parameters. The maximum distance of a
// match is 2^bits bytes. bits is clamped to 8 to 15. Levels of 1 and less use
// this package's encoder. Levels 2 to 9 use klauspost/compress, which has a
// single level for windows of less than 15 bits.
func (e *Encoder) Reset(bits int, takeover bool, level int) {
	e.Release()
	*e = Encoder{
		bits:     uint8(min(max(bits, MinBits), MaxBits)),
		level:    uint8(min(max(level, 1), maxLevel)),
		takeover: takeover,
	}
}

// Room returns the capacity of dst with which compressing n bytes does not
// allocate.
func Room(n int) int { return n + n/8 + 16 }

// Append appends the compressed payload of the whole message p to dst, without
// the [Tail]; an empty message is the byte 0x00. Append does not retain p. If
// dst has [Room] for len(p) bytes, it does not allocate in steady state. An
// incompressible message grows by at most 6 bytes, and by 5 more for each 64
// KiB.
func (e *Encoder) Append(dst, p []byte) []byte {
	dst, _ = e.encode(dst, p, math.MaxInt)
	return dst
}

// Try is [Encoder.Append] for a message that may also be sent plain. If the
// compressed form would not be smaller than p, or if p looks like noise, ok is
// false and out is dst, possibly with more capacity. p has then not entered the
// window.
func (e *Encoder) Try(dst, p []byte) (out []byte, ok bool) {
	return e.encode(dst, p, len(p))
}

// AppendPart appends the compressed form of the next part of a message to dst.
// The output ends at a byte boundary and can be inflated up to the end of p.
// last ends the message and omits the [Tail]. Between the parts of a message, e
// holds the window, with or without takeover. Each part except the last costs
// about 5 bytes.
func (e *Encoder) AppendPart(dst, p []byte, last bool) []byte {
	e.open = e.open || !last
	if len(p) > 0 {
		dst, _ = e.encode(dst, p, math.MaxInt)
		if !last {
			dst = append(dst, Tail...)
		}
	} else if last {
		dst = append(dst, 0)
	}
	if last {
		e.closeMessage()
	}
	return dst
}

// Add adds p to the window, a whole message that was compressed elsewhere
// without reference to this window. The peer's window also contains it.
func (e *Encoder) Add(p []byte) {
	if e.takeover && len(p) > 0 {
		e.warm = warm{}
		e.openWindow().enter(p, len(p))
	}
}

// Undo removes the last message from the window because it was not sent. If the
// window cannot be restored, or if Undo was already called for that message, it
// drops the whole window.
func (e *Encoder) Undo() {
	e.warm = warm{}
	if e.window != nil && (e.open || !e.window.undo()) {
		e.Release()
	}
}

// Release abandons an open message and releases all memory of e. It keeps the
// parameters.
func (e *Encoder) Release() {
	if e.window != nil {
		e.window.release()
	}
	e.window, e.warm, e.open = nil, warm{}, false
}

// Size returns the number of bytes that e holds, without its own struct.
func (e *Encoder) Size() int {
	if e.window == nil {
		return 0
	}
	return e.window.size()
}

// closeMessage ends a message in parts.
func (e *Encoder) closeMessage() {
	if e.open = false; !e.takeover {
		e.Release()
	} else if e.window != nil {
		e.window.before = -1
	}
}

// own reports whether to use this package's encoder, except for large messages.
func (e *Encoder) own() bool { return e.level <= 1 }

// openWindow returns the window. It allocates one if there is none.
func (e *Encoder) openWindow() *window {
	if e.window == nil {
		e.window = newWindow(e.windowBits())
	}
	return e.window
}

// windowBits returns e.bits, or the default.
func (e *Encoder) windowBits() uint8 {
	if e.bits == 0 {
		return MaxBits
	}
	return e.bits
}

// reach returns the maximum distance of a match.
func (e *Encoder) reach() int { return 1 << e.windowBits() }

// encode appends the compressed form of p if it is smaller than limit. With
// takeover, p then enters the window.
func (e *Encoder) encode(dst, p []byte, limit int) ([]byte, bool) {
	switch {
	case limit == 0:
		return dst, false
	case len(p) == 0:
		return append(dst, 0), true
	case !e.own() || len(p) > maxOwn:
		return e.encodeLarge(dst, p, limit)
	case e.takeover || e.open:
		return e.encodeWithin(dst, p, limit)
	}
	return e.encodeAlone(dst, p, limit)
}

// encodeAlone compresses a message without a context.
func (e *Encoder) encodeAlone(dst, p []byte, limit int) ([]byte, bool) {
	w := borrow()
	w.alone(p, e.reach())
	dst, ok := w.write(dst, p, limit)
	w.giveBack()
	return dst, ok
}

// encodeWithin compresses a message that may refer to the window.
func (e *Encoder) encodeWithin(dst, p []byte, limit int) ([]byte, bool) {
	w := borrow()
	win := e.openWindow()
	e.warm = warm{}
	buf, start := win.extend(p, w)
	w.within(buf, start, win)
	out, ok := w.write(dst, p, limit)
	win.settle(buf, start, ok, len(out)-len(dst))
	w.giveBack()
	return out, ok
}
