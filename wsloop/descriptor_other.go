//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package wsloop

import (
	"errors"
	"net/netip"
)

// On these systems goroutines read from and write to all connections: see pump.

func newPoller() (poller, error) { return newChannelPoller(), nil }

func duplicate(any) (fd int, ok bool, err error) { return -1, false, nil }

func readDescriptor(int, []byte) (int, error) { return 0, errors.ErrUnsupported }

func writeDescriptor(int, []byte) (int, error) { return 0, errors.ErrUnsupported }

func writeBoth(int, []byte, []byte) (int, error) { return 0, errors.ErrUnsupported }

func closeDescriptor(int) {}

func closeWriteDescriptor(int) error { return errors.ErrUnsupported }

type accepted int

const (
	acceptedOne accepted = iota
	acceptedNone
	acceptedAborted
	acceptedExhausted
	acceptedFailed
)

func accept(int) (conn int, from netip.AddrPort, result accepted, err error) {
	return -1, from, acceptedFailed, errors.ErrUnsupported
}

func isExhausted(error) bool { return false }

func reserve() int { return -1 }
