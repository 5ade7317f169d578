//go:build amd64 && !purego

// Package cpu tells which instructions beyond the baseline may be used.
package cpu

// AVX2 is true when the processor has AVX2 and the system saves the registers
// that it uses.
var AVX2 = hasAVX2()

func hasAVX2() bool
