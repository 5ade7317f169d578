package deflate

import "math"

// Tail is what ends the compressed form of a message and does not travel
// (RFC 7692, section 7.2.1): an empty stored block without its three header bits.
const Tail = "\x00\x00\xff\xff"

// MinBits and MaxBits bound the window: 2^bits bytes (RFC 7692, section 7.1.2).
const (
	MinBits = 8
	MaxBits = 15
)

// maxLevel is the highest level that klauspost/compress knows.
const maxLevel = 9

// Encoder compresses the messages that one side of a connection sends. With
// context takeover it holds a window of what it has sent and a table of positions
// in it, and grows them as messages come; without, it holds nothing between messages.
//
// The zero value has a window of 15 bits, no takeover and level 1. Calls are the
// caller's to serialise. An Encoder must not be copied after its first use.
type Encoder struct {
	window   *window // of the context, or of an open message's parts; or nil
	warm     warm    // that what the window takes in also went through
	bits     uint8   // 0 for 15
	level    uint8   // 0 for 1
	takeover bool
	open     bool // AppendPart has begun a message
}

// Reset makes e as new: nothing may be referred back to. No match reaches further
// back than 2^bits bytes; bits is 8 to 15, what lies outside is moved to the nearer end.
// Level 1 is this package's own encoder and the default for what is less; 2 to 9 are those of
// klauspost/compress, which with less than 15 bits has a single level of its own.
func (e *Encoder) Reset(bits int, takeover bool, level int) {
	e.Release()
	*e = Encoder{
		bits:     uint8(min(max(bits, MinBits), MaxBits)),
		level:    uint8(min(max(level, 1), maxLevel)),
		takeover: takeover,
	}
}

// Room returns the room in dst with which compressing n bytes allocates nothing.
func Room(n int) int { return n + n/8 + 16 }

// Append appends the compressed payload of the whole message p to dst, without the
// [Tail]; that of an empty message is one byte 0x00. It does not retain p. It allocates
// nothing, once the pools are filled, if dst has [Room] for len(p) bytes. An
// incompressible message becomes larger by at most 6 bytes, and by 5 more for each further 64 KiB.
func (e *Encoder) Append(dst, p []byte) []byte {
	dst, _ = e.encode(dst, p, math.MaxInt)
	return dst
}

// Try is [Encoder.Append] for a message that may also go out plain: if its compressed form
// would not be smaller than p, or p seems to be noise, it returns dst as it was, perhaps with more
// room, and false, and p has not entered the window.
func (e *Encoder) Try(dst, p []byte) (out []byte, ok bool) {
	return e.encode(dst, p, len(p))
}

// AppendPart appends the compressed form of the next part of a message to dst. What it returns
// ends at a byte and can be inflated up to the end of p. last ends the message, and
// leaves the [Tail] out. Between its parts a message's window is held, with or without takeover.
// Each part but the last costs some 5 bytes, so parts should not be tiny.
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

// Enter notes that p, a whole message, went out compressed elsewhere without
// reference to this window: the peer's window takes it in, and so must this one.
func (e *Encoder) Enter(p []byte) {
	if e.takeover && len(p) > 0 {
		e.warm = warm{}
		e.openWindow().enter(p, len(p))
	}
}

// Undo takes back the last message that has entered the window, which was not sent
// after all: no later one refers to it. If the window cannot be restored, or if Undo
// has been called since, it is dropped as a whole.
func (e *Encoder) Undo() {
	e.warm = warm{}
	if e.window != nil && (e.open || !e.window.undo()) {
		e.Release()
	}
}

// Release abandons a message that [Encoder.AppendPart] has begun, and everything that
// e holds. It is as new afterwards, with the same parameters.
func (e *Encoder) Release() {
	if e.window != nil {
		e.window.release()
	}
	e.window, e.warm, e.open = nil, warm{}, false
}

// Size returns how many bytes e holds beyond its own struct.
func (e *Encoder) Size() int {
	if e.window == nil {
		return 0
	}
	return e.window.size()
}

// closeMessage ends a message that went out in parts.
func (e *Encoder) closeMessage() {
	if e.open = false; !e.takeover {
		e.Release()
	} else if e.window != nil {
		e.window.before = -1
	}
}

// own reports whether this package's encoder is the one to use, for all but large messages.
func (e *Encoder) own() bool { return e.level <= 1 }

// openWindow returns the window, which it makes if there is none.
func (e *Encoder) openWindow() *window {
	if e.window == nil {
		e.window = newWindow(e.windowBits())
	}
	return e.window
}

// windowBits returns e.bits, or what the zero value stands for.
func (e *Encoder) windowBits() uint8 {
	if e.bits == 0 {
		return MaxBits
	}
	return e.bits
}

// reach returns how many bytes a match may reach back.
func (e *Encoder) reach() int { return 1 << e.windowBits() }

// encode appends p's compressed form if it is smaller than limit. If it is, and
// the context is kept, p has entered the window.
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

// encodeAlone compresses a message that refers to nothing before it.
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
