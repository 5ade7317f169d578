//go:build purego || (!amd64 && !arm64)

package utf8s

func valid(p []byte) bool { return validGeneric(p) }
