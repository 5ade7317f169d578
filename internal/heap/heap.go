// Package heap tells tests how much memory is in use.
package heap

import "runtime"

// InUse returns the bytes of reachable objects. It collects garbage twice,
// because the second collection empties pools.
func InUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
