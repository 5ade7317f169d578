//go:build !unix

package bridge

import "os/exec"

func group(*exec.Cmd) {}

// kill kills only the command, because there are no process groups.
func kill(cmd *exec.Cmd) { cmd.Process.Kill() }
