//go:build unix

package main

import (
	"math"
	"syscall"
)

// mostFiles returns how many descriptors a process may have. The runtime of Go has raised
// the limit as far as it can.
func mostFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 256
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
