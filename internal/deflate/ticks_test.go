package deflate

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// ticks makes messages like those of a market data feed: JSON of the wanted
// size, in which symbol, side, price, size, time and sequence number vary. The
// last event of a message is cut where the size is reached. The same seed makes
// the same messages.
type ticks struct {
	rand  *rand.Rand
	time  int64
	seq   int
	price map[string]float64
}

var symbols = strings.Fields("AAPL MSFT NVDA AMZN GOOGL META TSLA AVGO BRK.B JPM LLY V XOM UNH MA COST HD PG NFLX JNJ")

func newTicks(seed uint64) *ticks {
	t := &ticks{rand: rand.New(rand.NewPCG(seed, 1)), time: 1767225600000, price: map[string]float64{}}
	for _, s := range symbols {
		t.price[s] = 20 + 900*t.rand.Float64()
	}
	return t
}

// event returns one trade or quote.
func (t *ticks) event() string {
	s := symbols[t.rand.IntN(len(symbols))]
	t.price[s] *= 1 + 0.001*t.rand.NormFloat64()
	t.time += int64(t.rand.IntN(40))
	t.seq += 1 + t.rand.IntN(3)
	p := t.price[s]
	return fmt.Sprintf(`{"type":"%s","symbol":"%s","price":%.2f,"size":%d,"bid":%.2f,"ask":%.2f,"ts":%d,"seq":%d}`,
		[]string{"trade", "quote"}[t.rand.IntN(2)], s, p, 100*(1+t.rand.IntN(30)), p-0.01*float64(t.rand.IntN(5)),
		p+0.01*float64(t.rand.IntN(5)), t.time, t.seq)
}

// message returns the next message, of exactly size bytes.
func (t *ticks) message(size int) []byte {
	b := []byte{'['}
	for len(b) < size {
		b = append(append(b, t.event()...), ',')
	}
	return b[:size]
}

// messages returns n messages of size bytes each.
func (t *ticks) messages(n, size int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = t.message(size)
	}
	return all
}
