//go:build unix

package interop

import (
	"os/exec"
	"syscall"
)

// ownGroup makes cmd the head of a process group, and has all of the group
// killed with it: a browser has children.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
