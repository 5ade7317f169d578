package deflate

// A weight holds the size of an item in bits with each code: a lane of 14 bits
// for each code, four lanes in a word. The top byte of the first word has a bit
// for each code without a word for the item.
type weight [2]uint64

const (
	laneBits  = 14
	laneMask  = 1<<laneBits - 1
	wordLanes = 4
	missing   = wordLanes * laneBits // position of the flags

	// batch is the number of items that can be added before a lane may
	// overflow.
	batch = laneMask / (maxWord + 13)
)

// weights holds the weights of all items.
var weights = makeWeights()

func makeWeights() *[numItems]weight {
	all := new([numItems]weight)
	for i := range codes {
		for item, e := range codes[i].entries {
			w := &all[item]
			if e == 0 {
				w[0] |= 1 << (missing + i)
			}
			w[i/wordLanes] |= uint64(e.size()) << (i % wordLanes * laneBits)
		}
	}
	return all
}

// fewItems is the minimum number of items for which a dynamic code may
// compensate for its header and for the time of weighing.
const fewItems = 256

// best returns the code with the smallest block for the items, and the size of
// that block in bits.
func best(items []item) (c *code, size int) {
	sizes, lacking := weigh(items)
	best := 0
	for i := range codes {
		if sizes[i] += codes[i].headerBits + codes[i].end.size(); lacking>>i&1 == 0 && sizes[i] < sizes[best] {
			best = i
		}
	}
	return &codes[best], sizes[best]
}

// weigh returns the size of the items with each code, and a set of bits for the
// codes that lack a word for one of them.
func weigh(items []item) (sizes [2 * wordLanes]int, lacking uint64) {
	var flags uint64
	for len(items) > 0 {
		some := items[:min(len(items), batch)]
		items = items[len(some):]
		var a, b uint64
		for _, i := range some {
			w := &weights[i.index()]
			a += w[0]
			b += w[1]
			flags |= w[0]
		}
		for i := range wordLanes {
			sizes[i] += int(a >> (i * laneBits) & laneMask)
			sizes[i+wordLanes] += int(b >> (i * laneBits) & laneMask)
		}
	}
	return sizes, flags >> missing
}
