package inflate

import (
	"errors"
	"fmt"
)

// ErrTooLarge reports that a message inflates to more bytes than the limit.
var ErrTooLarge = errors.New("inflate: message is larger than the limit")

// ErrCorrupt matches every [CorruptError] in [errors.Is].
var ErrCorrupt = errors.New("inflate: corrupt data")

// errAbandoned reports that a message was not read to its end, so that the
// history for later messages is not known.
var errAbandoned = errors.New("inflate: an earlier message was abandoned")

// Mistakes of the caller.
var (
	errMixed = errors.New("inflate: Extend and Append or Read are mixed in one message")
	errShort = errors.New("inflate: dst of Extend does not hold the message so far")
)

// CorruptError describes a fault in the compressed data of a message.
type CorruptError struct {
	Offset  int64  // offset in the compressed payload of the message
	Section string // violated section, such as "RFC 1951, section 3.2.4"
	Reason  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v at byte %d: %s (%s)", ErrCorrupt, e.Offset, e.Reason, e.Section)
}

// Is reports whether target is [ErrCorrupt].
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
