//go:build !linux

package main

import "os/exec"

// endWithParent does nothing, because the system does not support it. A proxy
// may outlive a run that is killed.
func endWithParent(*exec.Cmd) {}
