package mask

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// kernel is one implementation, callable for any length.
type kernel struct {
	name  string
	apply func(dst, src []byte, key uint32) (ascii bool)
}

// all is what this build can run: each assembly kernel by itself, whether the
// dispatch would choose it or not, the generic twin, and the dispatch.
var all = append(kernels,
	kernel{"applyGeneric", func(dst, src []byte, key uint32) bool {
		applyGeneric(dst, src, key)
		return naive(dst, dst[:len(src)], [4]byte{}, 0)
	}},
	kernel{"applyASCIIGeneric", func(dst, src []byte, key uint32) bool {
		return applyASCIIGeneric(dst[:copy(dst, src)], key)
	}},
	kernel{"apply", func(dst, src []byte, key uint32) bool {
		apply(dst, src, key)
		return naive(dst, dst[:len(src)], [4]byte{}, 0)
	}},
	kernel{"ASCII", func(dst, src []byte, key uint32) bool {
		var k [4]byte
		binary.LittleEndian.PutUint32(k[:], key)
		return ASCII(dst[:copy(dst, src)], k, 0)
	}},
)

// naive is section 5.3 of RFC 6455 word by word.
func naive(dst, src []byte, key [4]byte, pos int) (ascii bool) {
	ascii = true
	for i, b := range src {
		dst[i] = b ^ key[(pos+i)%4]
		ascii = ascii && dst[i] < 0x80
	}
	return ascii
}

// input returns n bytes that are all ASCII after masking, or nearly: in half of
// the cases one of them is not.
func input(rng *rand.Rand, n int, key [4]byte, pos int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.UintN(0x80))
	}
	if n > 0 && rng.UintN(2) == 0 {
		p[rng.IntN(n)] |= 0x80
	}
	naive(p, p, key, pos)
	return p
}

func testKey(rng *rand.Rand) (key [4]byte) {
	binary.BigEndian.PutUint32(key[:], rng.Uint32())
	return key
}

// Every length, offset and key offset, in place, with the bytes around watched.
func TestInPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(6455, 1))
	var got, want [512]byte
	for _, k := range all {
		for n := range 301 {
			for i := range 4 * 64 {
				off, pos := i/4, i%4
				if testing.Short() && off%8 != n%8 { // as under an emulator
					continue
				}
				key := testKey(rng)
				text := input(rng, n, key, pos)
				for j := range want {
					want[j] = byte(j * 7)
				}
				copy(want[off+16:], text)
				got = want
				ascii := naive(want[off+16:][:n], text, key, pos)
				if k.apply(got[off+16:][:n], got[off+16:][:n], Word(key, pos)) != ascii || got != want {
					t.Fatalf("%s: length %d, offset %d, pos %d", k.name, n, off, pos)
				}
			}
		}
	}
}

// Every length and key offset into another buffer, at offsets of its own.
func TestToOther(t *testing.T) {
	rng := rand.New(rand.NewPCG(6455, 2))
	var got, want [512]byte
	for _, k := range all {
		for n := range 301 {
			for i := range 4 * 64 {
				off, pos := i/4, i%4
				if testing.Short() && off%8 != n%8 { // as under an emulator
					continue
				}
				key := testKey(rng)
				src := input(rng, n+off%7, key, pos)[off%7:]
				for j := range want {
					want[j] = byte(j * 7)
				}
				got = want
				ascii := naive(want[off+16:], src, key, pos)
				if k.apply(got[off+16:][:n], src, Word(key, pos)) != ascii || got != want {
					t.Fatalf("%s: length %d, offset %d, pos %d", k.name, n, off, pos)
				}
			}
		}
	}
}

// Lengths around powers of two, where loops run often.
func TestLong(t *testing.T) {
	rng := rand.New(rand.NewPCG(6455, 3))
	for _, k := range all {
		for shift := 9; shift <= 17; shift++ {
			n := 1<<shift + rng.IntN(130) - 65
			pos, key := rng.IntN(4), testKey(rng)
			src := input(rng, n, key, pos)
			want := make([]byte, n)
			ascii := naive(want, src, key, pos)
			require.Equal(t, ascii, k.apply(src, src, Word(key, pos)), "%s: length %d", k.name, n)
			require.True(t, bytes.Equal(want, src), "%s: length %d", k.name, n)
		}
	}
}

// The exported functions, with every key offset and any pos.
func TestExported(t *testing.T) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, pos := range []int{0, 1, 2, 3, 4, 7, 1 << 20, math.MaxInt - 3, math.MaxInt - 2, math.MaxInt - 1, math.MaxInt} {
		for _, n := range []int{0, 1, 2, 3, 4, 7, 8, 31, 32, 33, 300} {
			src := bytes.Repeat([]byte("Hello"), 60)[:n]
			want := make([]byte, n)
			naive(want, src, key, pos&3)

			got := make([]byte, n+1)
			Copy(got, src, key, pos)
			require.Equal(t, want, got[:n])
			require.Zero(t, got[n])
			require.True(t, ASCII(got[:n], key, pos), "unmasked again")
			require.Equal(t, src, got[:n])
			XOR(got[:n], key, pos)
			require.Equal(t, want, got[:n])
		}
	}
}

// RFC 6455, section 5.7: the masked "Hello".
func TestSection5_7(t *testing.T) {
	p := []byte{0x7f, 0x9f, 0x4d, 0x51, 0x58}
	XOR(p, [4]byte{0x37, 0xfa, 0x21, 0x3d}, 0)
	require.Equal(t, "Hello", string(p))
}

func TestCopyIntoTooLittle(t *testing.T) {
	for _, n := range []int{1, 3, 4, 8, 31, 32, 64, 300} {
		for _, dst := range [][]byte{make([]byte, n-1), make([]byte, n-1, n+8)} {
			require.Panics(t, func() { Copy(dst, make([]byte, n), [4]byte{1, 2, 3, 4}, 0) }, "length %d", n)
			require.Equal(t, make([]byte, cap(dst)), dst[:cap(dst)], "nothing is written")
		}
	}
}

func TestNoAllocation(t *testing.T) {
	p, q := make([]byte, 300), make([]byte, 300)
	key := [4]byte{1, 2, 3, 4}
	for _, n := range []int{3, 20, 300} {
		require.Zero(t, testing.AllocsPerRun(10, func() {
			XOR(p[:n], key, 1)
			Copy(q, p[:n], key, 2)
			ASCII(p[:n], key, 3)
		}))
	}
}

func FuzzMask(f *testing.F) {
	f.Add([]byte("Hello"), uint32(0x37fa213d), uint8(0), uint8(0))
	f.Add(bytes.Repeat([]byte("0123456789"), 30), uint32(1), uint8(63), uint8(3))
	f.Fuzz(func(t *testing.T, text []byte, keyBits uint32, off, pos uint8) {
		var key [4]byte
		binary.BigEndian.PutUint32(key[:], keyBits)
		want := make([]byte, len(text))
		ascii := naive(want, text, key, int(pos))
		for _, k := range all {
			got := make([]byte, int(off)+len(text)+1)[off:]
			copy(got, text)
			p := got[:len(text)]
			require.Equal(t, ascii, k.apply(p, p, Word(key, int(pos))), k.name)
			require.Equal(t, want, p, k.name)
			require.Zero(t, got[len(text)], k.name)
		}
	})
}
