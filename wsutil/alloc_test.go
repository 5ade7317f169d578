package wsutil

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// In steady state nothing is allocated, whatever the source and the answers are.
func TestDataAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, side := range both {
		for _, n := range []int{0, 16, 1 << 10, 100 << 10} {
			text := strings.Repeat("t", n)
			wire := peerFrames(side.state, frame(ws.OpPing, true, "ping"), frame(ws.OpText, true, text),
				frame(ws.OpBinary, false, text), frame(ws.OpPing, true, "ping"), frame(ws.OpContinuation, true, text))
			src := bytes.NewReader(nil)
			br := bufio.NewReader(src)
			plain := struct {
				io.Reader
				io.Writer
			}{src, io.Discard}
			buffered := bufio.NewReadWriter(br, bufio.NewWriter(io.Discard))
			buf := make([]byte, 0, 2*n)
			for _, rw := range []io.ReadWriter{&plain, buffered} {
				allocs := testing.AllocsPerRun(50, func() {
					src.Reset(wire)
					br.Reset(src)
					for range 2 {
						if _, _, err := AppendData(buf, rw, side.state); err != nil {
							t.Fatal(err)
						}
					}
				})
				require.Zero(t, allocs, "%s, %d bytes", side.name, n)
			}
			payload := []byte(text)
			require.Zero(t, testing.AllocsPerRun(50, func() { WriteMessage(io.Discard, side.state, ws.OpText, payload) }))
		}
	}
}

func TestReaderWriterAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, side := range both {
		wire := peerFrames(side.state, frame(ws.OpText, false, "Hello"), frame(ws.OpPing, true, "ping"), frame(ws.OpContinuation, true, strings.Repeat("a", 20000)))
		src := bytes.NewReader(nil)
		r := NewReader(src, side.state)
		answer := ControlFrameHandler(io.Discard, side.state)
		p := make([]byte, 100)
		require.Zero(t, testing.AllocsPerRun(50, func() {
			src.Reset(wire)
			r.Reset(src, side.state)
			r.CheckUTF8, r.OnIntermediate = true, answer
			if _, err := r.NextFrame(); err != nil {
				t.Fatal(err)
			}
			r.Read(p)
			if err := r.Discard(); err != nil {
				t.Fatal(err)
			}
		}))
		require.Zero(t, testing.AllocsPerRun(50, func() {
			w := GetWriter(io.Discard, side.state, ws.OpText, 1000)
			w.Write(p)
			w.Flush()
			w.ResetOp(ws.OpBinary)
			w.Write(wire)
			w.Flush()
			PutWriter(w)
		}))
	}
}
