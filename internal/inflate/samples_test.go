package inflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

var symbolNames = strings.Fields("AAPL MSFT NVDA AMZN GOOGL META TSLA AVGO BRK.B JPM LLY V XOM UNH MA COST HD PG NFLX JNJ")

// ticks returns n messages of size bytes like those of a market data feed: JSON
// in which symbol, side, price, size, time and sequence number vary.
func ticks(seed uint64, n, size int) [][]byte {
	r := rand.New(rand.NewPCG(seed, 1))
	ts, seq := int64(1767225600000), 0
	all := make([][]byte, n)
	for i := range all {
		b := []byte{'['}
		for len(b) < size {
			ts += int64(r.IntN(40))
			seq += 1 + r.IntN(3)
			price := 20 + 900*r.Float64()
			b = fmt.Appendf(b, `{"type":"%s","symbol":"%s","price":%.2f,"size":%d,"bid":%.2f,"ask":%.2f,"ts":%d,"seq":%d},`,
				[]string{"trade", "quote"}[r.IntN(2)], symbolNames[r.IntN(len(symbolNames))], price, 100*(1+r.IntN(30)),
				price-0.01*float64(r.IntN(5)), price+0.01*float64(r.IntN(5)), ts, seq)
		}
		all[i] = b[:size]
	}
	return all
}

var words = strings.Fields(`the of and to a in is that for it as was with be by on not he his but at are this have from or had an they
which one you were her all she there would their we him been has when who will more no if out so said what up its about into than them can
only other new some could time these two may then do first any my now such like our over man me even most made after also did many before
must through years where much your way well down should because each just those people how too little state good very make world still
own see men work long get here between both life being under never day same another know while last might us great old year off come since
against go came right used take three connection message window server client frame protocol number measure water house between`)

// prose returns n messages of size bytes of made-up text, in which short words
// are frequent and long ones rare.
func prose(seed uint64, n, size int) [][]byte {
	r := rand.New(rand.NewPCG(seed, 2))
	all := make([][]byte, n)
	for i := range all {
		var b []byte
		for length := 0; len(b) < size; length++ {
			w := words[min(r.IntN(len(words)), r.IntN(len(words)))]
			if length == 0 {
				w = strings.ToUpper(w[:1]) + w[1:]
			}
			b = append(b, w...)
			switch {
			case length > 4 && r.IntN(10) == 0:
				b = append(b, ". "...)
				length = -1
			case r.IntN(12) == 0:
				b = append(b, ", "...)
			default:
				b = append(b, ' ')
			}
		}
		all[i] = b[:size]
	}
	return all
}

// noise returns n messages of size random bytes.
func noise(seed uint64, n, size int) [][]byte {
	r := rand.New(rand.NewPCG(seed, 3))
	all := make([][]byte, n)
	for i := range all {
		all[i] = make([]byte, size)
		for k := range all[i] {
			all[i][k] = byte(r.Uint32())
		}
	}
	return all
}

// flusher is a DEFLATE writer of another package.
type flusher interface {
	io.Writer
	Flush() error
	Reset(io.Writer)
}

// payloads compresses messages as RFC 7692, section 7.2.1, says.
func payloads(w flusher, messages [][]byte, takeover bool) [][]byte {
	var buf bytes.Buffer
	w.Reset(&buf)
	all := make([][]byte, len(messages))
	for i, m := range messages {
		buf.Reset()
		if !takeover {
			w.Reset(&buf)
		}
		w.Write(m)
		w.Flush()
		all[i] = bytes.Clone(bytes.TrimSuffix(buf.Bytes(), tail[:]))
	}
	return all
}

func stdWriter(level int) flusher {
	w, err := flate.NewWriter(nil, level)
	if err != nil {
		panic(err)
	}
	return w
}
