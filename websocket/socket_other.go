//go:build !unix

package websocket

import (
	"errors"
	"syscall"

	"github.com/wskit/wskit/internal/bufpool"
)

// socket is not used on this platform: reads hold a small buffer while they
// wait.
type socket struct {
	raw   syscall.RawConn
	ready func(fd uintptr) bool
	p     []byte
	n     int
	err   error
	lent  *bufpool.Buffer
}

var errNoBuffer = errors.New("no buffer")

func (t *transport) openSocket() {}

func (s *socket) read([]byte) (int, error)  { panic("no socket") }
func (s *socket) result(error) (int, error) { panic("no socket") }
