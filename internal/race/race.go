//go:build race

// Package race tells tests whether the race detector is on, which makes counts
// of allocations meaningless.
package race

// Enabled is true when the program was built with -race.
const Enabled = true
