//go:build unix

package main

import (
	"math"
	"syscall"
)

// mostFiles returns the maximum number of descriptors of a process. The Go
// runtime has already raised it as far as possible.
func mostFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 256
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
