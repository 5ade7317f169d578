package main

import (
	"os/exec"
	"syscall"
)

// endWithParent makes a command end with this process.
func endWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
