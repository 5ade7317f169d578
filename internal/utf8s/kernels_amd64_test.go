//go:build amd64 && !purego

package utf8s

import "github.com/wskit/wskit/internal/mask/cpu"

var kernels = avx2Kernels()

func avx2Kernels() []kernel {
	if !cpu.AVX2 {
		return nil
	}
	return []kernel{vector("AVX2", validAVX2), unmasking("unmaskAVX2", func(p []byte, key uint32) bool {
		return unmaskAVX2(&p[0], len(p), key)
	})}
}
