package wsflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const tail = "\x00\x00\xff\xff"

// An oracle is the inflating side of one direction, on compress/flate. It has
// no more of the past than what was agreed on.
type oracle struct {
	window   int
	takeover bool
	past     []byte
}

func (o *oracle) inflate(t testing.TB, payload []byte) []byte {
	t.Helper()
	r := flate.NewReaderDict(io.MultiReader(bytes.NewReader(payload), strings.NewReader(tail+"\x01"+tail)), o.past)
	p, err := io.ReadAll(r)
	require.NoError(t, err)
	if o.takeover {
		o.past = append(o.past, p...)
		o.past = bytes.Clone(o.past[max(len(o.past)-o.window, 0):])
	}
	return p
}

// A stdSender is the compressing side of one direction, on compress/flate: a
// window of 15 bits.
type stdSender struct {
	takeover bool
	out      bytes.Buffer
	w        *flate.Writer
}

func newStdSender(takeover bool, level int) *stdSender {
	s := &stdSender{takeover: takeover}
	s.w, _ = flate.NewWriter(&s.out, level)
	return s
}

func (s *stdSender) deflate(t testing.TB, p []byte) []byte {
	t.Helper()
	s.out.Reset()
	if !s.takeover {
		s.w.Reset(&s.out)
	}
	_, err := s.w.Write(p)
	require.NoError(t, err)
	require.NoError(t, s.w.Flush())
	out, ok := bytes.CutSuffix(s.out.Bytes(), []byte(tail))
	require.True(t, ok)
	return bytes.Clone(out)
}

// tick is a message such as many servers send.
func tick(i int) []byte {
	return fmt.Appendf(nil, `{"type":"trade","symbol":"%s","price":%d.%02d,"size":%d,"time":17000%08d,"side":"%s"}`,
		[]string{"BTC-USD", "ETH-USD", "SOL-EUR"}[i%3], 20000+i*37%991, i%100, 1+i*i%13, i*104729, []string{"buy", "sell"}[i/2%2])
}

func noise(n int, seed uint64) []byte {
	r, p := rand.New(rand.NewPCG(seed, 1)), make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// messages are of many kinds and sizes: short and long, compressible or not,
// with matches at all distances up to the largest window.
func messages() (all [][]byte) {
	far := noise(40000, 7)
	for i := range 6 {
		all = append(all, tick(i))
	}
	all = append(all, nil, []byte("a"), bytes.Join([][]byte{tick(7), tick(8), tick(9)}, []byte(",")))
	all = append(all, append(bytes.Clone(far[:3000]), far[:3000]...)) // matches at only one distance
	all = append(all, far[:200], tick(10), far[:3000], bytes.Repeat([]byte("Lorem ipsum dolor "), 400))
	all = append(all, far[:200], far, tick(11), append(bytes.Clone(far[39000:]), far[10000:12000]...), bytes.Repeat(tick(12), 700), tick(13))
	return all
}
