package deflate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/heap"
	"github.com/wskit/wskit/internal/race"
)

// forAll runs f with every window and with and without takeover.
func forAll(t *testing.T, f func(t *testing.T, bits int, takeover bool)) {
	for bits := MinBits; bits <= MaxBits; bits++ {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprintf("bits=%d/takeover=%t", bits, takeover), func(t *testing.T) { f(t, bits, takeover) })
		}
	}
}

func newEncoder(bits int, takeover bool, level int) *Encoder {
	e := new(Encoder)
	e.Reset(bits, takeover, level)
	return e
}

// RFC 7692, section 7.2.3.6, and the sizes at which the tail has ended
// elsewhere.
func TestSmallSizesAtAllLevels(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for level := 1; level <= maxLevel; level++ {
		step := 1
		if race.Enabled && level > 1 {
			step = 23 // those levels are klauspost's, and slow to make
		}
		for _, takeover := range []bool{false, true} {
			e, p := newEncoder(15, takeover, level), newPeer(15, takeover)
			for size := 0; size <= 300; size += step {
				m := contents[size%len(contents)].make(random, size)
				p.receive(t, e.Append(nil, m), m)
			}
		}
	}
}

func TestEmptyMessage(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		e := newEncoder(15, takeover, 1)
		require.Equal(t, []byte{0}, e.Append(nil, nil))
		require.Equal(t, []byte{1, 0}, e.AppendPart([]byte{1}, nil, true))
		_, ok := e.Try(nil, nil)
		require.False(t, ok, "one byte is not less than none")
	}
}

func TestEveryWindow(t *testing.T) {
	forAll(t, func(t *testing.T, bits int, takeover bool) {
		random := rand.New(rand.NewPCG(3, uint64(bits)))
		for _, level := range []int{1, 2, 6, 9} {
			if testing.Short() && level > 1 {
				continue
			}
			e, p := newEncoder(bits, takeover, level), newPeer(bits, takeover)
			for range 25 {
				m := anyMessage(random)
				p.receive(t, e.Append(nil, m), m)
			}
		}
	})
}

func TestEveryContent(t *testing.T) {
	for _, c := range contents {
		for _, takeover := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/takeover=%t", c.name, takeover), func(t *testing.T) {
				random := rand.New(rand.NewPCG(4, 4))
				e, p := newEncoder(15, takeover, 1), newPeer(15, takeover)
				for _, size := range []int{1, 20, 128, 1 << 10, 5000, maxOwn, maxOwn + 1, 100 << 10, 64, 4 << 10} {
					m := c.make(random, size)
					out := e.Append([]byte("before"), m)
					require.Equal(t, "before", string(out[:6]))
					p.receive(t, out[6:], m)
					require.LessOrEqual(t, len(out)-6, size+6+5*(size>>16))
				}
			})
		}
	}
}

// What goes out plain must not be referred to later.
func TestTryLeavesNoTrace(t *testing.T) {
	forAll(t, func(t *testing.T, bits int, takeover bool) {
		random := rand.New(rand.NewPCG(5, uint64(bits)))
		for _, level := range []int{1, 5} {
			e, p := newEncoder(bits, takeover, level), newPeer(bits, takeover)
			plain := 0
			for i := range 30 {
				m := anyMessage(random)
				if i%3 == 0 {
					m = contents[2].make(random, len(m)) // random
				}
				out, ok := e.Try([]byte("x"), m)
				require.Equal(t, byte('x'), out[0])
				if !ok {
					require.Len(t, out, 1)
					plain++
					if i%2 == 0 { // had it entered, this would be a match of it
						p.receive(t, e.Append(nil, m), m)
					}
					continue
				}
				require.Less(t, len(out)-1, len(m))
				p.receive(t, out[1:], m)
			}
			require.NotZero(t, plain)
		}
	})
}

func TestParts(t *testing.T) {
	forAll(t, func(t *testing.T, bits int, takeover bool) {
		random := rand.New(rand.NewPCG(6, uint64(bits)))
		for _, level := range []int{1, 4} {
			e, p := newEncoder(bits, takeover, level), newPeer(bits, takeover)
			for range 15 {
				m := anyMessage(random)
				var out []byte
				for rest := m; ; {
					n := random.IntN(len(rest) + 1)
					if random.IntN(4) == 0 {
						n = len(rest)
					}
					last := n == len(rest) && random.IntN(2) == 0
					out = e.AppendPart(out, rest[:n], last)
					if rest = rest[n:]; last {
						break
					}
				}
				p.receive(t, out, m)
				if !takeover {
					require.Zero(t, e.Size(), "held behind the message")
				}
				m = anyMessage(random)
				p.receive(t, e.Append(nil, m), m)
			}
		}
	})
}

func TestPartsReferToEachOther(t *testing.T) {
	e := newEncoder(15, false, 1)
	m := newTicks(1).message(2000)
	once := e.AppendPart(nil, m, false)
	twice := e.AppendPart(nil, m, true)
	require.Less(t, len(twice), len(once)/10)
	require.Greater(t, len(e.Append(nil, m)), 100, "a message that has ended is not referred to")
	short := newTicks(1).message(500)
	require.Equal(t, e.Append(nil, short), e.AppendPart(nil, short, true), "one part is a whole message")
}

func TestEnter(t *testing.T) {
	forAll(t, func(t *testing.T, bits int, takeover bool) {
		random := rand.New(rand.NewPCG(7, uint64(bits)))
		for _, level := range []int{1, 3} {
			e, p := newEncoder(bits, takeover, level), newPeer(bits, takeover)
			for range 30 {
				m := anyMessage(random)
				if random.IntN(3) > 0 {
					e.Add(m)
					p.take(m)
					continue
				}
				p.receive(t, e.Append(nil, m), m)
			}
		}
	})
}

func TestEnteredMessageIsReferredTo(t *testing.T) {
	m := newTicks(1).message(400)
	e := newEncoder(9, true, 1)
	e.Add(m)
	require.Less(t, len(e.Append(nil, m)), 20)
}

func TestReset(t *testing.T) {
	m := newTicks(1).message(400)
	e := newEncoder(15, true, 1)
	first := e.Append(nil, m)
	require.NotEqual(t, first, e.Append(nil, m))
	e.Reset(15, true, 1)
	require.Zero(t, e.Size())
	require.Equal(t, first, e.Append(nil, m), "a window from the pool is as new")

	var zero Encoder
	require.Equal(t, newEncoder(15, false, 1).Append(nil, m), zero.Append(nil, m))
	require.Equal(t, 1<<MinBits, newEncoder(0, false, -3).reach())
	require.Equal(t, 1<<MaxBits, newEncoder(99, false, 99).reach())
}

// The same messages give the same bytes, whatever was compressed before.
func TestDeterministic(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	m := newTicks(1).message(3000)
	want := new(Encoder).Append(nil, m)
	for range 50 {
		new(Encoder).Append(nil, anyMessage(random))
		require.Equal(t, want, new(Encoder).Append(nil, m))
	}
}

// This also holds when positions restart: entries of earlier messages at the
// same positions are not used for the new one.
func TestDeterministicOverTheWrap(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 8))
	compress := func(w *scratch, m []byte) []byte {
		w.alone(m, 1<<MaxBits)
		out, ok := w.write(nil, m, math.MaxInt)
		require.True(t, ok)
		return out
	}
	same := make([]byte, 1000)
	// In a long run without a match, most positions are not recorded, so
	// repetitions there are not found.
	m := contents[2].make(random, 2000)
	for i := 1000; i < 1200; i += 16 {
		m = append(append(m, same[:20]...), m[i:i+12]...) // what matches ends the run
	}
	want := compress(&scratch{pos: 1}, m)

	w := &scratch{pos: 1}
	compress(w, same)
	compress(w, m[1000:]) // where m will be, but with other positions noted
	for w.pos+len(m) <= 1<<16 {
		compress(w, same[:min(len(same), 1<<16+1-len(m)-w.pos)])
	}
	require.Equal(t, 1<<16+1, w.pos+len(m), "one byte more than there are positions")
	require.Equal(t, want, compress(w, m))
	require.Equal(t, 1+len(m), w.pos)
}

func TestSize(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	for bits := MinBits; bits <= MaxBits; bits++ {
		e := newEncoder(bits, true, 1)
		require.Zero(t, e.Size())
		e.Append(nil, newTicks(1).message(100))
		require.LessOrEqual(t, e.Size(), 10<<10, "it grows with what is sent")
		for range 100 {
			e.Append(nil, anyMessage(random))
			e.Try(nil, anyMessage(random))
			e.Add(anyMessage(random))
		}
		t.Logf("%d bits: %d bytes", bits, e.Size())
		if bits <= 12 {
			require.LessOrEqual(t, e.Size()+int(unsafe.Sizeof(*e)), 16<<10)
		}
		require.LessOrEqual(t, e.Size()+int(unsafe.Sizeof(*e)), 80<<10)
	}
	e := newEncoder(15, false, 1)
	e.Append(nil, anyMessage(random))
	e.Add(anyMessage(random))
	require.Zero(t, e.Size())
}

// Size must be what the heap says.
func TestSizeIsHonest(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	const n = 1000
	messages := newTicks(1).messages(9, 1800)
	out := make([]byte, 0, 8<<10)
	encoders := make([]Encoder, n)
	new(Encoder).Append(out, messages[0])
	before := heap.InUse()
	for i := range encoders {
		encoders[i].Reset(12, true, 1)
		for _, m := range messages {
			encoders[i].Append(out, m)
		}
	}
	held := int(heap.InUse()-before) / n
	t.Logf("held: %d bytes, said: %d", held, encoders[0].Size())
	require.LessOrEqual(t, held, 16<<10)
	require.InDelta(t, encoders[0].Size(), held, 1<<9)
	runtime.KeepAlive(encoders)
}

func TestNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates, and empties pools")
	}
	random := rand.New(rand.NewPCG(10, 10))
	for _, takeover := range []bool{false, true} {
		for _, bits := range []int{9, 12, 15} {
			for _, size := range []int{0, 100, 4 << 10, 30 << 10} {
				e := newEncoder(bits, takeover, 1)
				m, noise := newTicks(1).message(size), contents[2].make(random, size)
				dst := make([]byte, 0, Room(size))
				step := func() {
					e.Append(dst, m)
					e.Try(dst, m)
					e.Try(dst, noise)
					e.Append(dst, noise)
					e.Add(m)
				}
				for range 20 {
					step()
				}
				require.Zero(t, testing.AllocsPerRun(20, step), "takeover=%t bits=%d size=%d", takeover, bits, size)
			}
		}
	}
}

// The figures that package wsflate documents: messages of a feed, in a small
// window with takeover, and each for itself.
func TestDocumentedRatios(t *testing.T) {
	if race.Enabled {
		t.Skip("slow, and nothing to race")
	}
	for _, tt := range []struct {
		size          int
		within, alone float64
	}{
		{128, 0.32, 0.87},
		{512, 0.29, 0.46},
		{4 << 10, 0.23, 0.26},
	} {
		within, alone := newEncoder(12, true, 1), newEncoder(15, false, 1)
		var a, b int
		for _, m := range newTicks(1).messages(500, tt.size) {
			a += len(within.Append(nil, m))
			b += len(alone.Append(nil, m))
		}
		require.InDelta(t, tt.within, float64(a)/float64(500*tt.size), 0.01, "%d bytes", tt.size)
		require.InDelta(t, tt.alone, float64(b)/float64(500*tt.size), 0.01, "%d bytes", tt.size)
	}
}

// The prepared codes must make up for not being made for the message.
func TestRatio(t *testing.T) {
	if race.Enabled {
		t.Skip("slow, and nothing to race")
	}
	for _, takeover := range []bool{false, true} {
		for _, size := range []int{128, 512, 4 << 10, 16 << 10} {
			e, k := newEncoder(15, takeover, 1), newKlaus(takeover, 1)
			var own, other int
			for _, m := range newTicks(2).messages(300, size) {
				own += len(e.Append(nil, m))
				other += len(k.Append(nil, m))
			}
			t.Logf("takeover=%t %d bytes: %.3f, klauspost level 1: %.3f", takeover, size, float64(own)/float64(300*size), float64(other)/float64(300*size))
			require.LessOrEqual(t, float64(own), 1.1*float64(other))
		}
	}
}
