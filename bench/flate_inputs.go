package bench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A content is a kind of messages to compress, with the sizes of its rows.
type content struct {
	name  string
	sizes []int
	// piece appends a piece of the kind, a different one for each i.
	piece func(dst []byte, r *rand.Rand, i int) []byte
}

var contents = []content{
	{"json", []int{128, 512, 4 << 10, 64 << 10, 1 << 20}, appendTick},
	{"text", []int{128, 4 << 10, 1 << 20}, appendSentence},
	{"binary", []int{128, 4 << 10, 1 << 20}, appendRecord},
	{"random", []int{128, 4 << 10, 1 << 20}, appendNoise},
}

// messages returns different messages of size bytes, enough that they do not
// recur within a window.
func (c content) messages(size int) (all [][]byte) {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	for i := range max(2, min(512, 128<<10/size)) {
		p := make([]byte, 0, size+256)
		for k := 0; len(p) < size; k++ {
			p = c.piece(p, r, i+k)
		}
		all = append(all, p[:size])
	}
	return all
}

// appendTick appends a price update.
func appendTick(dst []byte, r *rand.Rand, i int) []byte {
	return fmt.Appendf(dst, `{"type":"trade","symbol":"%s","price":%d.%02d,"size":%d,"time":17000%08d,"side":"%s"}`,
		[]string{"BTC-USD", "ETH-USD", "SOL-EUR"}[r.IntN(3)], 20000+r.IntN(900), r.IntN(100), 1+r.IntN(500), i*104729+r.IntN(9999), []string{"buy", "sell"}[r.IntN(2)])
}

var words = strings.Fields(`the of and to in is that it was for on are as with his they at be this from
	have or by one had not but what all were when we there can an your which their said if do will each
	about how up out them then she many some so these would other into has more her two like him see time
	could no make than first been its who now people my made over did down only way find use may water
	long little very after words called just where most know server message connection window browser`)

// appendSentence appends a sentence of English words by their frequency.
func appendSentence(dst []byte, r *rand.Rand, _ int) []byte {
	for n := 6 + r.IntN(12); n > 0; n-- {
		w := words[int(float64(len(words))*r.Float64()*r.Float64())]
		dst = append(append(dst, w...), ' ')
	}
	return append(dst[:len(dst)-1], ". "...)
}

// appendRecord appends a record of fixed and variable numbers, as in binary
// protocols.
func appendRecord(dst []byte, r *rand.Rand, i int) []byte {
	dst = append(dst, 0x08, 0x96, 0x01, 0x12, byte(r.IntN(4)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(i))
	dst = binary.LittleEndian.AppendUint64(dst, 1700000000000+uint64(i*250+r.IntN(40)))
	dst = binary.AppendUvarint(dst, uint64(r.IntN(100000)))
	return binary.LittleEndian.AppendUint32(dst, uint32(r.IntN(1<<20)))
}

func appendNoise(dst []byte, r *rand.Rand, _ int) []byte {
	return binary.LittleEndian.AppendUint64(dst, r.Uint64())
}
