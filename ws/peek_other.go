//go:build !unix

package ws

import (
	"errors"
	"syscall"
)

// peek would be the memory of a look at a socket, which needs MSG_PEEK.
type peek struct{}

func (*peek) socket(syscall.RawConn, []byte) (int, error) { return 0, errors.ErrUnsupported }
