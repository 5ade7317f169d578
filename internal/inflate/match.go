package inflate

// match begins a match (RFC 1951, section 3.2.3). It must not refer to bytes
// beyond the window or before the first byte.
func (s *stream) match(length, distance int) status {
	if distance > s.past.size || distance > s.n-s.base+len(s.past.buf) {
		return s.corrupt("RFC 1951, section 3.2.5", "distance too far back")
	}
	s.length, s.distance = length, distance
	return goOn
}

// copyMatch copies the open match as far as there is room, and reports whether
// it is complete.
func (s *stream) copyMatch() bool {
	for s.length > 0 {
		if s.copyPiece() == 0 {
			return false
		}
	}
	return true
}

// copyPiece copies the next bytes of the open match and returns their number.
// The bytes are contiguous in the history, or are the rest of the match from
// the output.
func (s *stream) copyPiece() int {
	k := min(s.length, len(s.out)-s.n)
	if before := s.distance - (s.n - s.base); before > 0 {
		from := s.past.back(before)
		k = copy(s.out[s.n:s.n+k], from)
	} else {
		repeat(s.out[s.n-s.distance:s.n+k], s.distance)
	}
	s.n += k
	s.length -= k
	return k
}

// repeat fills p with repetitions of its first k bytes, and returns the number
// of copy calls. Each one doubles the source.
func repeat(p []byte, k int) (copies int) {
	for k < len(p) {
		k += copy(p[k:], p[:k])
		copies++
	}
	return copies
}

// overrun is the number of bytes that copyFrom may read and write beyond the
// end.
const overrun = 15

// copyWithin appends to out[:n] the length bytes that begin distance bytes
// before n, and returns their end. It may write overrun bytes beyond.
func copyWithin(out []byte, n, distance, length int) int {
	if distance >= 16 {
		return copyFrom(out, n, out[n-distance:], length)
	}
	repeat(out[n-distance:n+length], distance)
	return n + length
}

// copyFrom appends the first length bytes of p to out[:n], and returns their
// end.
func copyFrom(out []byte, n int, p []byte, length int) int {
	for k := 0; k < length; k += 16 {
		*(*[16]byte)(out[n+k:]) = *(*[16]byte)(p[k:])
	}
	return n + length
}
