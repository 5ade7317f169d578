//go:build !unix

package main

import "math"

// mostFiles returns the maximum number of descriptors of a process, which is
// unlimited here.
func mostFiles() int { return math.MaxInt32 }
