package wsflate

import (
	"errors"
	"fmt"

	"github.com/wskit/wskit/internal/inflate"
	"github.com/wskit/wskit/ws"
)

// DefaultMaxMessage is the most bytes to which a message may inflate where nothing else
// is said.
const DefaultMaxMessage = 16 << 20

// What a peer does wrong that sends compressed messages. Each is found by [errors.Is] in what is
// returned, which says more, and carries the code of the close frame that answers it.
var (
	// ErrCorrupt says that a message cannot be inflated.
	ErrCorrupt = &ws.ProtocolError{
		Code: ws.StatusInvalidFramePayloadData, Section: "7.4.1", Reason: "compressed message is corrupt",
	}

	// ErrTooLarge says that a message inflates to more bytes than the limit. It is
	// returned as soon as that is known.
	ErrTooLarge = &ws.ProtocolError{
		Code: ws.StatusMessageTooBig, Section: "7.4.1", Reason: "message inflates to more than the limit",
	}
)

// Mistakes of the caller.
var (
	errNoSource      = errors.New("wsflate: Reader has no source")
	errNoDestination = errors.New("wsflate: Writer has no destination")
	errClosed        = errors.New("wsflate: used after Close")
	errNoTail        = errors.New("wsflate: what the Compressor writes does not end in an empty block after Flush")
	errNoProgress    = errors.New("wsflate: the Decompressor ends without reading")
	errFragmented    = errors.New("wsflate: frame is a fragment: use a Reader or Writer")
	errMasked        = errors.New("wsflate: frame is masked: unmask it first, mask it afterwards")
)

// limitOf returns the limit that a setting stands for: 0 for the default.
func limitOf(n int64) int64 {
	if n == 0 {
		return DefaultMaxMessage
	}
	return n
}

// fault returns an error of the inflater as one that says who is at fault.
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
