package inflate

import "math"

// endOfBlock is the symbol that ends a block.
const endOfBlock = 256

// lengths is the state of decoding the header of a dynamic block (RFC 1951,
// section 3.2.7).
type lengths struct {
	start int // start bit in the chunk; negative if in an earlier chunk
	lit   int // HLIT + 257
	dist  int // HDIST + 1
	clen  int // HCLEN + 4
	k     int // number of lengths so far
	order [19]uint8

	// The code length code. The lengths so far are in the builder.
	table [1 << lengthBits]uint32
	mask  uint64 // the index bits of table
	last  uint32 // the length before k
}

// codeLengthOrder is the order of the lengths of the code length code.
var codeLengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamic begins a dynamic block. It skips a header that is known.
func (s *stream) dynamic() status {
	s.unread()
	s.borrowCodes()
	s.lens.start = -1
	if s.i < math.MaxInt/16 {
		s.lens.start = 8*s.i - int(s.nb)
	}
	if start := s.lens.start; start >= 0 {
		if c := s.codes.find(s.in, start); c != nil {
			s.code = c
			s.skipTo(start + c.headerBits)
			s.at = atSymbols
			return goOn
		}
	}
	s.at = atCounts
	return goOn
}

// skipTo makes bit pos of the chunk the next one.
func (s *stream) skipTo(pos int) {
	s.i, s.b, s.nb = pos/8, 0, 0
	if skip := uint(pos & 7); skip != 0 {
		s.b, s.nb = uint64(s.in[s.i])>>skip, 8-skip
		s.i++
	}
}

// counts reads HLIT, HDIST and HCLEN.
func (s *stream) counts() status {
	if !s.have(14) {
		return needInput
	}
	h := &s.lens
	h.lit = int(s.b&31) + 257
	h.dist = int(s.b>>5&31) + 1
	h.clen = int(s.b>>10&15) + 4
	s.drop(14)
	if h.lit > 286 || h.dist > 30 {
		return s.corrupt("RFC 1951, section 3.2.7", "too many symbols")
	}
	h.k = 0
	h.order = [19]uint8{}
	s.at = atLengthCode
	return goOn
}

// lengthCode reads the lengths of the code length code.
func (s *stream) lengthCode() status {
	h := &s.lens
	for h.k < h.clen {
		if !s.have(3) {
			return needInput
		}
		b, n := s.b, min(int(s.nb/3), h.clen-h.k)
		for _, symbol := range codeLengthOrder[h.k : h.k+n] {
			h.order[symbol] = uint8(b & 7)
			b >>= 3
		}
		s.drop(3 * uint(n))
		h.k += n
	}
	var code alphabet
	for symbol, length := range h.order {
		s.builder.link(&code, symbol, uint32(length))
	}
	index, ok := s.builder.build(h.table[:], lengthBits, &code, 0, lengthSymbols[:])
	if !ok {
		return s.corrupt("RFC 1951, section 3.2.7", "bad code length code")
	}
	s.builder.lit, s.builder.dist = alphabet{}, alphabet{}
	s.builder.before[endOfBlock] = 0
	h.mask = 1<<index - 1
	h.k, h.last = 0, 0
	s.at = atLengths
	return goOn
}

// codeLengths reads the lengths of the other two codes, and builds them.
func (s *stream) codeLengths() status {
	h, t := &s.lens, &s.builder
	b, nb, k, last := s.b, s.nb, h.k, h.last
	total, mask := h.lit+h.dist, h.mask
	for k < total {
		if nb < lengthBits+7 {
			s.b, s.nb = b, nb
			s.refill()
			b, nb = s.b, s.nb
		}
		e := h.table[b&mask&(1<<lengthBits-1)]
		width := uint(e & 63)
		if e&(isRepeat|isOther) == 0 && width <= nb {
			a := &t.lit
			if k >= h.lit {
				a = &t.dist
			}
			b >>= width
			nb -= width
			last = e >> 16
			t.link(a, k, last)
			k++
			continue
		}
		symbol, times := e>>16&31, int(e>>21&15)+extraBits(e, b)
		switch {
		case e&isOther != 0:
			return s.corrupt("RFC 1951, section 3.2.7", "invalid code in the code lengths")
		case nb < width:
			s.b, s.nb, h.k, h.last = b, nb, k, last
			return needInput
		case symbol == 16 && k == 0:
			return s.corrupt("RFC 1951, section 3.2.7", "repeat without a previous length")
		case times > total-k:
			return s.corrupt("RFC 1951, section 3.2.7", "more code lengths than were announced")
		}
		b >>= width
		nb -= width
		if symbol == 16 {
			h.repeat(t, k, times, last)
		} else {
			last = 0
		}
		k += times
	}
	s.b, s.nb = b, nb
	return s.buildCode()
}

// repeat adds symbols from k on, which may belong to both codes.
func (h *lengths) repeat(t *builder, k, times int, length uint32) {
	lit := min(max(h.lit-k, 0), times)
	t.add(&t.lit, k, lit, length)
	t.add(&t.dist, k+lit, times-lit, length)
}

// buildCode ends the header of a dynamic block.
func (s *stream) buildCode() status {
	h := &s.lens
	if s.builder.length(endOfBlock) == 0 {
		return s.corrupt("RFC 1951, section 3.2.7", "no code for the end of the block")
	}
	s.borrowCodes()
	c := s.codes.fresh()
	if what := c.build(&s.builder, h.lit); what != "" {
		return s.corrupt("RFC 1951, section 3.2.7", what)
	}
	s.unread()
	if h.start >= 0 {
		c.describe(s.in, h.start, 8*s.i-int(s.nb))
	}
	s.code = c
	s.at = atSymbols
	return goOn
}
