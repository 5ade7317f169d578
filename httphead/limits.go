package httphead

import "math"

// What the zero value of [Limits] stands for.
const (
	DefaultMaxBytes  = 16 << 10
	DefaultMaxFields = 128
)

// Limits bounds a head. In each field zero stands for the default and a negative
// number for no limit.
type Limits struct {
	MaxBytes  int // of the whole head, its final empty line included
	MaxFields int
}

// Exceeded reports whether a head is over MaxBytes of which n bytes arrived and
// not the end: Parse then returns an [*Error] for them.
func (l Limits) Exceeded(n int) bool { return n >= l.maxBytes() }

func (l Limits) maxBytes() int  { return limit(l.MaxBytes, DefaultMaxBytes) }
func (l Limits) maxFields() int { return limit(l.MaxFields, DefaultMaxFields) }

func limit(n, byDefault int) int {
	switch {
	case n < 0:
		return math.MaxInt
	case n == 0:
		return byDefault
	}
	return n
}

// What Reset keeps of memory that one head out of the ordinary has made grow.
const (
	keepBytes = 64 << 10
	keepCount = 4 * DefaultMaxFields
)

// keepFields returns the memory of f for the next head, without what it refers to.
func keepFields(f Fields) Fields {
	if cap(f) > keepCount {
		return nil
	}
	clear(f[:cap(f)])
	return f[:0]
}

func keepScratch(b []byte) []byte {
	if cap(b) > keepBytes {
		return nil
	}
	return b[:0]
}
