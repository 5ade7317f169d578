package inflate

import (
	"errors"
	"fmt"
)

// ErrTooLarge says that a message inflates to more bytes than the limit allows.
var ErrTooLarge = errors.New("inflate: message is larger than the limit")

// ErrCorrupt is what every [CorruptError] is, for [errors.Is].
var ErrCorrupt = errors.New("inflate: corrupt data")

// errAbandoned says that a message was not read to its end, so that what the
// following ones refer back to is not known.
var errAbandoned = errors.New("inflate: an earlier message was abandoned")

// Mistakes of the caller.
var (
	errMixed = errors.New("inflate: message begun by Extend goes on by Append or Read, or the reverse")
	errShort = errors.New("inflate: dst of Extend lacks the message so far")
)

// CorruptError says what is wrong with the compressed data of a message.
type CorruptError struct {
	Offset  int64  // bytes of the message's compressed payload that had been used
	Section string // what is broken, such as "RFC 1951, section 3.2.4"
	Reason  string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("%v at byte %d: %s (%s)", ErrCorrupt, e.Offset, e.Reason, e.Section)
}

// Is makes every CorruptError an [ErrCorrupt].
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }
