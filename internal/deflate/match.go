package deflate

import "math/bits"

// RFC 1951, section 3.2.5. Matches of 3 bytes are allowed there, but do not
// pay.
const (
	minMatch = 4
	maxMatch = 258
)

// An item is one element of a block: a literal, the length of a match, or the
// distance after it. Its low bits are an index into the tables of a code. The
// bits above are the extra bits of a distance.
type item uint32

const (
	lengthItem   = 256 // item of length 3; 258 is the last
	distanceItem = 512 // item of the first distance symbol
	numItems     = 1024
	extraAt      = 16
)

// index returns the index of an item in a table.
func (i item) index() uint32 { return uint32(i) & (numItems - 1) }

// A prime is the multiplier of a hash. It determines the number of hashed
// bytes: more bytes find fewer but better matches.
type prime uint64

const (
	fourBytes prime = 0x9E3779B185EBCA87 << (64 - 4*8) & (1<<64 - 1)
	sixBytes  prime = 0x9E3779B185EBCA87 << (64 - 6*8) & (1<<64 - 1)
)

// A table maps hashes to the last position of the hashed bytes.
type table [1 << tableBits]uint16

const tableBits = 12

// hash returns the table index of the first bytes of v.
func (p prime) hash(v uint64) uint64 { return v * uint64(p) >> (64 - tableBits) }

// A finder converts bytes to items.
type finder struct {
	table *table
	prime prime
	base  uint16 // the position of buf[0]
	reach int    // maximum distance
	items []item
	n     int  // items written
	noise bool // the items are incomplete because the bytes are incompressible
}

// patience is the number of bytes without a match after which the search begins
// to skip bytes, and skips more the longer it lasts.
const patience = 64

// find converts buf[start:] to items, or detects noise. Matches may refer to
// bytes before start.
func (f *finder) find(buf []byte, start int) {
	next := start // end of the converted bytes
	limit := len(buf) - 8
	for s := start; s <= limit; {
		at, distance := f.search(buf, s, min(limit, max(s, next+patience)))
		if distance == 0 {
			s = at + (at-next)/patience
			continue
		}
		end := at + 4 + common(buf, at+4, at+4-distance)
		if before := at - distance - 8; before >= 0 {
			at -= min(bits.LeadingZeros64(load64(buf, at-8)^load64(buf, before))>>3, at-next)
		}
		f.putLiterals(buf, next, at)
		f.putMatch(end-at, distance)
		if end <= limit {
			f.note(buf, end-2)
		}
		s, next = end, end
	}
	repeats := next - start
	if f.noise = repeats <= (len(buf)-start)/32 && isNoise(buf[next:]); !f.noise {
		f.putLiterals(buf, next, len(buf))
	}
}

// search searches for a match from s to last. It returns its position and
// distance, or the position to continue from and 0. It records all positions,
// but tries only every other one: a match that begins in between is found from
// its second byte, and find extends it backward. A stored distance of 0 means
// 65536, which is useless.
func (f *finder) search(buf []byte, s, last int) (at, distance int) {
	t, p, base, reach := f.table, f.prime, f.base, f.reach
	for ; s <= last; s += 2 {
		v := load64(buf, s)
		h := p.hash(v)
		now := base + uint16(s)
		d := int(now - t[h])
		t[h] = now
		t[p.hash(v>>8)] = now + 1
		before := s - d
		if before|(reach-d) < 0 {
			continue
		}
		if uint32(v^load64(buf, before)) == 0 && d != 0 {
			return s, d
		}
	}
	return s, 0
}

// note records the positions i and i+1.
func (f *finder) note(buf []byte, i int) {
	v := load64(buf, i)
	f.table[f.prime.hash(v)] = f.base + uint16(i)
	f.table[f.prime.hash(v>>8)] = f.base + uint16(i+1)
}

// putLiterals writes buf[from:to], in steps of four or eight bytes if that many
// remain. The lengths of runs are unpredictable and mostly short.
func (f *finder) putLiterals(buf []byte, from, to int) {
	if from <= len(buf)-8 {
		v := load64(buf, from)
		four := (*[4]item)(f.items[f.n:])
		four[0] = item(uint8(v))
		four[1] = item(uint8(v >> 8))
		four[2] = item(uint8(v >> 16))
		four[3] = item(uint8(v >> 24))
		if to-from <= 4 {
			f.n += to - from
			return
		}
		f.n += 4
		from += 4
	}
	for ; from < to && from <= len(buf)-8; from += 8 {
		v := load64(buf, from)
		eight := (*[8]item)(f.items[f.n:])
		eight[0] = item(uint8(v))
		eight[1] = item(uint8(v >> 8))
		eight[2] = item(uint8(v >> 16))
		eight[3] = item(uint8(v >> 24))
		eight[4] = item(uint8(v >> 32))
		eight[5] = item(uint8(v >> 40))
		eight[6] = item(uint8(v >> 48))
		eight[7] = item(uint8(v >> 56))
		f.n += min(8, to-from)
	}
	for ; from < to; from++ {
		f.items[f.n] = item(buf[from])
		f.n++
	}
}

// putMatch writes a match of any length, in pieces of at most 258 and at least
// 4 bytes.
func (f *finder) putMatch(length, distance int) {
	symbol, extra := distanceSymbol(distance)
	d := item(distanceItem+symbol) | item((distance-1)&(1<<extra-1))<<extraAt
	for ; length > maxMatch; f.n += 2 {
		piece := min(maxMatch, length-minMatch)
		two := (*[2]item)(f.items[f.n:])
		two[0], two[1] = item(lengthItem+piece-3), d
		length -= piece
	}
	two := (*[2]item)(f.items[f.n:])
	two[0], two[1] = item(lengthItem+length-3), d
	f.n += 2
}

// noteAll records the positions of buf[start:].
func (t *table) noteAll(buf []byte, start int, base uint16) {
	for i := start; i <= len(buf)-8; i++ {
		t[sixBytes.hash(load64(buf, i))] = base + uint16(i)
	}
}

// common returns the number of equal bytes at i and at j < i.
func common(buf []byte, i, j int) int {
	begin := i
	for i+8 <= len(buf) {
		if x := load64(buf, i) ^ load64(buf, j); x != 0 {
			return i - begin + bits.TrailingZeros64(x)>>3
		}
		i, j = i+8, j+8
	}
	for i < len(buf) && buf[i] == buf[j] {
		i, j = i+1, j+1
	}
	return i - begin
}
