package deflate

import (
	"bytes"
	stdflate "compress/flate"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/deflate/walk"
)

// finalBlock ends a stream, so that a reader reports its end instead of
// waiting.
const finalBlock = "\x01\x00\x00\xff\xff"

// A peer inflates the messages of one direction with all inflaters there are.
type peer struct {
	bits     int
	takeover bool
	history  []byte
	readers  []io.ReadCloser
}

func newPeer(bits int, takeover bool) *peer {
	return &peer{bits: bits, takeover: takeover, readers: []io.ReadCloser{
		stdflate.NewReader(nil), flate.NewReader(nil),
	}}
}

// receive requires that payload, followed by the tail, inflates to message,
// with no distance beyond the window.
func (p *peer) receive(t testing.TB, payload, message []byte) {
	t.Helper()
	stream := append(bytes.Clone(payload), Tail...)
	blocks, err := walk.Blocks(stream)
	require.NoError(t, err)
	got, reach, err := walk.Resolve(bytes.Clone(p.history), blocks)
	require.NoError(t, err)
	requireBytes(t, message, got[len(p.history):])
	require.LessOrEqual(t, reach, 1<<p.bits, "distance")

	stream = append(stream, finalBlock...)
	for _, r := range p.readers {
		// compress/flate refuses distances beyond the dictionary at the
		// message's beginning.
		require.NoError(t, r.(flate.Resetter).Reset(bytes.NewReader(stream), p.history))
		got, err := io.ReadAll(r)
		require.NoError(t, err, "%T", r)
		requireBytes(t, message, got)
	}
	p.take(message)
}

// take lets message into the history.
func (p *peer) take(message []byte) {
	if p.takeover {
		p.history = append(p.history, message...)
		p.history = bytes.Clone(p.history[max(0, len(p.history)-1<<p.bits):])
	}
}

// requireBytes does not print large messages.
func requireBytes(t testing.TB, want, got []byte) {
	t.Helper()
	if !bytes.Equal(want, got) {
		t.Fatalf("%d bytes became %d others, %.80q", len(want), len(got), got)
	}
}

// A content makes messages of any size.
type content struct {
	name string
	make func(r *rand.Rand, size int) []byte
}

var contents = []content{
	{"ticks", func(r *rand.Rand, size int) []byte { return newTicks(r.Uint64()).message(size) }},
	{"text", func(r *rand.Rand, size int) []byte {
		var b []byte
		for len(b) < size {
			b = append(b, strings.Fields("a stream of bytes is – not müde to – remember what it has seen, again and again\n")[r.IntN(16)]...)
			b = append(b, ' ')
		}
		return b[:size]
	}},
	{"random", func(r *rand.Rand, size int) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}},
	{"zeros", func(_ *rand.Rand, size int) []byte { return make([]byte, size) }},
	{"period", func(r *rand.Rand, size int) []byte {
		n := 1 + r.IntN(600)
		b := make([]byte, size)
		for i := range b {
			if b[i] = byte(r.Uint32()); i >= n {
				b[i] = b[i-n]
			}
		}
		return b
	}},
	{"mixed", func(r *rand.Rand, size int) []byte {
		b := newTicks(r.Uint64()).message(size)
		for i := size / 3; i < size/2; i++ {
			b[i] = byte(r.Uint32())
		}
		return b
	}},
}

// message returns one of any kind and size, a large one now and then.
func anyMessage(r *rand.Rand) []byte {
	size := r.IntN(1 << (1 + r.IntN(13)))
	if r.IntN(12) == 0 {
		size += r.IntN(70 << 10)
	}
	return contents[r.IntN(len(contents))].make(r, size)
}
