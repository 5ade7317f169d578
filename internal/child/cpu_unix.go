//go:build unix

package child

import (
	"syscall"
	"time"
)

// CPU returns the CPU time that this process has used.
func CPU() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
