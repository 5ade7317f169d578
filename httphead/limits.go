package httphead

import "math"

// Defaults of [Limits].
const (
	DefaultMaxBytes  = 16 << 10
	DefaultMaxFields = 128
)

// Limits are the limits of a head. In each field, 0 means the default and a
// negative value means no limit.
type Limits struct {
	MaxBytes  int // size of the head, including the final empty line
	MaxFields int
}

// Exceeded reports whether an incomplete head of n bytes has reached MaxBytes.
// Parse then returns an [*Error].
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

// Limits of the memory that Reset keeps after an unusually large head.
const (
	keepBytes = 64 << 10
	keepCount = 4 * DefaultMaxFields
)

// keepFields returns the memory of f for the next head, without references to
// the old one.
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
