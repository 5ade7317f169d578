//go:build unix

package ws

import (
	"os"
	"syscall"
)

// socket copies received bytes of a socket to room without consuming them. Like
// Read, it waits until there are some or the deadline has passed. At the end of
// the stream it returns 0.
func (p *peek) socket(raw syscall.RawConn, room []byte) (n int, err error) {
	if p.look == nil {
		p.look = p.recv // only once, because it allocates
	}
	p.room = room
	err = raw.Read(p.look)
	p.room = nil
	if err != nil {
		return 0, err
	}
	return p.n, os.NewSyscallError("recvfrom", p.err)
}

// peek holds the state of a call that peeks into a socket.
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
