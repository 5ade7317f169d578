package deflate

const (
	// leastNoise is the size from which on it pays to look whether bytes are noise.
	leastNoise = 512

	// A sample is that many runs of that many bytes, one from each part of p, each at another place
	// in it. So it takes in all that the records of p may be made of.
	runs, runLength = 32, 8
	sampled         = runs * runLength

	// evenPairs is how many pairs of equal bytes a sample has on average if all
	// bytes are as frequent.
	evenPairs = sampled * (sampled - 1) / 2 / 256
)

// isNoise reports whether p is bytes that are all about as frequent, as a sample of it shows: what is
// encrypted or compressed already. No code makes that shorter; only repetitions might, which
// are the finder's to know.
func isNoise(p []byte) bool {
	if len(p) < leastNoise {
		return false
	}
	var count [256]uint8
	pairs, part, place := 0, len(p)/runs, uint32(0)
	for k := range runs {
		place = place*1664525 + 1013904223 // as good as random, and always the same
		at := k*part + int(uint64(place)*uint64(part-runLength)>>32)
		for _, b := range p[at:][:runLength] {
			pairs += int(count[b])
			count[b]++
		}
	}
	return pairs < evenPairs*3/2
}
