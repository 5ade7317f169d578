package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// message is a message that is sent repeatedly.
type message struct {
	payload    []byte
	compressed []byte // the compressed payload, or nil to send payload
}

// mix is the messages of a load with their weights.
type mix struct {
	op       ws.OpCode
	messages []message
	upTo     []int // running sums of the weights

	template textTemplate // makes each message, instead of messages
	data     *table       // of --csv
}

// next returns the message to send.
func (m *mix) next(random *rand.Rand) *message {
	if len(m.messages) == 1 {
		return &m.messages[0]
	}
	n := random.IntN(m.upTo[len(m.upTo)-1])
	for i, limit := range m.upTo {
		if n < limit {
			return &m.messages[i]
		}
	}
	panic("unreachable")
}

// compress compresses the messages once. No message refers to an earlier one,
// so compression costs nothing during the load. A message that would not become
// smaller is sent uncompressed.
func (m *mix) compress() {
	for i := range m.messages {
		p := m.messages[i].payload
		if out, err := wsflate.DefaultHelper.Compress(p); err == nil && len(out) < len(p) {
			m.messages[i].compressed = out
		}
	}
}

// largest returns the size of the longest message in bytes. For a template it
// is the approximate size, that of the first message.
func (m *mix) largest() int {
	n := 0
	if m.template != nil {
		v := &values{row: m.data.row(0), random: rand.New(rand.NewPCG(0, 2)), total: new(atomic.Int64)}
		n = len(m.template.append(nil, v))
	}
	for _, msg := range m.messages {
		n = max(n, len(msg.payload))
	}
	return n
}

func (m *mix) add(payload []byte, weight int) {
	sum := weight
	if n := len(m.upTo); n > 0 {
		sum += m.upTo[n-1]
	}
	m.messages = append(m.messages, message{payload: payload})
	m.upTo = append(m.upTo, sum)
}

// parseSizes makes messages of the sizes in spec, such as "64" or with weights
// "64:90,16k:9,1m:1".
func (m *mix) parseSizes(spec string) error {
	for part := range strings.SplitSeq(spec, ",") {
		size, weight, weighted := strings.Cut(part, ":")
		n, err := parseSize(size)
		if err != nil {
			return err
		}
		w := 1
		if weighted {
			if w, err = strconv.Atoi(weight); err != nil || w < 1 {
				return exit.Usagef("--size %q: a weight is an integer of at least 1", part)
			}
		}
		m.add(filler(m.op, n), w)
	}
	return nil
}

// maxSize is the maximum size of a message in bytes.
const maxSize = 1 << 30

// parseSize parses a number of bytes: 64, 16k, 1m.
func parseSize(s string) (int, error) {
	digits := strings.TrimRight(strings.ToLower(strings.TrimSpace(s)), "kmib")
	unit := 1
	switch strings.ToLower(strings.TrimSpace(s))[len(digits):] {
	case "", "b":
	case "k", "kb", "kib":
		unit = 1 << 10
	case "m", "mb", "mib":
		unit = 1 << 20
	default:
		unit = 0
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || unit == 0 || n > maxSize/unit {
		return 0, exit.Usagef("size %q: write a number of bytes such as 64, 16k or 1m, up to 1024m", s)
	}
	return n * unit, nil
}

// filler returns n bytes: for text, words, which compress as usual text does,
// and for binary, random bytes, which do not compress.
func filler(op ws.OpCode, n int) []byte {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	p := make([]byte, 0, n+16)
	for len(p) < n {
		if op == ws.OpText {
			p = append(fmt.Appendf(p, "%s", words[random.IntN(len(words))]), ' ')
		} else {
			p = append(p, byte(random.Uint32()))
		}
	}
	return p[:n]
}

var words = strings.Fields("price order book trade bid ask volume open close high low time user room message " +
	"joined left typing update delta snapshot event error ok true false null id name value status 0 1 2 3 17 42 100 2048")
