package deflate

import "math/bits"

// RFC 1951, section 3.2.5. Matches of 3 bytes are allowed there, but do not pay.
const (
	minMatch = 4
	maxMatch = 258
)

// An item is one step of a block: a literal, the length of a match or, behind it, the distance. Its low
// bits are an index into the tables of a code, those above them the extra bits of a
// distance.
type item uint32

const (
	lengthItem   = 256 // that of the length 3; 258 is the last
	distanceItem = 512 // that of the first distance symbol
	numItems     = 1024
	extraAt      = 16
)

// index returns the place of an item in a table.
func (i item) index() uint32 { return uint32(i) & (numItems - 1) }

// A prime makes a hash of some bytes: with more of them fewer matches are found, and better ones.
type prime uint64

const (
	fourBytes prime = 0x9E3779B185EBCA87 << (64 - 4*8) & (1<<64 - 1)
	sixBytes  prime = 0x9E3779B185EBCA87 << (64 - 6*8) & (1<<64 - 1)
)

// A table says by hash at which position bytes were seen last.
type table [1 << tableBits]uint16

const tableBits = 12

// hash makes an index of a table of the first bytes of v.
func (p prime) hash(v uint64) uint64 { return v * uint64(p) >> (64 - tableBits) }

// A finder writes bytes as items.
type finder struct {
	table *table
	prime prime
	base  uint16 // the position of buf[0]
	reach int    // how far back a match may lie
	items []item
	n     int  // items written
	noise bool // the items are not complete: nothing would make these bytes shorter
}

// patience is how many bytes are tried without success until some are left out: the more, the
// longer it lasts.
const patience = 64

// find writes buf[start:] as items, or finds that they are noise. What precedes may be referred to.
func (f *finder) find(buf []byte, start int) {
	next := start // what is written
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

// search looks for a match at s and up to last. It returns where one is and
// how far back it lies, or the place to go on from and 0. It notes all positions and tries every
// other one: a match that begins between two is found from its second byte on, and find
// looks back. A distance of 0 is a position 65536 back, which says nothing.
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

// note notes the positions i and i+1.
func (f *finder) note(buf []byte, i int) {
	v := load64(buf, i)
	f.table[f.prime.hash(v)] = f.base + uint16(i)
	f.table[f.prime.hash(v>>8)] = f.base + uint16(i+1)
}

// putLiterals writes buf[from:to], four or eight bytes at once where that many follow: how
// long a run is cannot be foretold, and most are shorter.
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

// putMatch writes a match of any length, in pieces of at most 258 and at least 4 bytes.
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

// noteAll notes the positions of buf[start:].
func (t *table) noteAll(buf []byte, start int, base uint16) {
	for i := start; i <= len(buf)-8; i++ {
		t[sixBytes.hash(load64(buf, i))] = base + uint16(i)
	}
}

// common returns how many bytes are equal from i and from j < i on.
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
