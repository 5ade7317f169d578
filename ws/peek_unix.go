//go:build unix

package ws

import (
	"os"
	"syscall"
)

// socket copies to room what has arrived on a socket, as far as it fits, and
// leaves it there. Like Read it waits until something has, or the deadline has
// passed. At the end of the stream it returns 0.
func (p *peek) socket(raw syscall.RawConn, room []byte) (n int, err error) {
	if p.look == nil {
		p.look = p.recv // once, for it is allocated
	}
	p.room = room
	err = raw.Read(p.look)
	p.room = nil
	if err != nil {
		return 0, err
	}
	return p.n, os.NewSyscallError("recvfrom", p.err)
}

// peek is the memory of a look at a socket.
type peek struct {
	look func(fd uintptr) (done bool)
	room []byte
	n    int
	err  error
}

func (p *peek) recv(fd uintptr) (done bool) {
	for {
		p.n, _, p.err = syscall.Recvfrom(int(fd), p.room, syscall.MSG_PEEK)
		if p.err != syscall.EINTR {
			return p.err != syscall.EAGAIN
		}
	}
}
