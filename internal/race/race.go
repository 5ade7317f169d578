//go:build race

// Package race tells tests whether the race detector is on: it allocates on its
// own and so makes allocation counts meaningless.
package race

// Enabled is true when the program was built with -race.
const Enabled = true
