package utf8s

import "github.com/wskit/wskit/internal/mask"

// unmaskStep is the number of bytes that are unmasked before they are
// validated, so that validation reads them from the nearest cache. It is a
// multiple of four, so that every step begins at the same byte of the key.
const unmaskStep = 8 << 10

// tiny is the length below which written bytes are validated one by one. A
// kernel would load more bytes at once than were stored at once, and stall
// until they are in the cache.
const tiny = 8

// Unmask unmasks p in place like [mask.XOR], and validates the result like
// Valid. It always unmasks all of p.
func (v *Validator) Unmask(p []byte, key [4]byte, pos int) bool {
	if leastAtOnce <= len(p) && len(p) <= mostAtOnce && v.need == 0 {
		return unmask(p, mask.Word(key, pos)) || v.Valid(p)
	}
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

// unmaskGeneric unmasks p in place and reports whether the result is valid from
// beginning to end. It is the reference for tests of the assembly.
func unmaskGeneric(p []byte, key uint32) (ok bool) {
	mask.XOR(p, [4]byte{byte(key), byte(key >> 8), byte(key >> 16), byte(key >> 24)}, 0)
	return validGeneric(p)
}
