package inflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"testing"

	kflate "github.com/klauspost/compress/flate"

	"github.com/wskit/wskit/internal/deflate"
)

// BenchmarkMessages inflates messages one by one: ours and the two readers of
// other packages, of what klauspost's level 1 and our own encoder made.
func BenchmarkMessages(b *testing.B) {
	for _, data := range []struct {
		name string
		make func(seed uint64, n, size int) [][]byte
	}{{"json", ticks}, {"text", prose}, {"random", noise}} {
		for _, takeover := range []bool{true, false} {
			for _, size := range []int{128, 512, 4 << 10, 64 << 10, 1 << 20} {
				n := min(1000, max(4, 8<<20/size))
				messages := data.make(7, n, size)
				k, err := kflate.NewWriter(nil, 1)
				if err != nil {
					b.Fatal(err)
				}
				var e deflate.Encoder
				e.Reset(15, takeover, 1)
				ours := make([][]byte, n)
				for i, m := range messages {
					ours[i] = e.Append(nil, m)
				}
				name := fmt.Sprintf("data=%s/takeover=%v/size=%d", data.name, takeover, size)
				theirs := payloads(k, messages, takeover)
				benchmark(b, name+"/from=klauspost", theirs, size, takeover)
				benchmark(b, name+"/from=deflate", ours, size, takeover)
			}
		}
	}
}

// BenchmarkZeros inflates 1 MiB of zeros from chunks of that many bytes, and a
// single message of 32 KiB.
func BenchmarkZeros(b *testing.B) {
	for _, data := range []struct{ size, chunk int }{{1 << 20, 1 << 20}, {1 << 20, 16}, {1 << 20, 1}, {32 << 10, 1 << 20}} {
		p := one(make([]byte, data.size))
		b.Run(fmt.Sprintf("size=%d/chunk=%d", data.size, min(data.chunk, len(p))), func(b *testing.B) {
			b.SetBytes(int64(data.size))
			dst := make([]byte, 0, data.size+16)
			var d Decoder
			for b.Loop() {
				out, err := dst, error(nil)
				for in := p; len(in) > 0 && err == nil; {
					k := min(data.chunk, len(in))
					out, err = d.Append(out, in[:k], k == len(in), -1)
					in = in[k:]
				}
				if err != nil || len(out) != data.size {
					b.Fatal(len(out), err)
				}
			}
		})
	}
}

func benchmark(b *testing.B, name string, payloads [][]byte, size int, takeover bool) {
	total := 0
	for _, p := range payloads {
		total += len(p)
	}
	row := func(engine string, start func(), message func(p []byte) int) {
		b.Run(name+"/engine="+engine, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				k := i % len(payloads)
				if k == 0 {
					start()
				}
				if got := message(payloads[k]); got != size {
					b.Fatal("wrong size", got)
				}
			}
			b.ReportMetric(float64(total)/float64(len(payloads)*size), "ratio")
		})
	}
	dst := make([]byte, 0, size+16)

	var d Decoder
	row("inflate", func() { d.Reset(15, takeover) }, func(p []byte) int {
		out, err := d.Append(dst, p, true, int64(size))
		if err != nil {
			b.Fatal(err)
		}
		return len(out)
	})
	other := func(engine string, r io.ReadCloser) {
		window := make([]byte, 0, 1<<16)
		var in bytes.Reader
		var end bytes.Reader
		const trailer = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
		row(engine, func() { window = window[:0] }, func(p []byte) int {
			in.Reset(p)
			end.Reset([]byte(trailer))
			r.(flate.Resetter).Reset(io.MultiReader(&in, &end), window)
			n, err := io.ReadFull(r, dst[:size])
			if err != nil {
				b.Fatal(err)
			}
			if takeover {
				if len(window)+n > cap(window) {
					keep := window[len(window)-min(len(window), 1<<15):]
					window = window[:copy(window[:cap(window)], keep)]
				}
				window = append(window, dst[:n][n-min(n, 1<<15):]...)
			}
			return n
		})
	}
	other("klauspost", kflate.NewReader(bytes.NewReader(nil)))
	other("stdlib", flate.NewReader(bytes.NewReader(nil)))
}
