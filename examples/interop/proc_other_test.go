//go:build !unix

package interop

import "os/exec"

// ownGroup does nothing: only the process itself is killed.
func ownGroup(*exec.Cmd) {}
