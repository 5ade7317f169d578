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

	// The code length code, and the lengths so far.
	table [1 << lengthBits]uint32
	mask  uint64 // the index bits of table
	last  uint8  // the length before k
	n     int    // how many runs there are
	runs  [maxLengths]run
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
	n := 0
	for symbol, length := range h.order {
		h.runs[n] = makeRun(symbol, 1, length)
		if length != 0 {
			n++
		}
	}
	index, ok := s.builder.build(h.table[:], lengthBits, h.runs[:n], 0, lengthSymbols[:])
	if !ok {
		return s.corrupt("RFC 1951, section 3.2.7", "bad code length code")
	}
	h.mask = 1<<index - 1
	h.k, h.n, h.last = 0, 0, 0
	s.at = atLengths
	return goOn
}

// repeats are the symbols 16 to 18 of the code length code: their minimum
// number of repetitions, and the extra bits for more.
var repeats = [...]struct {
	least int
	extra uint
}{{3, 2}, {3, 3}, {11, 7}}

// codeLengths reads the lengths of the other two codes, and builds them.
func (s *stream) codeLengths() status {
	h := &s.lens
	b, nb, k, n, last := s.b, s.nb, h.k, h.n, h.last
	total, mask := h.lit+h.dist, h.mask
	for k < total {
		if nb < lengthBits+7 {
			s.b, s.nb = b, nb
			s.refill()
			b, nb = s.b, s.nb
		}
		e := h.table[b&mask&(1<<lengthBits-1)]
		symbol, width := e>>16, uint(e&15)
		if symbol < 16 && e&isOther == 0 && nb >= width {
			b >>= width
			nb -= width
			if last = uint8(symbol); last != 0 {
				h.runs[n] = makeRun(k, 1, last)
				n++
			}
			k++
			continue
		}
		if e&isOther != 0 {
			return s.corrupt("RFC 1951, section 3.2.7", "invalid code in the code lengths")
		}
		times, length := 1, uint8(0)
		if symbol >= 16 {
			r := repeats[(symbol-16)%3]
			times = r.least + int(b>>width&(1<<r.extra-1))
			width += r.extra
			if symbol == 16 {
				length = last
			}
		}
		switch {
		case nb < width:
			s.b, s.nb, h.k, h.n, h.last = b, nb, k, n, last
			return needInput
		case symbol == 16 && k == 0:
			return s.corrupt("RFC 1951, section 3.2.7", "repeat without a previous length")
		case times > total-k:
			return s.corrupt("RFC 1951, section 3.2.7", "more code lengths than were announced")
		}
		b >>= width & 63
		nb -= width
		if length != 0 {
			n = h.repeat(n, k, times)
		}
		last = length
		k += times
	}
	s.b, s.nb, h.n = b, nb, n
	return s.buildCode()
}

// repeat adds symbols from k on, with the length of the last run, to the first
// n runs, and returns the new number of runs. A run does not extend over both
// codes.
func (h *lengths) repeat(n, k, times int) int {
	last := h.runs[n-1]
	if k != h.lit {
		more := times
		if k < h.lit {
			more = min(times, h.lit-k)
		}
		h.runs[n-1] = last.longer(more)
		k, times = k+more, times-more
	}
	if times > 0 {
		h.runs[n] = makeRun(k, times, uint8(last.length()))
		n++
	}
	return n
}

// split returns the runs that begin before symbol, and the others.
func (h *lengths) split(symbol int) (before, after []run) {
	k := h.n
	for k > 0 && h.runs[k-1].symbol() >= symbol {
		k--
	}
	return h.runs[:k], h.runs[k:h.n]
}

// buildCode ends the header of a dynamic block.
func (s *stream) buildCode() status {
	h := &s.lens
	lit, dist := h.split(h.lit)
	if upTo, _ := h.split(endOfBlock + 1); len(upTo) == 0 || upTo[len(upTo)-1].end() <= endOfBlock {
		return s.corrupt("RFC 1951, section 3.2.7", "no code for the end of the block")
	}
	s.borrowCodes()
	c := s.codes.fresh()
	if what := c.build(&s.builder, lit, dist, h.lit); what != "" {
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
