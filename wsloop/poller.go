package wsloop

import (
	"errors"
	"time"
)

// poller tells a loop which connections may be read or written. There are three
// pollers: epoll, kqueue, and channelPoller, which has no descriptors. Only the
// loop calls the methods, with two exceptions: any goroutine that holds the lock
// of the loop may call wake, and arm may be called with the lock of the
// connection held.
type poller interface {
	// arm changes the interest in the descriptor from was to want. Without any
	// interest, the descriptor is not watched, so that an error cannot raise
	// the same event repeatedly.
	arm(fd int, id identity, was, want interest) error

	// wait fills events and returns their number. It returns after timeout, or
	// earlier after wake. A negative timeout means no limit.
	wait(events []event, timeout time.Duration) (int, error)

	// wake makes the current or next wait return.
	wake()

	close()
}

// identity names a connection to a poller: its slot, and the generation of the
// slot.
type identity struct{ slot, generation uint32 }

// listenerSlot is the slot of listeners, whose generation is their index.
const listenerSlot = 1<<32 - 2

// event says that a connection may be read, or written, or has an error that a
// read or a write will return.
type event struct {
	id      identity
	in, out bool
}

// interest is what a connection waits for.
type interest uint8

const (
	wantIn interest = 1 << iota
	wantOut
)

// errAgain reports that a descriptor has nothing to read, or accepts no more
// bytes.
var errAgain = errors.New("wsloop: try again")

// channelPoller waits only for wake and for the timeout.
type channelPoller chan struct{}

func newChannelPoller() channelPoller { return make(channelPoller, 1) }

func (channelPoller) arm(int, identity, interest, interest) error { return nil }

func (p channelPoller) wait(_ []event, timeout time.Duration) (int, error) {
	if timeout < 0 {
		<-p
		return 0, nil
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p:
	case <-timer.C:
	}
	return 0, nil
}

func (p channelPoller) wake() {
	select {
	case p <- struct{}{}:
	default:
	}
}

func (channelPoller) close() {}

// milliseconds returns d for a system call that counts milliseconds: rounded
// up, so that a loop does not spin until something is due.
func milliseconds(d time.Duration) int {
	if d < 0 {
		return -1
	}
	const most = time.Hour
	return int((min(d, most) + time.Millisecond - 1) / time.Millisecond)
}
