package inflate

import "encoding/binary"

// symbols decodes the data of a compressed block (RFC 1951, section 3.2.3).
func (s *stream) symbols() status {
	for s.at == atSymbols {
		if s.length > 0 && !s.copyMatch() {
			return needOutput
		}
		if st := s.symbolsFast(); st != goOn {
			return st
		}
		if s.length > 0 {
			continue
		}
		s.symbolsNearEnd()
		if st := s.symbol(); st != goOn {
			return st
		}
	}
	return goOn
}

// symbolsNearEnd decodes near the end of the input, where each symbol must be
// checked for its bits. It leaves everything but literals and matches within
// the output of this call to symbol.
func (s *stream) symbolsNearEnd() {
	c, out := s.code, s.out
	n, b, nb := s.n, s.b, s.nb
	for {
		if nb < 48 {
			s.b, s.nb = b, nb
			s.refill()
			b, nb = s.b, s.nb
		}
		e := find(c.lit[:], litBits, c.litMask, b)
		width := uint(e & 0xff)
		if e&isLiteral != 0 && width <= nb && n < len(out) {
			out[n] = byte(e >> 16)
			n++
			b >>= width & 63
			nb -= width
			continue
		}
		if e&(isLiteral|isOther) != 0 {
			break
		}
		d := find(c.dist[:], distBits, c.distMask, b>>(width&63))
		length, distance := value(e, b), value(d, b>>(width&63))
		width += uint(d & 0xff)
		if d&isOther != 0 || width > nb || distance > min(n-s.base, s.past.size) || n+length > len(out)-overrun {
			break
		}
		n = copyWithin(out, n, distance, length)
		b >>= width & 63
		nb -= width
	}
	s.n, s.b, s.nb = n, b, nb
}

// symbol decodes a literal, a match or the end of the block. Missing bits are
// zero in s.b; an invalid code with zeros is invalid with other bits as well.
func (s *stream) symbol() status {
	if s.nb < 48 {
		s.refill()
	}
	e := find(s.code.lit[:], litBits, s.code.litMask, s.b)
	if e&(isOther|isEnd) == isOther {
		return s.corrupt("RFC 1951, section 3.2.5", "no such literal or length")
	}
	width := uint(e & 0xff)
	switch {
	case s.nb < width:
		return needInput
	case e&isLiteral != 0:
		if s.n == len(s.out) {
			return needOutput
		}
		s.out[s.n] = byte(e >> 16)
		s.n++
		s.drop(width)
		return goOn
	case e&isEnd != 0:
		s.drop(width)
		s.endBlock()
		return goOn
	}
	length := value(e, s.b)
	e = find(s.code.dist[:], distBits, s.code.distMask, s.b>>width)
	if e&isOther != 0 {
		return s.corrupt("RFC 1951, section 3.2.5", "no such distance")
	}
	distance := value(e, s.b>>width)
	width += uint(e & 0xff)
	if s.nb < width {
		return needInput
	}
	s.drop(width)
	return s.match(length, distance)
}

// find returns the entry for the first bits of b. mask has the index bits of
// the table, which are index if there are subtables.
func find(table []uint32, index uint, mask, b uint64) uint32 {
	e := table[b&mask]
	if e&isSubtable != 0 {
		e = table[uint64(e>>16)+b>>index&(1<<(e>>8&15)-1)]
	}
	return e
}

// value returns the length or distance of the entry e with the extra bits after
// its code in b.
func value(e uint32, b uint64) int { return int(e>>16) + extraBits(e, b) }

// extraBits returns the extra bits of the entry e after its code in b.
func extraBits(e uint32, b uint64) int { return int(b & (1<<(e&63) - 1) >> (e >> 8 & 15)) }

// symbolsFast decodes while there are eight bytes of input and room for three
// literals. It leaves matches that cannot be copied in one piece to copyMatch:
// those near the end of the room or beyond an end of the history. It leaves the
// end of the block and faults to symbol.
//
// One refill provides 56 bits, enough for three literals. A match takes up to
// 48 bits, so a match after literals needs a second refill. The speed of the
// loop is limited by the branch prediction of literal or match: neither larger
// tables nor shorter code made a difference.
func (s *stream) symbolsFast() status {
	in, out := s.in, s.out
	i, n, b, nb := s.i, s.n, s.b, s.nb
	lit, dist := &s.code.lit, &s.code.dist
	litMask, distMask := s.code.litMask, s.code.distMask
	base, past, next, window := s.base, s.past.buf, s.past.next, s.past.size
	for i <= len(in)-8 && n <= len(out)-3 {
		b |= binary.LittleEndian.Uint64(in[i:]) << (nb & 63)
		i += int(63-nb) >> 3
		nb |= 56

		e := lit[b&litMask]
		if e&isLiteral != 0 {
			b >>= e & 63
			nb -= uint(e & 63)
			out[n] = byte(e >> 16)
			n++
			e = lit[b&litMask]
			if e&isLiteral != 0 {
				b >>= e & 63
				nb -= uint(e & 63)
				out[n] = byte(e >> 16)
				n++
				e = lit[b&litMask]
				if e&isLiteral != 0 {
					b >>= e & 63
					nb -= uint(e & 63)
					out[n] = byte(e >> 16)
					n++
					continue
				}
			}
			if i > len(in)-8 {
				break
			}
			b |= binary.LittleEndian.Uint64(in[i:]) << (nb & 63)
			i += int(63-nb) >> 3
			nb |= 56
		}
		if e&isOther != 0 {
			if e&isSubtable != 0 {
				e = lit[uint64(e>>16)+b>>litBits&(1<<(e>>8&15)-1)]
			}
			if e&isLiteral != 0 {
				b >>= e & 63
				nb -= uint(e & 63)
				out[n] = byte(e >> 16)
				n++
				continue
			}
			if e&isOther != 0 {
				break // the end of the block or an invalid code: left to symbol
			}
		}
		length := value(e, b)
		rest := b >> (e & 63)
		width := uint(e & 63)

		e = dist[rest&distMask]
		if e&isOther != 0 {
			if e&isSubtable != 0 {
				e = dist[uint64(e>>16)+rest>>distBits&(1<<(e>>8&15)-1)]
			}
			if e&isOther != 0 {
				break
			}
		}
		distance := value(e, rest)
		b = rest >> (e & 63)
		nb -= width + uint(e&63)

		if distance > window || n+length > len(out)-overrun {
			s.i, s.n, s.b, s.nb = i, n, b, nb
			return s.match(length, distance)
		}
		made := n - base
		if distance <= made {
			n = copyWithin(out, n, distance, length)
			continue
		}
		p := next + made - distance
		if p < 0 {
			p += len(past)
		}
		if p < 0 || p+length > len(past)-overrun || length > distance-made {
			s.i, s.n, s.b, s.nb = i, n, b, nb
			return s.match(length, distance)
		}
		n = copyFrom(out, n, past[p:], length)
	}
	s.i, s.n, s.b, s.nb = i, n, b, nb
	return goOn
}
