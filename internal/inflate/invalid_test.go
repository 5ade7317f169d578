package inflate

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// bitWriter puts together what no encoder would send.
type bitWriter struct {
	p []byte
	n uint
}

// bits appends the k low bits of v, the lowest first.
func (w *bitWriter) bits(v uint64, k uint) *bitWriter {
	for i := range k {
		if w.n%8 == 0 {
			w.p = append(w.p, 0)
		}
		w.p[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
	return w
}

// code appends a code of k bits, which goes from its highest bit on.
func (w *bitWriter) code(v uint64, k uint) *bitWriter {
	for i := range k {
		w.bits(v>>(k-1-i), 1)
	}
	return w
}

// fixedLiteral appends a literal below 144 of the fixed code.
func (w *bitWriter) fixedLiteral(c byte) *bitWriter { return w.code(0x30+uint64(c), 8) }

// dynamic begins a dynamic block whose code length code has the lengths 0 to 15
// as codes of four bits: length n is the code n. Repeats can not be said by it.
func (w *bitWriter) dynamic(hlit, hdist int, lens ...uint8) *bitWriter {
	w.bits(0, 1).bits(2, 2).bits(uint64(hlit-257), 5).bits(uint64(hdist-1), 5).bits(19-4, 4)
	for _, symbol := range codeLengthOrder {
		if symbol < 16 {
			w.bits(4, 3)
		} else {
			w.bits(0, 3)
		}
	}
	for _, n := range lens {
		w.code(uint64(n), 4)
	}
	return w
}

// at returns n lengths, of which those at the given places are set.
func at(n int, pairs ...int) []uint8 {
	lens := make([]uint8, n)
	for i := 0; i < len(pairs); i += 2 {
		lens[pairs[i]] = uint8(pairs[i+1])
	}
	return lens
}

// both returns the lengths of the two codes one after the other.
func both(lit, dist []uint8) []uint8 { return append(append([]uint8(nil), lit...), dist...) }

func block() *bitWriter { return new(bitWriter) }

// clen begins a dynamic block with a code length code of these lengths, in the
// order in which they are sent.
func clen(hlit, hdist int, lens ...uint64) *bitWriter {
	w := block().bits(0, 1).bits(2, 2).bits(uint64(hlit-257), 5).bits(uint64(hdist-1), 5).bits(uint64(len(lens)-4), 4)
	for _, n := range lens {
		w.bits(n, 3)
	}
	return w
}

// invalid are payloads that no decoder may take, by what they break.
var invalid = []struct {
	section string
	name    string
	payload []byte
}{
	{"RFC 1951, section 3.2.3", "reserved block type", block().bits(0, 1).bits(3, 2).bits(0, 40).p},
	{"RFC 1951, section 3.2.4", "length without its complement", []byte("\x00\x05\x00\xfa\xfeHello\x00")},
	{"RFC 7692, section 7.2.2", "stored block cut short", []byte("\x00\x0a\x00\xf5\xffHello")},
	{"RFC 7692, section 7.2.2", "cut within a stored length", []byte("\x00\x05\x00\xfa")},
	{"RFC 7692, section 7.2.2", "cut before the end of the block", block().bits(0, 1).bits(1, 2).code(0x190, 9).code(0x1ff, 9).code(0x1ff, 9).p},
	{"RFC 7692, section 7.2.2", "ends at a block, without its empty stored one", []byte("\x00\x01\x00\xfe\xffH")},
	{"RFC 7692, section 7.2.2", "with the tail still on", []byte("\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff")},
	{"RFC 7692, section 7.2.2", "bits left over behind the last block", block().dynamic(257, 1, both(at(257, 'a', 1, 'b', 2, 'c', 3, 'd', 4, 'e', 5,
		'f', 6, 'g', 7, 'h', 8, 'i', 9, 'j', 10, 'k', 11, 'l', 12, 'm', 13, 'n', 14, 256, 14), at(1))...).p},
	{"RFC 1951, section 3.2.5", "distance before the first byte", block().bits(0, 1).bits(1, 2).fixedLiteral('a').code(1, 7).code(1, 5).code(0, 7).bits(0, 3).p},
	{"RFC 1951, section 3.2.5", "length symbol 286", block().bits(0, 1).bits(1, 2).fixedLiteral('a').code(0xc6, 8).code(0, 5).code(0, 7).bits(0, 3).p},
	{"RFC 1951, section 3.2.5", "length symbol 287", block().bits(0, 1).bits(1, 2).fixedLiteral('a').code(0xc7, 8).code(0, 5).code(0, 7).bits(0, 3).p},
	{"RFC 1951, section 3.2.5", "distance symbol 30", block().bits(0, 1).bits(1, 2).fixedLiteral('a').code(1, 7).code(30, 5).code(0, 7).bits(0, 3).p},
	{"RFC 1951, section 3.2.5", "distance symbol 31", block().bits(0, 1).bits(1, 2).fixedLiteral('a').code(1, 7).code(31, 5).code(0, 7).bits(0, 3).p},
	{"RFC 1951, section 3.2.5", "match without a distance code", block().dynamic(258, 1, both(at(258, 'a', 2, 'b', 2, 256, 2, 257, 2), at(1))...).
		code(0, 2).code(3, 2).bits(0, 30).p},
	{"RFC 1951, section 3.2.5", "the other code where there is one", block().dynamic(258, 1, both(at(258, 'a', 2, 'b', 2, 256, 2, 257, 2), at(1, 0, 1))...).
		code(0, 2).code(3, 2).code(1, 1).bits(0, 30).p},
	{"RFC 1951, section 3.2.7", "too many literals and lengths", clen(287, 1, 0, 0, 1, 1).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "too many distances", clen(257, 31, 0, 0, 1, 1).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "oversubscribed code length code", clen(257, 1, 1, 1, 1, 0).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "incomplete code length code", clen(257, 1, 2, 2, 2, 0).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "a single code length code of two bits", clen(257, 1, 0, 0, 2, 0).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "no code length code", clen(257, 1, 0, 0, 0, 0).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "the other code of a code length code of one", clen(257, 1, 0, 0, 1, 0).bits(1, 64).p},
	{"RFC 1951, section 3.2.7", "repeat without a previous length", clen(257, 1, 1, 0, 1, 0).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "more lengths than announced", clen(257, 1, 0, 0, 1, 1).code(1, 1).bits(127, 7).code(1, 1).bits(127, 7).bits(0, 32).p},
	{"RFC 1951, section 3.2.7", "no code for the end of the block", block().dynamic(257, 1, both(at(257, 'a', 1, 'b', 1), at(1, 0, 1))...).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "oversubscribed literal code", block().dynamic(257, 1, both(at(257, 'a', 1, 'b', 1, 256, 1), at(1, 0, 1))...).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "incomplete literal code", block().dynamic(257, 1, both(at(257, 'a', 2, 'b', 2, 256, 2), at(1, 0, 1))...).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "a single literal code of two bits", block().dynamic(257, 1, both(at(257, 256, 2), at(1, 0, 1))...).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "oversubscribed distance code", block().dynamic(257, 3, both(at(257, 'a', 1, 256, 1), at(3, 0, 1, 1, 1, 2, 1))...).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "incomplete distance code", block().dynamic(257, 3, both(at(257, 'a', 1, 256, 1), at(3, 0, 1, 1, 2))...).bits(0, 64).p},
	{"RFC 1951, section 3.2.7", "a single distance code of two bits", block().dynamic(257, 1, both(at(257, 'a', 1, 256, 1), at(1, 0, 2))...).bits(0, 64).p},
}

func TestInvalid(t *testing.T) {
	for _, test := range invalid {
		for _, way := range ways {
			t.Run(test.section+"/"+test.name+"/"+way.name, func(t *testing.T) {
				_, err := reference(nil, test.payload)
				require.Error(t, err, "the test is wrong")
				var d Decoder
				_, err = way.inflate(&d, test.payload)
				var corrupt *CorruptError
				require.ErrorAs(t, err, &corrupt)
				require.ErrorIs(t, err, ErrCorrupt)
				require.Equal(t, test.section, corrupt.Section, "%v", err)
				require.LessOrEqual(t, corrupt.Offset, int64(len(test.payload)))
				_, again := d.Append(nil, []byte{0}, true, -1)
				require.Equal(t, err, again, "an error stays")
			})
		}
	}
}

// The codes that are not complete and nevertheless allowed.
func TestIncompleteCodes(t *testing.T) {
	for _, test := range []struct {
		name    string
		payload []byte
		want    string
	}{
		{"no distance code", block().dynamic(257, 1, both(at(257, 'a', 1, 256, 1), at(1))...).
			code(0, 1).code(0, 1).code(1, 1).bits(0, 3).p, "aa"},
		{"one distance code", block().dynamic(258, 1, both(at(258, 'a', 2, 'b', 2, 256, 2, 257, 2), at(1, 0, 1))...).
			code(0, 2).code(3, 2).code(0, 1).code(1, 2).code(2, 2).bits(0, 3).p, "aaaab"},
		{"one literal code", block().dynamic(257, 1, both(at(257, 256, 1), at(1))...).code(0, 1).bits(0, 3).p, ""},
	} {
		for _, way := range ways {
			t.Run(test.name+"/"+way.name, func(t *testing.T) {
				want, err := reference(nil, test.payload)
				require.NoError(t, err)
				require.Equal(t, test.want, string(want))
				var d Decoder
				got, err := way.inflate(&d, test.payload)
				require.NoError(t, err)
				require.Equal(t, test.want, string(got))
			})
		}
	}
}

func TestOffset(t *testing.T) {
	for _, way := range ways {
		var d Decoder
		_, err := way.inflate(&d, []byte("\x00\x05\x00\xfa\xffHello\x06and more that is not looked at"))
		var corrupt *CorruptError
		require.ErrorAs(t, err, &corrupt, way.name)
		require.EqualValues(t, 11, corrupt.Offset, way.name)
		require.EqualError(t, err, "inflate: corrupt data at byte 11: reserved block type (RFC 1951, section 3.2.3)")
	}
}
