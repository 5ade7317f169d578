//go:build amd64 && !purego

package mask

import "github.com/wskit/wskit/internal/mask/cpu"

var kernels = append(avx2Kernels(), vector("SSE2", applySSE2))

func avx2Kernels() []kernel {
	if !cpu.AVX2 {
		return nil
	}
	return []kernel{vector("AVX2", applyAVX2)}
}
