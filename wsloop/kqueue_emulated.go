//go:build linux && kqueue

package wsloop

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// With the tag kqueue, the kqueue poller runs on Linux, for tests, with an
// emulation of kqueue(2) over epoll: level-triggered filters, one for each
// direction of a descriptor, which end with the descriptor. EV_DELETE without a
// filter is ENOENT. It shows that the poller keeps to that, not that a system
// does.

type keventT struct {
	Ident  uint64
	Filter int16
	Flags  uint16
}

const (
	filterRead  = -1
	filterWrite = -2
	eventAdd    = 1
	eventDelete = 2
)

func setKevent(k *keventT, fd, filter, flags int) {
	*k = keventT{uint64(fd), int16(filter), uint16(flags)}
}

// filters holds the filters of each descriptor, as events of epoll, by kqueue.
// An entry outlives its descriptor.
var filters struct {
	sync.Mutex
	of map[int]map[int]uint32
}

func createKqueue() (int, error) {
	kq, err := unix.EpollCreate1(0)
	if err != nil {
		return -1, err
	}
	filters.Lock()
	defer filters.Unlock()
	if filters.of == nil {
		filters.of = make(map[int]map[int]uint32)
	}
	filters.of[kq] = make(map[int]uint32)
	return kq, nil
}

func callKevent(kq int, changes, events []keventT, timeout *unix.Timespec) (int, error) {
	for i := range changes {
		if err := changes[i].apply(kq); err != nil {
			return -1, err
		}
	}
	if len(events) == 0 {
		return 0, nil
	}
	ms := -1
	if timeout != nil {
		ms = milliseconds(time.Duration(timeout.Nano()))
	}
	var raw [64]unix.EpollEvent
	n, err := unix.EpollWait(kq, raw[:min(len(raw), len(events)/2)], ms)
	if err != nil {
		return -1, err
	}
	return report(kq, events, raw[:n]), nil
}

func (k *keventT) event() uint32 {
	if k.Filter == filterWrite {
		return unix.EPOLLOUT
	}
	return unix.EPOLLIN
}

// apply adds or deletes a filter.
func (k *keventT) apply(kq int) error {
	filters.Lock()
	defer filters.Unlock()
	of, fd := filters.of[kq], int(k.Ident)
	had := of[fd]
	ctl := func(op int, want uint32) error {
		of[fd] = want
		return unix.EpollCtl(kq, op, fd, &unix.EpollEvent{Events: want, Fd: int32(fd)})
	}
	switch want := had &^ k.event(); {
	case k.Flags == eventDelete && want == had:
		return unix.ENOENT
	case k.Flags == eventDelete && want == 0:
		return ctl(unix.EPOLL_CTL_DEL, 0)
	case k.Flags == eventDelete:
		return ctl(unix.EPOLL_CTL_MOD, want)
	case had != 0:
		if err := ctl(unix.EPOLL_CTL_MOD, had|k.event()); err != unix.ENOENT {
			return err
		}
		// The filters that it had were those of another descriptor.
	}
	return ctl(unix.EPOLL_CTL_ADD, k.event())
}

// report fills events with what raw says.
func report(kq int, events []keventT, raw []unix.EpollEvent) (n int) {
	filters.Lock()
	defer filters.Unlock()
	for _, ev := range raw {
		const bad = unix.EPOLLERR | unix.EPOLLHUP
		for _, filter := range []int16{filterRead, filterWrite} {
			k := keventT{Ident: uint64(ev.Fd), Filter: filter}
			if filters.of[kq][int(ev.Fd)]&k.event() != 0 && ev.Events&(k.event()|bad) != 0 {
				events[n] = k
				n++
			}
		}
	}
	return n
}
