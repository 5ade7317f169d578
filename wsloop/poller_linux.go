//go:build !kqueue

package wsloop

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is level-triggered: bytes that a read leaves raise another event.
type epoll struct {
	fd, eventFD int
	raw         []unix.EpollEvent
}

const wakeSlot = 1<<32 - 1

func newPoller() (poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("wsloop: epoll_create1: %w", err)
	}
	eventFD, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("wsloop: eventfd: %w", err)
	}
	p := &epoll{fd: fd, eventFD: eventFD}
	if err := p.arm(eventFD, identity{slot: wakeSlot}, 0, wantIn); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *epoll) arm(fd int, id identity, was, want interest) error {
	ev := unix.EpollEvent{Fd: int32(id.slot), Pad: int32(id.generation)}
	if want&wantIn != 0 {
		ev.Events |= unix.EPOLLIN
	}
	if want&wantOut != 0 {
		ev.Events |= unix.EPOLLOUT
	}
	op := unix.EPOLL_CTL_MOD
	switch {
	case was == want:
		return nil
	case was == 0:
		op = unix.EPOLL_CTL_ADD
	case want == 0:
		op = unix.EPOLL_CTL_DEL
	}
	if err := unix.EpollCtl(p.fd, op, fd, &ev); err != nil {
		return fmt.Errorf("wsloop: epoll_ctl: %w", err)
	}
	return nil
}

// wait first polls without waiting, in a system call that is hidden from the
// scheduler: under load there are always events. If there are none, it lets
// other goroutines run and waits.
func (p *epoll) wait(events []event, timeout time.Duration) (int, error) {
	if len(p.raw) < len(events) {
		p.raw = make([]unix.EpollEvent, len(events))
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.raw[0])), uintptr(len(events)), 0, 0, 0)
	if errno == 0 && n == 0 && timeout != 0 {
		runtime.Gosched()
		m, err := unix.EpollWait(p.fd, p.raw[:len(events)], milliseconds(timeout))
		if err == unix.EINTR {
			return 0, nil
		}
		if err != nil {
			return 0, fmt.Errorf("wsloop: epoll_wait: %w", err)
		}
		n = uintptr(m)
	}
	if errno != 0 {
		if errno == unix.EINTR {
			return 0, nil
		}
		return 0, fmt.Errorf("wsloop: epoll_pwait: %w", errno)
	}
	return p.translate(events, p.raw[:n]), nil
}

func (p *epoll) translate(events []event, raw []unix.EpollEvent) (n int) {
	for i := range raw {
		ev := &raw[i]
		if uint32(ev.Fd) == wakeSlot {
			var count [8]byte
			transfer(unix.SYS_READ, p.eventFD, count[:], 0)
			continue
		}
		const bad = unix.EPOLLERR | unix.EPOLLHUP
		events[n] = event{
			id:  identity{uint32(ev.Fd), uint32(ev.Pad)},
			in:  ev.Events&(unix.EPOLLIN|bad) != 0,
			out: ev.Events&(unix.EPOLLOUT|bad) != 0,
		}
		n++
	}
	return n
}

func (p *epoll) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	transfer(unix.SYS_WRITE, p.eventFD, one[:], 0)
}

func (p *epoll) close() {
	unix.Close(p.eventFD)
	unix.Close(p.fd)
}

// The descriptors are non-blocking, so that system calls which read and write
// them can be hidden from the scheduler. errAgain stands for EAGAIN. The calls
// for sockets cost less than read and write, and do not raise a signal.

func readDescriptor(fd int, p []byte) (int, error) {
	return transfer(unix.SYS_RECVFROM, fd, p, 0)
}

func writeDescriptor(fd int, p []byte) (int, error) {
	return transfer(unix.SYS_SENDTO, fd, p, unix.MSG_NOSIGNAL)
}

// writeBoth writes a and then b.
func writeBoth(fd int, a, b []byte) (int, error) {
	if len(a) == 0 {
		return writeDescriptor(fd, b)
	}
	pieces := [2]unix.Iovec{{Base: &a[0]}, {Base: &b[0]}}
	pieces[0].SetLen(len(a))
	pieces[1].SetLen(len(b))
	m := unix.Msghdr{Iov: &pieces[0]}
	m.SetIovlen(len(pieces))
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), unix.MSG_NOSIGNAL)
		if errno != unix.EINTR {
			return result(n, errno)
		}
	}
}

// transfer makes a call that moves the bytes of p. Calls without flags ignore
// them.
func transfer(call uintptr, fd int, p []byte, flags uintptr) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		if errno != unix.EINTR {
			return result(n, errno)
		}
	}
}

func result(n uintptr, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN:
		return 0, errAgain
	}
	return 0, errno
}

// acceptDescriptor accepts a connection, non-blocking and closed on exec.
func acceptDescriptor(fd int) (int, unix.Sockaddr, error) {
	return unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}
