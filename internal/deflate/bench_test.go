package deflate

import (
	"fmt"
	"testing"

	"github.com/klauspost/compress/flate"
)

// An engine compresses message after message of one context.
type engine interface {
	Append(dst, p []byte) []byte
}

// A klaus is klauspost/compress as a WebSocket library uses it.
type klaus struct {
	w        *flate.Writer
	out      sink
	takeover bool
}

func newKlaus(takeover bool, level int) *klaus {
	k := &klaus{takeover: takeover}
	k.w, _ = flate.NewWriter(&k.out, level)
	return k
}

func (k *klaus) Append(dst, p []byte) []byte {
	k.out = dst
	if !k.takeover {
		k.w.Reset(&k.out)
	}
	k.w.Write(p)
	k.w.Flush()
	return k.out[:len(k.out)-len(Tail)]
}

// BenchmarkAppend measures messages of ticks, different ones and more than a
// window of them. cpu-ns/op is what counts where other programs run.
func BenchmarkAppend(b *testing.B) {
	engines := []struct {
		name string
		make func(takeover bool) engine
	}{
		{"own", func(takeover bool) engine { return newEncoder(15, takeover, 1) }},
		{"own12", func(takeover bool) engine { return newEncoder(12, takeover, 1) }},
		{"klauspost", func(takeover bool) engine { return newKlaus(takeover, 1) }},
	}
	for _, takeover := range []bool{false, true} {
		for _, size := range []int{128, 512, 4 << 10, 16 << 10, 32 << 10, 64 << 10} {
			for _, engine := range engines {
				b.Run(fmt.Sprintf("takeover=%t/size=%d/engine=%s", takeover, size, engine.name), func(b *testing.B) {
					benchmarkEngine(b, engine.make(takeover), newTicks(1).messages(max(64, 256<<10/size), size))
				})
			}
		}
	}
}

func benchmarkEngine(b *testing.B, e engine, messages [][]byte) {
	buf := make([]byte, 0, 2*len(messages[0])+64)
	b.SetBytes(int64(len(messages[0])))
	b.ReportAllocs()
	in, out, i := 0, 0, 0
	before := cpuTime()
	for b.Loop() {
		m := messages[i%len(messages)]
		i++
		in += len(m)
		out += len(e.Append(buf[:0], m))
	}
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(out)/float64(in), "ratio")
}

// BenchmarkStages measures the parts of a message without a context.
func BenchmarkStages(b *testing.B) {
	for _, size := range []int{128, 512, 4 << 10} {
		messages := newTicks(1).messages(64, size)
		out := make([]byte, 0, 2*size)
		w := borrow()
		stages := []struct {
			name string
			run  func(m []byte)
		}{
			{"find", func(m []byte) { w.alone(m, 1<<MaxBits) }},
			{"weigh", func([]byte) { best(w.items[:w.n]) }},
			{"write", func([]byte) { codes[0].put(out[:cap(out)], w.items[:w.n]) }},
		}
		for _, stage := range stages {
			b.Run(fmt.Sprintf("size=%d/stage=%s", size, stage.name), func(b *testing.B) {
				before, i := cpuTime(), 0
				for b.Loop() {
					i++
					stage.run(messages[i%len(messages)])
				}
				b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
			})
		}
	}
}
