//go:build arm64 && !purego

package utf8s

var kernels = []kernel{vector("NEON", validNEON)}
