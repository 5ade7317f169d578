package inflate

// match opens a match (RFC 1951, section 3.2.3). It must not refer back beyond
// the window, nor beyond the first byte there was.
func (s *stream) match(length, distance int) status {
	if distance > s.past.size || distance > s.n-s.base+len(s.past.buf) {
		return s.corrupt("RFC 1951, section 3.2.5", "distance too far back")
	}
	s.length, s.distance = length, distance
	return goOn
}

// copyMatch copies the open match, as far as there is room, and reports whether
// that was all of it.
func (s *stream) copyMatch() bool {
	for s.length > 0 {
		if s.copyPiece() == 0 {
			return false
		}
	}
	return true
}

// copyPiece copies the next bytes of the open match and returns their number.
// They come from one end of the history, or are all the rest from the output.
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

// repeat fills p with its first k bytes, over and over, and returns how many
// copies that took. The source stays and each copy doubles it.
func repeat(p []byte, k int) (copies int) {
	for k < len(p) {
		k += copy(p[k:], p[:k])
		copies++
	}
	return copies
}

// overrun is how far copyFrom may read and write beyond the end.
const overrun = 15

// copyWithin appends to out[:n] the length bytes that begin distance bytes
// before, and returns where they end. It may write overrun bytes beyond.
func copyWithin(out []byte, n, distance, length int) int {
	if distance >= 16 {
		return copyFrom(out, n, out[n-distance:], length)
	}
	repeat(out[n-distance:n+length], distance)
	return n + length
}

// copyFrom appends to out[:n] the first length bytes of p, and returns where
// they end.
func copyFrom(out []byte, n int, p []byte, length int) int {
	for k := 0; k < length; k += 16 {
		*(*[16]byte)(out[n+k:]) = *(*[16]byte)(p[k:])
	}
	return n + length
}
