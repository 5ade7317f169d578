// Package toy has functions whose tests are known to be good or bad.
package toy

// Clamp returns v, or the closer of low and high.
func Clamp(v, low, high int) int {
	if v < low {
		v = low
	}
	if v > high {
		v = high
	}
	return v
}

// Open reports whether a counter below 3 may still be increased.
func Open(n int, closed bool) bool {
	return !closed && n < 3
}

// Spin ends only because its loop counts.
func Spin() (n int) {
	for n != 4 {
		n++
	}
	return n
}

// Untested has no test.
func Untested(ok bool) (n int) {
	if ok {
		n = 1
	}
	return n
}
