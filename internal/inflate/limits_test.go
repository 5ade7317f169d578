package inflate

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// one compresses a single message.
func one(message []byte) []byte { return payloads(stdWriter(6), [][]byte{message}, false)[0] }

func TestLimit(t *testing.T) {
	for _, message := range mixture() {
		p, size := one(message), int64(len(message))
		for _, limit := range []int64{size, size + 1, math.MaxInt64, -1} {
			var d Decoder
			got, err := d.Append([]byte("x"), p, true, limit)
			require.NoError(t, err)
			require.True(t, bytes.Equal(message, got[1:]))
		}
		for _, limit := range []int64{size - 1, size / 2, 0} {
			for _, room := range []int{0, int(size / 3), int(size + 100)} {
				for name, pieces := range map[string]int{"whole": len(p), "pieces": 7, "extended": 7} {
					var d Decoder
					inflate := d.Append
					if name == "extended" {
						inflate = d.Extend
					}
					got, err := make([]byte, 0, room), error(nil)
					for in := p; err == nil; {
						k := min(pieces, len(in))
						got, err = inflate(got, in[:k], k == len(in), limit)
						in = in[k:]
					}
					require.ErrorIs(t, err, ErrTooLarge, name)
					require.Len(t, got, int(limit), name)
					require.True(t, bytes.HasPrefix(message, got))
					require.Nil(t, d.open)
				}
			}
		}
	}
}

// A message of 64 MiB on 64 KiB of wire takes no more than the limit.
func TestBomb(t *testing.T) {
	size := 64 << 20
	if testing.Short() {
		size = 4 << 20
	}
	p := one(make([]byte, size))
	for _, limit := range []int64{0, 1, 1 << 10, 1 << 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			var d Decoder
			out, err := d.Append(nil, p, true, limit)
			require.ErrorIs(t, err, ErrTooLarge)
			require.Len(t, out, int(limit))
			require.LessOrEqual(t, cap(out), int(limit)+int(limit)/4+16, "rounded up by the allocator")
		})
	}
}

// What a stored block declares takes no memory before it has come.
func TestGrowthFollowsOutput(t *testing.T) {
	var d Decoder
	out, err := d.Append(nil, []byte("\x00\xff\xff\x00\x00Hello"), false, -1)
	require.NoError(t, err)
	require.Equal(t, "Hello", string(out))
	require.LessOrEqual(t, cap(out), 2*minGrowth)
	d.Close()

	out, err = d.Append(nil, []byte{0}, true, -1)
	require.NoError(t, err)
	require.Nil(t, out, "nothing is allocated for an empty message")
}

func TestSize(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		for _, takeover := range []bool{false, true} {
			var d Decoder
			d.Reset(bits, takeover)
			require.Zero(t, d.Size())
			for i, m := range append(mixture(), mixture()...) {
				// A stored block refers back to nothing.
				p := append([]byte{0, byte(len(m)), byte(len(m) >> 8), ^byte(len(m)), ^byte(len(m) >> 8)}, m...)
				if len(m) > 0xffff {
					continue
				}
				_, err := d.Append(nil, append(p, 0), true, -1)
				require.NoError(t, err, i)
				most := 1 << bits
				if !takeover {
					most = 0
				}
				require.LessOrEqual(t, d.Size(), most)
			}
			if takeover {
				require.Equal(t, 1<<bits, d.Size())
			}
			d.Reset(bits, takeover)
			require.Zero(t, d.Size(), "what came before is dropped")
		}
	}
}

// A small message makes a small history.
func TestHistoryGrows(t *testing.T) {
	var d Decoder
	d.Reset(15, true)
	_, err := d.Append(nil, one([]byte("Hello")), true, -1)
	require.NoError(t, err)
	require.Equal(t, minHistory, d.Size())
}

// backTo is a message with a match of length 3 at a distance, which is a base
// of the table or the last with its extra bits.
func backTo(distance int) []byte {
	for symbol := 29; ; symbol-- {
		e := distSymbols[symbol]
		if base := int(e >> 16); base <= distance {
			return block().bits(0, 1).bits(1, 2).code(1, 7).code(uint64(symbol), 5).
				bits(uint64(distance-base), uint(e&0xff)).code(0, 7).bits(0, 3).p
		}
	}
}

// RFC 7692, section 7.1.2.1: no distance is beyond the window.
func TestWindow(t *testing.T) {
	text := noise(1, 1, 40<<10)[0]
	for bits := 8; bits <= 15; bits++ {
		if testing.Short() && bits != 8 && bits != 12 {
			continue
		}
		for _, made := range []int{3, 100, 256, 5000, 40 << 10} {
			for _, way := range ways {
				first := append(one(text[:made]), tail[:]...)
				window := min(made, 1<<bits)

				message := append(bytes.Clone(first), backTo(window)...)
				var d Decoder
				d.Reset(bits, false)
				got, err := way.inflate(&d, message)
				require.NoError(t, err)
				require.Equal(t, string(text[made-window:][:3]), string(got[made:]), "within a message")

				d.Reset(bits, true)
				_, err = way.inflate(&d, first[:len(first)-len(tail)])
				require.NoError(t, err)
				got, err = way.inflate(&d, backTo(window))
				require.NoError(t, err)
				require.Equal(t, string(text[made-window:][:3]), string(got), "from one to the next")

				for _, distance := range []int{made + 1, window + 1, made + 300, window + 300} {
					if distance > 1<<15 || distance <= window {
						continue
					}
					// What follows has the input that the fast loop wants.
					bad := append(backTo(distance), make([]byte, 20)...)
					d.Reset(bits, false)
					_, err = way.inflate(&d, append(bytes.Clone(first), bad...))
					require.ErrorContains(t, err, "too far back")
					d.Reset(bits, true)
					_, err = way.inflate(&d, first[:len(first)-len(tail)])
					require.NoError(t, err)
					_, err = way.inflate(&d, bad)
					require.ErrorContains(t, err, "too far back")
				}
			}
		}
	}
}

// Without takeover a message does not refer to the one before, whatever its
// stream was used for.
func TestNoTakeover(t *testing.T) {
	for _, way := range ways {
		var d Decoder
		_, err := way.inflate(&d, one([]byte("HelloHelloHello")))
		require.NoError(t, err)
		_, err = way.inflate(&d, backTo(1))
		require.ErrorIs(t, err, ErrCorrupt)
	}
}

func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, takeover := range []bool{false, true} {
		for _, size := range []int{100, 4000, 60000} {
			var d Decoder
			d.Reset(15, takeover)
			all := payloads(stdWriter(1), ticks(1, 200, size), takeover)
			dst, i := make([]byte, 0, 1<<16), 0
			message := func() {
				p := all[i]
				i++
				_, err := d.Append(dst, p[:len(p)/2], false, -1)
				if err == nil {
					_, err = d.Append(dst, p[len(p)/2:], true, -1)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for range 80 {
				message()
			}
			require.Zero(t, testing.AllocsPerRun(100, message), "%d, takeover=%v", size, takeover)
		}
	}
}

func TestClose(t *testing.T) {
	p := one([]byte("Hello, Hello, Hello"))
	var d Decoder
	d.Close()
	for range 3 { // without takeover, the next message is as the first
		_, err := d.Append(nil, p[:5], false, -1)
		require.NoError(t, err)
		d.Close()
		d.Close()
		got, err := d.Append(nil, p, true, 19)
		require.NoError(t, err)
		require.Equal(t, "Hello, Hello, Hello", string(got))
	}
	d.Reset(15, true)
	_, err := d.Append(nil, p[:5], false, -1)
	require.NoError(t, err)
	d.Close()
	_, err = d.Append(nil, p, true, -1)
	require.ErrorIs(t, err, errAbandoned)
	d.Reset(15, true)
	_, err = d.Append(nil, p, true, -1)
	require.NoError(t, err)
}

// A stream goes back to its pool with nothing of the caller's in it.
func TestRelease(t *testing.T) {
	var d Decoder
	_, err := d.Append(nil, one([]byte("Hello"))[:3], false, -1)
	require.NoError(t, err)
	require.Nil(t, d.open.in)
	require.Nil(t, d.open.out)
	s := d.open
	d.Close()
	require.Equal(t, message{}, s.message)
}

// Extend needs the message so far, and does not go together with Append and
// Read.
func TestExtendMisused(t *testing.T) {
	p := one([]byte("Hello, Hello, Hello"))
	half := len(p) / 2
	type inflate = func(d *Decoder, dst, chunk []byte, last bool, limit int64) ([]byte, error)
	read := func(d *Decoder, dst, chunk []byte, last bool, _ int64) ([]byte, error) {
		room := make([]byte, 100)
		n, _, _, err := d.Read(room, chunk, last)
		return append(dst, room[:n]...), err
	}
	for _, tt := range []struct {
		name        string
		first, then inflate
		keep        bool // the message so far
		want        error
	}{
		{"Append, Extend", (*Decoder).Append, (*Decoder).Extend, true, errMixed},
		{"Read, Extend", read, (*Decoder).Extend, true, errMixed},
		{"Extend, Append", (*Decoder).Extend, (*Decoder).Append, true, errMixed},
		{"Extend, Read", (*Decoder).Extend, read, true, errMixed},
		{"message dropped", (*Decoder).Extend, (*Decoder).Extend, false, errShort},
		{"Append, Read", (*Decoder).Append, read, false, nil},
		{"Extend, Extend", (*Decoder).Extend, (*Decoder).Extend, true, nil},
	} {
		var d Decoder
		out, err := tt.first(&d, nil, p[:half], false, -1)
		require.NoError(t, err, tt.name)
		require.NotEmpty(t, out, tt.name)
		if !tt.keep {
			out = nil
		}
		_, err = tt.then(&d, out, p[half:], true, -1)
		require.ErrorIs(t, err, tt.want, tt.name)
		_, err = tt.then(&d, nil, p, true, -1)
		require.ErrorIs(t, err, tt.want, "%s: the error stays, and only an error does", tt.name)
	}
}

// What an open message holds at most, as the package comment has it.
func TestOpenSize(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(stream{}), uintptr(3<<10))
	require.LessOrEqual(t, unsafe.Sizeof(code{}), uintptr(7500))
	for _, way := range []struct {
		name    string
		inflate func(d *Decoder, dst, chunk []byte, last bool, limit int64) ([]byte, error)
		history int
	}{{"Append", (*Decoder).Append, 40 << 10}, {"Extend", (*Decoder).Extend, 0}} {
		p := payloads(stdWriter(6), prose(1, 1, 100_000), false)[0]
		var d Decoder
		out, err := way.inflate(&d, nil, p[:len(p)/2], false, -1)
		require.NoError(t, err)
		require.Nil(t, d.open.codes, "codes that are not needed are parked")
		require.NotNil(t, d.open.kept)
		require.LessOrEqual(t, cap(d.open.own.buf), way.history)
		_, err = way.inflate(&d, out, p[len(p)/2:], true, -1)
		require.NoError(t, err)
	}
}
