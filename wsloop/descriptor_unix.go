//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package wsloop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// duplicate returns a duplicate of the descriptor of a TCP or Unix stream
// socket. ok is false for everything else. Closing the original removes it from
// the runtime's poller. (File().Fd() would make the shared file description
// blocking.)
func duplicate(conn any) (fd int, ok bool, err error) {
	var sc syscall.Conn
	switch c := conn.(type) {
	case *net.TCPConn:
		sc = c
	case *net.TCPListener:
		sc = c
	case *net.UnixConn:
		if c.LocalAddr().Network() != "unix" {
			return -1, false, nil // packets, not a stream
		}
		sc = c
	case *net.UnixListener:
		if c.Addr().Network() != "unix" {
			return -1, false, nil
		}
		sc = c
	default:
		return -1, false, nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1, true, err
	}
	var failed error
	err = raw.Control(func(s uintptr) {
		fd, failed = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return -1, true, fmt.Errorf("wsloop: duplicate the descriptor: %w", err)
	}
	return fd, true, nil
}

func closeDescriptor(fd int) { unix.Close(fd) }

func closeWriteDescriptor(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

// tune sets options that package net sets on accepted connections, but leaves
// the intervals of the keepalive to the system: Config.KeepAlive is a better way
// to find dead peers.
func tune(fd int, from netip.AddrPort) {
	if from.IsValid() {
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
}

// addrPort returns the address of a TCP peer, or the zero value.
func addrPort(from unix.Sockaddr) netip.AddrPort {
	switch a := from.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}

// accepted is the outcome of accept.
type accepted int

const (
	acceptedOne accepted = iota
	acceptedNone
	acceptedAborted   // this one is gone; try the next
	acceptedExhausted // there is no descriptor, or no memory, for another one
	acceptedFailed
)

// accept accepts a connection from the listener fd.
func accept(fd int) (conn int, from netip.AddrPort, result accepted, err error) {
	conn, addr, err := acceptDescriptor(fd)
	switch err {
	case nil:
		from = addrPort(addr)
		tune(conn, from)
		return conn, from, acceptedOne, nil
	case unix.EAGAIN:
		return -1, from, acceptedNone, nil
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		return -1, from, acceptedExhausted, err
	case unix.EBADF, unix.EINVAL, unix.ENOTSOCK, unix.EOPNOTSUPP, unix.EFAULT:
		return -1, from, acceptedFailed, fmt.Errorf("wsloop: accept: %w", err)
	}
	return -1, from, acceptedAborted, nil // accept(2): errors of the new socket count like EAGAIN
}

// isExhausted reports whether err says that there is no descriptor or memory
// left.
func isExhausted(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// reserve returns a descriptor that can later be closed to make room for
// another one.
func reserve() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}
