package inflate

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// FuzzReference has the same output as compress/flate for any payload, or both
// have an error; and so has every way, cut anywhere.
func FuzzReference(f *testing.F) {
	for _, level := range []int{-2, 0, 1, 6} {
		for i, p := range payloads(stdWriter(level), mixture()[:12], false) {
			f.Add(p, uint64(i))
			if len(p) > 10 {
				damaged := bytes.Clone(p)
				damaged[i%len(p)] ^= 0x10
				f.Add(damaged, uint64(i))
			}
		}
	}
	for _, test := range invalid {
		f.Add(test.payload, uint64(1))
	}
	past := append(ticks(3, 1, 200)[0], noise(3, 1, 100)[0]...)
	begin := payloads(stdWriter(6), [][]byte{past}, false)[0]
	f.Fuzz(func(t *testing.T, payload []byte, seed uint64) {
		want, wantErr := reference(past, payload)
		for _, way := range ways {
			var d Decoder
			d.Reset(15, true)
			if _, err := d.Append(nil, begin, true, -1); err != nil {
				t.Fatal(err)
			}
			check(t, way.name, way.inflate, &d, payload, want, wantErr)
			d.Close()
		}
		r := rand.New(rand.NewPCG(seed, 0))
		var d Decoder
		d.Reset(15, true)
		if _, err := d.Append(nil, begin, true, -1); err != nil {
			t.Fatal(err)
		}
		check(t, "mixed", func(d *Decoder, p []byte) ([]byte, error) {
			return readCut(d, p, func(n int) int { return 1 + r.IntN(n+1) })
		}, &d, payload, want, wantErr)
	})
}

func check(t *testing.T, name string, inflate func(*Decoder, []byte) ([]byte, error), d *Decoder, payload, want []byte, wantErr error) {
	t.Helper()
	got, err := inflate(d, payload)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%s: %v; compress/flate: %v", name, err, wantErr)
	}
	if err == nil && !bytes.Equal(got, want) {
		t.Fatalf("%s: output differs", name)
	}
	if err != nil && !bytes.HasPrefix(want, got) && !bytes.HasPrefix(got, want) {
		t.Fatalf("%s: output before the error differs", name)
	}
}

// FuzzHistory inflates messages of a connection with takeover, one by one and
// with any cuts, for all windows.
func FuzzHistory(f *testing.F) {
	f.Add([]byte("hello hello hello"), uint64(1), uint8(0))
	f.Add(ticks(1, 1, 3000)[0], uint64(2), uint8(5))
	f.Add(bytes.Repeat([]byte{1}, 70000), uint64(3), uint8(7))
	f.Fuzz(func(t *testing.T, text []byte, seed uint64, flags uint8) {
		r := rand.New(rand.NewPCG(seed, 1))
		var messages [][]byte
		for range 1 + r.IntN(30) {
			i := r.IntN(len(text) + 1)
			j := i + r.IntN(len(text)-i+1)
			messages = append(messages, text[i:j])
		}
		var d Decoder
		d.Reset(15, flags&1 != 0)
		for i, p := range payloads(stdWriter(int(flags>>1)%10), messages, flags&1 != 0) {
			way := ways[r.IntN(len(ways))]
			got, err := way.inflate(&d, p)
			if err != nil || !bytes.Equal(got, messages[i]) {
				t.Fatal(way.name, i, err)
			}
		}
	})
}
