//go:build !unix

package redisbroker

import (
	"os"
	"testing"
)

// stop stops a process until the end of the test.
func stop(t *testing.T, _ *os.Process) { t.Skip("processes cannot be stopped on this system") }
