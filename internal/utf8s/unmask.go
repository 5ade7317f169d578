package utf8s

import "github.com/wskit/wskit/internal/mask"

// unmaskStep is how much text is unmasked before it is validated: what was just
// written is read again from the nearest cache. It is a multiple of four, so that
// every step begins at the same byte of the key.
const unmaskStep = 8 << 10

// tiny is the length below which bytes that were just written are read one by
// one. A kernel loads more of them at once than were stored at once, for which it
// has to wait until they are in the cache.
const tiny = 8

// Unmask unmasks p in place as [mask.XOR] does, all of it in any case, and takes
// the result as the next piece of the text, as Valid does.
func (v *Validator) Unmask(p []byte, key [4]byte, pos int) bool {
	for len(p) > unmaskStep {
		v.Unmask(p[:unmaskStep], key, pos)
		p = p[unmaskStep:]
	}
	if mask.ASCII(p, key, pos) && v.need == 0 {
		return true
	}
	if v.need == 0 && len(p) < tiny && validGeneric(p) {
		return true
	}
	return v.Valid(p)
}
