//go:build purego || (!amd64 && !arm64)

package utf8s

var kernels []kernel
