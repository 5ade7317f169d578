package utf8s

// failed is the value of Validator.need after an impossible byte.
const failed = 0xFF

// shortPiece is the length up to which a piece is first validated as whole
// characters.
const shortPiece = 64

// A Validator validates a text in pieces, which may be cut anywhere. The zero
// value is at the beginning of a text. Validators are plain values: assign the
// zero value to reset one, copy one to save its state, and compare states with
// ==.
type Validator struct {
	need   uint8 // missing bytes of the open character, or failed
	lo, hi uint8 // the range of its next byte; zero when none is open
}

// Valid validates the next piece of the text. It returns false from the first
// impossible byte on, even inside a character.
func (v *Validator) Valid(p []byte) bool {
	_, ok := v.Feed(p)
	return ok
}

// Feed is Valid, but also returns the number of bytes of p up to the end of the
// last complete, valid character. It is len(p) without the bytes of a character
// that p leaves open. If ok is false, the impossible byte is among the next
// four bytes.
func (v *Validator) Feed(p []byte) (accepted int, ok bool) {
	// Most pieces neither begin nor end inside a character. Checking the end of
	// a piece takes as long as validating a short piece.
	if v.need == 0 && (len(p) <= shortPiece || p[len(p)-1] < 0x80) && valid(p) {
		return len(p), true
	}
	return v.feedCut(p)
}

// feedCut is Feed for a piece that may begin or end inside a character, or be
// invalid.
func (v *Validator) feedCut(p []byte) (accepted int, ok bool) {
	n := 0
	for n < len(p) && v.need > 0 && v.step(p[n]) {
		n++
	}
	if v.need > 0 {
		return 0, v.need != failed
	}
	end := len(p) - partial(p[n:])
	if !valid(p[n:end]) {
		end = n
	}
	return v.scan(p, end)
}

// Done reports whether the text may end here: not inside a character, and not
// after an impossible byte.
func (v *Validator) Done() bool { return v.need == 0 }

// scan is Feed for p[n:], byte by byte. The first n bytes are already accepted.
func (v *Validator) scan(p []byte, n int) (accepted int, ok bool) {
	accepted = n
	for i, c := range p[n:] {
		if !v.step(c) {
			return accepted, false
		}
		if v.need == 0 {
			accepted = n + i + 1
		}
	}
	return accepted, true
}

// step checks the next byte and reports whether it is possible. The ranges are
// those of table 3-7 of the Unicode Standard, and of RFC 3629, section 4.
func (v *Validator) step(c byte) bool {
	switch {
	case v.need == failed:
		return false
	case v.need > 0:
		switch {
		case c < v.lo || v.hi < c:
			*v = Validator{need: failed}
		case v.need == 1:
			*v = Validator{}
		default:
			*v = Validator{v.need - 1, 0x80, 0xBF}
		}
	case c < 0x80:
	case c < 0xC2:
		*v = Validator{need: failed}
	case c < 0xE0:
		*v = Validator{1, 0x80, 0xBF}
	case c == 0xE0:
		*v = Validator{2, 0xA0, 0xBF}
	case c == 0xED:
		*v = Validator{2, 0x80, 0x9F}
	case c < 0xF0:
		*v = Validator{2, 0x80, 0xBF}
	case c == 0xF0:
		*v = Validator{3, 0x90, 0xBF}
	case c < 0xF4:
		*v = Validator{3, 0x80, 0xBF}
	case c == 0xF4:
		*v = Validator{3, 0x80, 0x8F}
	default:
		*v = Validator{need: failed}
	}
	return v.need != failed
}

// partial returns the number of bytes at the end of p that may begin a
// character which p does not end.
func partial(p []byte) int {
	for i := 1; i <= min(3, len(p)); i++ {
		switch c := p[len(p)-i]; {
		case c < 0x80:
			return 0
		case c < 0xC0:
		case c < 0xE0 && i >= 2, c < 0xF0 && i >= 3:
			return 0
		default:
			return i
		}
	}
	return 0
}
