//go:build amd64 && !purego

// Package cpu detects instructions beyond the baseline.
package cpu

// AVX2 is true if the processor has AVX2 and the system saves its registers.
var AVX2 = hasAVX2()

func hasAVX2() bool
