//go:build purego || (!amd64 && !arm64)

package mask

var kernels []kernel
