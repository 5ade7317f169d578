package inflate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	kflate "github.com/klauspost/compress/flate"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// ways are the ways through the decoder.
var ways = []struct {
	name    string
	inflate func(d *Decoder, payload []byte) ([]byte, error)
}{
	{"Append", func(d *Decoder, p []byte) ([]byte, error) { return d.Append(nil, p, true, -1) }},
	{"Append with room", func(d *Decoder, p []byte) ([]byte, error) {
		out, err := d.Append(append(make([]byte, 0, 200<<10), "before"...), p, true, -1)
		return bytes.TrimPrefix(out, []byte("before")), err
	}},
	{"Append in pieces", func(d *Decoder, p []byte) ([]byte, error) {
		r := rand.New(rand.NewPCG(uint64(len(p)), 1))
		return appendCut(d, p, func(n int) int { return r.IntN(min(n, 300) + 1) })
	}},
	{"Append byte by byte", func(d *Decoder, p []byte) ([]byte, error) {
		return appendCut(d, p, byteByByte(p))
	}},
	{"Extend", func(d *Decoder, p []byte) ([]byte, error) { return d.Extend(nil, p, true, -1) }},
	{"Extend in pieces", func(d *Decoder, p []byte) ([]byte, error) {
		r := rand.New(rand.NewPCG(uint64(len(p)), 3))
		return extendCut(d, p, func(n int) int { return r.IntN(min(n, 300) + 1) })
	}},
	{"Extend byte by byte", func(d *Decoder, p []byte) ([]byte, error) {
		return extendCut(d, p, byteByByte(p))
	}},
	{"Read", func(d *Decoder, p []byte) ([]byte, error) {
		return readCut(d, p, func(int) int { return 1 << 16 })
	}},
	{"Read in pieces", func(d *Decoder, p []byte) ([]byte, error) {
		r := rand.New(rand.NewPCG(uint64(len(p)), 2))
		return readCut(d, p, func(n int) int { return 1 + r.IntN(min(n+1, 300)) })
	}},
	{"Read byte by byte", func(d *Decoder, p []byte) ([]byte, error) {
		return readCut(d, p, byteByByte(p))
	}},
}

// byteByByte cuts after each byte, or not so often where that would take long.
func byteByByte(payload []byte) func(int) int {
	step := 1 + len(payload)/4096*7
	return func(int) int { return step }
}

// mixture returns messages of several kinds and sizes.
func mixture() (all [][]byte) {
	r := rand.New(rand.NewPCG(5, 5))
	for k := range 40 {
		size := 1 + r.IntN(1<<(1+r.IntN(13)))
		switch k % 5 {
		case 0:
			all = append(all, ticks(uint64(k), 1, size)...)
		case 1:
			all = append(all, prose(uint64(k), 1, size)...)
		case 2:
			all = append(all, noise(uint64(k), 1, size)...)
		case 3:
			all = append(all, bytes.Repeat([]byte("abcdefghijklmnopq")[:1+k%17], 1+size/4))
		default:
			all = append(all, append(noise(1, 1, 40)[0], all[r.IntN(len(all))]...))
		}
	}
	all = append(all, ticks(99, 1, 70<<10)...)
	all = append(all, prose(99, 1, 70<<10)...)
	all = append(all, ticks(99, 1, 100)...)
	return append(all, bytes.Repeat([]byte{0}, 100<<10))
}

// writers are the writers of other packages, at all their levels.
func writers(t *testing.T) map[string]flusher {
	all := make(map[string]flusher)
	for level := -2; level <= 9; level++ {
		all[fmt.Sprintf("compress/flate %d", level)] = stdWriter(level)
		w, err := kflate.NewWriter(nil, level)
		require.NoError(t, err)
		all[fmt.Sprintf("klauspost %d", level)] = w
	}
	return all
}

func TestOthersStreams(t *testing.T) {
	messages := mixture()
	for name, w := range writers(t) {
		for _, takeover := range []bool{false, true} {
			if race.Enabled && !takeover {
				continue
			}
			all := payloads(w, messages, takeover)
			for _, way := range ways {
				if strings.Contains(way.name, "Read") && (testing.Short() || race.Enabled) {
					continue
				}
				t.Run(fmt.Sprintf("%s/takeover=%v/%s", name, takeover, way.name), func(t *testing.T) {
					var d Decoder
					d.Reset(15, takeover)
					for i, p := range all {
						got, err := way.inflate(&d, p)
						require.NoError(t, err)
						require.True(t, bytes.Equal(messages[i], got), "message %d", i)
					}
				})
			}
		}
	}
}

// A stored block after a compressed one, where bits were read ahead when the
// room ended: its bytes begin where the bits end.
func TestStoredBehindCompressed(t *testing.T) {
	raw := noise(1, 1, 300)[0]
	stored := append([]byte{0, 44, 1, 0xff - 44, 0xfe}, raw...)
	// A literal, a match of three and the end take seven bits in all.
	p := block().dynamic(258, 1, both(at(258, 'a', 2, 'b', 2, 256, 2, 257, 2), at(1, 0, 1))...).
		code(0, 2).code(3, 2).code(0, 1).code(2, 2).bits(0, 3).p
	p = append(append(p, stored[1:]...), 0)
	want := "aaaa" + string(raw)
	for _, way := range ways {
		var d Decoder
		got, err := way.inflate(&d, p)
		require.NoError(t, err, way.name)
		require.Equal(t, want, string(got), way.name)
	}
	for room := 1; room < 40; room++ {
		var d Decoder
		got, err := readCut(&d, p, func(n int) int {
			if n == len(p) {
				return n // the payload in one
			}
			return room
		})
		require.NoError(t, err, room)
		require.Equal(t, want, string(got), room)
	}
}

// RFC 7692, section 7.2.3.4: a message may be a whole DEFLATE stream, or
// several.
func TestBFINAL(t *testing.T) {
	messages := mixture()
	for level := -2; level <= 9; level++ {
		if race.Enabled && level%8 != 0 {
			continue
		}
		w, err := kflate.NewWriter(nil, level)
		require.NoError(t, err)
		for _, way := range ways {
			t.Run(fmt.Sprintf("%d/%s", level, way.name), func(t *testing.T) {
				var d Decoder
				d.Reset(15, true)
				for i, m := range messages {
					var p bytes.Buffer
					for half := range 2 {
						w.Reset(&p)
						_, err := w.Write(m[half*len(m)/2 : (half+1)*len(m)/2])
						require.NoError(t, err)
						require.NoError(t, w.Close())
					}
					if i%2 == 0 {
						p.WriteByte(0) // as the RFC has it; without it, nothing is missing
					}
					got, err := way.inflate(&d, p.Bytes())
					require.NoError(t, err)
					require.True(t, bytes.Equal(m, got), "message %d", i)
				}
			})
		}
	}
}

// The payloads of RFC 7692, section 7.2.3.
func TestExamples(t *testing.T) {
	for _, test := range []struct{ name, payload, want string }{
		{"7.2.3.1, one message", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.2, the second with takeover", "\xf2\x00\x11\x00\x00", "Hello"},
		{"7.2.3.3, no compression", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
		{"7.2.3.4, BFINAL", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		{"7.2.3.4, BFINAL and no empty block", "\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.5, two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		{"7.2.3.6, empty message", "\x00", ""},
		{"empty payload", "", ""},
	} {
		for _, way := range ways {
			t.Run(test.name+"/"+way.name, func(t *testing.T) {
				var d Decoder
				d.Reset(8, true)
				_, err := d.Append(nil, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), true, -1)
				require.NoError(t, err)
				for range 3 {
					got, err := way.inflate(&d, []byte(test.payload))
					require.NoError(t, err)
					require.Equal(t, test.want, string(got))
				}
			})
		}
	}
}
