//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package wsloop

import "golang.org/x/sys/unix"

// The system calls of the kqueue poller.

type keventT = unix.Kevent_t

const (
	filterRead  = unix.EVFILT_READ
	filterWrite = unix.EVFILT_WRITE
	eventAdd    = unix.EV_ADD
	eventDelete = unix.EV_DELETE
)

func createKqueue() (int, error) { return unix.Kqueue() }

func setKevent(k *keventT, fd, filter, flags int) { unix.SetKevent(k, fd, filter, flags) }

func callKevent(kq int, changes, events []keventT, timeout *unix.Timespec) (int, error) {
	return unix.Kevent(kq, changes, events, timeout)
}
