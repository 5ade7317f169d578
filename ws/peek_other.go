//go:build !unix

package ws

import (
	"errors"
	"syscall"
)

// peek is unused on systems without MSG_PEEK.
type peek struct{}

func (*peek) socket(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }
