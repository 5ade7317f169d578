package deflate

import (
	"encoding/binary"
	"math"
	"slices"
)

// syncBits is the number of header bits of the empty stored block at the end of
// every message. The rest of that block is the [Tail].
const syncBits = 3

// maxStored is the size of the largest stored block (RFC 1951, section 3.2.4).
const maxStored = 1<<16 - 1

// write appends the compressed form of p, whose items are w.items, if it is
// smaller than limit.
func (w *scratch) write(dst, p []byte, limit int) ([]byte, bool) {
	if w.noise {
		out, ok, _ := writePlain(dst, p, math.MaxInt, limit)
		return out, ok
	}
	items := w.items[:w.n]
	if len(items) < fewItems {
		return writeFixed(dst, p, items, limit)
	}
	c, size := best(items)
	n := (size + syncBits + 7) / 8
	if out, ok, done := writePlain(dst, p, n, limit); done {
		return out, ok
	}
	dst = slices.Grow(dst, n+8)
	c.put(dst[len(dst):len(dst)+n+8], items)
	return dst[:len(dst)+n], true
}

// writeFixed is write with the fixed code. It is so fast that it does not
// compute the size first.
func writeFixed(dst, p []byte, items []item, limit int) ([]byte, bool) {
	// A literal takes 9 bits, a match of 4 bytes or more 31, as two items.
	most := min(len(p)+len(p)/8, 2*len(items)) + 3
	dst = slices.Grow(dst, most+8)
	n := (codes[0].put(dst[len(dst):len(dst)+most+8], items) + syncBits + 7) / 8
	if out, ok, done := writePlain(dst, p, n, limit); done {
		return out, ok
	}
	return dst[:len(dst)+n], true
}

// writePlain handles the cases in which n compressed bytes are too many: done
// is true if they are not below limit, or if p takes fewer bytes.
func writePlain(dst, p []byte, n, limit int) (out []byte, ok, done bool) {
	switch stored := storedSize(len(p)); {
	case min(n, stored) >= limit:
		return dst, false, true
	case stored < n:
		return appendStored(dst, p), true, true
	}
	return nil, false, false
}

// storedSize returns the size of n bytes in stored blocks, as appendStored
// writes them.
func storedSize(n int) int { return n + 5*((n+maxStored-1)/maxStored) + 1 }

// appendStored appends p without compression.
func appendStored(dst, p []byte) []byte {
	dst = slices.Grow(dst, storedSize(len(p)))
	for len(p) > 0 {
		n := min(len(p), maxStored)
		dst = append(dst, 0, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
		dst = append(dst, p[:n]...)
		p = p[n:]
	}
	return append(dst, 0)
}

// put writes the items to out as a block and returns the number of bits,
// without those of the empty block after it. out must be at least 8 bytes
// longer.
func (c *code) put(out []byte, items []item) int {
	at := copy(out, c.header[:c.headerBits/8])
	acc, n := uint64(0), uint(c.headerBits%8)
	if n > 0 {
		acc = uint64(c.header[at])
	}
	last := len(out) - 8
	for k := 1; k < len(items) && at <= last; k += 2 {
		i, j := items[k-1], items[k]
		e, f := c.entries[i.index()], c.entries[j.index()]
		acc |= e.bits(i) << (n & 63)
		n += uint(e)
		acc |= f.bits(j) << (n & 63)
		n += uint(f)
		store64(out, at, acc)
		at += int(n >> 3 & 7)
		acc >>= n & 56
		n &= 7
	}
	if k := len(items) - 1; k&1 == 0 {
		e := c.entries[items[k].index()]
		acc |= e.bits(items[k]) << (n & 63)
		n += uint(e & 63)
	}
	acc |= c.end.bits(0) << (n & 63)
	binary.LittleEndian.PutUint64(out[at:], acc)
	return 8*at + int(n) + c.end.size()
}

// bits returns the output for i.
func (e entry) bits(i item) uint64 {
	return uint64(e>>entryWord) | uint64(i>>extraAt)<<(e>>6&63)
}
