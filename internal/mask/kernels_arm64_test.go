//go:build arm64 && !purego

package mask

var kernels = []kernel{vector("NEON", applyNEON)}
