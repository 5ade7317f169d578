//go:build unix

package redisbroker

import (
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// stop stops a process until the end of the test.
func stop(t *testing.T, p *os.Process) {
	require.NoError(t, p.Signal(syscall.SIGSTOP))
	t.Cleanup(func() { p.Signal(syscall.SIGCONT) })
}
