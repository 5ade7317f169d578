package deflate

// A weight is what an item takes under every code at once, in bits: a lane of
// 14 bits for each, four lanes to a word. The top byte of the first word has a bit for every
// code that has no word for the item.
type weight [2]uint64

const (
	laneBits  = 14
	laneMask  = 1<<laneBits - 1
	wordLanes = 4
	missing   = wordLanes * laneBits // where the flags begin

	// batch is how many items are added up before a lane might run over.
	batch = laneMask / (maxWord + 13)
)

// weights are those of all items.
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

// fewItems is how many items a message has at least for a dynamic code to make up for
// its header, and for the time to find out.
const fewItems = 256

// best returns the code under which the items are smallest as a block, and how many bits the
// block then takes.
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

// weigh adds up what the items take under every code, and tells by a bit each which codes
// lack a word for one of them.
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
