//go:build !unix

package main

import "math"

// mostFiles returns how many descriptors a process may have: there is no such limit here.
func mostFiles() int { return math.MaxInt32 }
