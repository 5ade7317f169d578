//go:build darwin || dragonfly || freebsd || netbsd || openbsd || kqueue

package wsloop

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// kqueue finds identities by descriptor: the data of a kevent is a pointer on
// these systems, and may not hold a number.
type kqueue struct {
	fd         int
	wakeR      int // a pipe wakes the loop: not all of these systems have user events
	wakeW      int
	raw        []keventT
	identities []identity // by descriptor; guarded by lock
	lock       chan struct{}
}

func newPoller() (poller, error) {
	fd, err := createKqueue()
	if err != nil {
		return nil, fmt.Errorf("wsloop: kqueue: %w", err)
	}
	unix.CloseOnExec(fd)
	var pipe [2]int
	syscall.ForkLock.RLock()
	err = unix.Pipe(pipe[:])
	if err == nil {
		unix.CloseOnExec(pipe[0])
		unix.CloseOnExec(pipe[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("wsloop: pipe: %w", err)
	}
	unix.SetNonblock(pipe[0], true)
	unix.SetNonblock(pipe[1], true)
	p := &kqueue{fd: fd, wakeR: pipe[0], wakeW: pipe[1], lock: make(chan struct{}, 1)}
	if err := p.arm(p.wakeR, identity{}, 0, wantIn); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *kqueue) arm(fd int, id identity, was, want interest) error {
	p.remember(fd, id)
	var changes [2]keventT
	n := 0
	for _, f := range []struct {
		bit    interest
		filter int
	}{{wantIn, filterRead}, {wantOut, filterWrite}} {
		if was&f.bit == want&f.bit {
			continue
		}
		flags := eventDelete
		if want&f.bit != 0 {
			flags = eventAdd
		}
		setKevent(&changes[n], fd, f.filter, flags)
		n++
	}
	if n == 0 {
		return nil
	}
	if _, err := callKevent(p.fd, changes[:n], nil, nil); err != nil {
		return fmt.Errorf("wsloop: kevent: %w", err)
	}
	return nil
}

func (p *kqueue) remember(fd int, id identity) {
	p.lock <- struct{}{}
	for len(p.identities) <= fd {
		p.identities = append(p.identities, identity{})
	}
	p.identities[fd] = id
	<-p.lock
}

func (p *kqueue) wait(events []event, timeout time.Duration) (int, error) {
	if len(p.raw) < len(events) {
		p.raw = make([]keventT, len(events))
	}
	var limit *unix.Timespec
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(min(timeout, time.Hour)))
		limit = &t
	}
	n, err := callKevent(p.fd, nil, p.raw[:len(events)], limit)
	if err == unix.EINTR {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("wsloop: kevent: %w", err)
	}
	return p.translate(events, p.raw[:n]), nil
}

func (p *kqueue) translate(events []event, raw []keventT) (n int) {
	p.lock <- struct{}{}
	defer func() { <-p.lock }()
	for i := range raw {
		fd := int(raw[i].Ident)
		if fd == p.wakeR {
			var drop [64]byte
			readDescriptor(fd, drop[:])
			continue
		}
		filter := int(raw[i].Filter)
		events[n] = event{id: p.identities[fd], in: filter == filterRead, out: filter == filterWrite}
		n++
	}
	return n
}

func (p *kqueue) wake() { writeDescriptor(p.wakeW, []byte{1}) }

func (p *kqueue) close() {
	unix.Close(p.wakeR)
	unix.Close(p.wakeW)
	unix.Close(p.fd)
}

func readDescriptor(fd int, p []byte) (int, error) { return transfer(unix.Read, fd, p) }

func writeDescriptor(fd int, p []byte) (int, error) { return transfer(unix.Write, fd, p) }

// writeBoth writes a and then b.
func writeBoth(fd int, a, b []byte) (int, error) {
	n, err := writeDescriptor(fd, a)
	if err != nil || n < len(a) {
		return n, err
	}
	m, err := writeDescriptor(fd, b)
	if err == errAgain {
		err = nil // a part is written
	}
	return n + m, err
}

func transfer(call func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		n, err := call(fd, p)
		switch err {
		case nil:
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, errAgain
		default:
			return 0, err
		}
	}
}

// acceptDescriptor accepts a connection, non-blocking and closed on exec.
func acceptDescriptor(fd int) (int, unix.Sockaddr, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	conn, from, err := unix.Accept(fd)
	if err != nil {
		return -1, nil, err
	}
	unix.CloseOnExec(conn)
	if err := unix.SetNonblock(conn, true); err != nil {
		unix.Close(conn)
		return -1, nil, err
	}
	return conn, from, nil
}
