package deflate

const (
	// leastNoise is the size from which the check for noise pays.
	leastNoise = 512

	// A sample consists of this many runs of this many bytes, one from each
	// part of p at varying positions, so that it covers all fields of the
	// records in p.
	runs, runLength = 32, 8
	sampled         = runs * runLength

	// evenPairs is the average number of pairs of equal bytes in a sample if
	// all bytes are equally frequent.
	evenPairs = sampled * (sampled - 1) / 2 / 256
)

// isNoise reports whether all bytes are about equally frequent in a sample of
// p, as in encrypted or compressed data. Codes cannot shorten such data; only
// repetitions can, which the finder detects.
func isNoise(p []byte) bool {
	if len(p) < leastNoise {
		return false
	}
	var count [256]uint8
	pairs, part, place := 0, len(p)/runs, uint32(0)
	for k := range runs {
		place = place*1664525 + 1013904223 // pseudo-random and deterministic
		at := k*part + int(uint64(place)*uint64(part-runLength)>>32)
		for _, b := range p[at:][:runLength] {
			pairs += int(count[b])
			count[b]++
		}
	}
	return pairs < evenPairs*3/2
}
