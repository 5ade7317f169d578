package main

import (
	"os/exec"
	"syscall"
)

// endWithParent makes a command end when this process does, however it ends.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
