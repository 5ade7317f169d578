package wsflate

import (
	"errors"
	"fmt"

	"github.com/wskit/wskit/internal/inflate"
	"github.com/wskit/wskit/ws"
)

// DefaultMaxMessage is the default limit of the size of an inflated message in
// bytes.
const DefaultMaxMessage = 16 << 20

// Faults of the peer. Returned errors wrap these with more detail: use
// [errors.Is]. Code is the code of the close frame to send.
var (
	// ErrCorrupt reports a message that cannot be inflated.
	ErrCorrupt = &ws.ProtocolError{
		Code: ws.StatusInvalidFramePayloadData, Section: "7.4.1", Reason: "compressed message is corrupt",
	}

	// ErrTooLarge reports that a message inflates to more bytes than the limit.
	// It is returned as soon as the limit is exceeded.
	ErrTooLarge = &ws.ProtocolError{
		Code: ws.StatusMessageTooBig, Section: "7.4.1", Reason: "message inflates to more than the limit",
	}
)

// Mistakes of the caller.
var (
	errNoSource      = errors.New("wsflate: Reader has no source")
	errNoDestination = errors.New("wsflate: Writer has no destination")
	errClosed        = errors.New("wsflate: used after Close")
	errNoTail        = errors.New("wsflate: the output of the Compressor does not end in an empty block after Flush")
	errNoProgress    = errors.New("wsflate: the Decompressor returned io.EOF without reading its source")
	errFragmented    = errors.New("wsflate: frame is a fragment: use a Reader or Writer")
	errMasked        = errors.New("wsflate: frame is masked: unmask it first")
)

// limitOf returns n, or the default limit if n is 0.
func limitOf(n int64) int64 {
	if n == 0 {
		return DefaultMaxMessage
	}
	return n
}

// fault converts an error of the inflater. The type of the result says who is
// at fault.
func fault(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, inflate.ErrTooLarge):
		return ErrTooLarge
	case errors.Is(err, inflate.ErrCorrupt):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return fmt.Errorf("wsflate: %w", err)
}
