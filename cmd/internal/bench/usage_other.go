//go:build !unix

package bench

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }

// maxDescriptors is not known here.
func maxDescriptors() int { return 0 }
