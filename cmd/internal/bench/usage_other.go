//go:build !unix

package bench

import "time"

// cpuTime is unknown on this platform.
func cpuTime() time.Duration { return 0 }

// maxDescriptors is unknown on this platform.
func maxDescriptors() int { return 0 }
