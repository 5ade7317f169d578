package wsutil

import (
	"bufio"
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// huge is the payload of a frame that nobody wants to hold.
const huge = 1 << 30

// hugeFrame returns the header of a frame with huge bytes of payload, the
// payload of zeros, and the bytes after it. It counts the calls.
type hugeFrame struct {
	head, behind *bytes.Reader
	left         int
	reads        int
}

func newHugeFrame(s ws.State, op ws.OpCode, fin bool, behind []byte) *hugeFrame {
	h := ws.Header{Fin: fin, OpCode: op, Masked: s.ServerSide(), Length: huge}
	return &hugeFrame{head: bytes.NewReader(ws.AppendHeader(nil, h)), behind: bytes.NewReader(behind), left: huge}
}

func (f *hugeFrame) Read(p []byte) (n int, err error) {
	f.reads++
	switch {
	case f.head.Len() > 0:
		return f.head.Read(p)
	case f.left == 0:
		return f.behind.Read(p)
	}
	n = min(len(p), f.left)
	clear(p[:n])
	f.left -= n
	return n, nil
}

// What is left of a huge frame is skipped in large steps, at the price of reading it:
// it is neither held nor looked at byte by byte.
func TestSkipHugeFrame(t *testing.T) {
	ways := map[string]func(r *Reader) error{
		"Discard": (*Reader).Discard,
		"NextFrame": func(r *Reader) error {
			for r.State.Fragmented() {
				if _, err := r.NextFrame(); err != nil {
					return err
				}
			}
			return nil
		},
		"AppendMessage": func(*Reader) error { return nil },
	}
	for _, side := range both {
		behind := peerFrames(side.state, frame(ws.OpPing, true, "between"),
			frame(ws.OpContinuation, true, "end"), frame(ws.OpText, true, "next"))
		for name, skip := range ways {
			for _, buffered := range []bool{false, true} {
				src := newHugeFrame(side.state, ws.OpText, false, behind)
				var from io.Reader = src
				if buffered {
					from = bufio.NewReader(src)
				}
				used := heap(func() {
					r := DefaultReader(from, side.state)
					r.MaxMessageSize = 0
					_, err := r.NextFrame()
					require.NoError(t, err)
					_, err = io.ReadFull(r, make([]byte, 10))
					require.NoError(t, err)
					require.NoError(t, skip(r), name)
					p, _, err := r.AppendMessage(nil)
					require.NoError(t, err, name)
					require.Equal(t, "next", string(p))
				})
				require.Less(t, src.reads, huge/4096+20, name)
				require.Less(t, used, uint64(256<<10), name)
			}
		}
	}
}

// A frame over the limit is refused at its header: the close frame goes out, and
// nothing of the payload is waited for.
func TestRefuseHugeFrame_RFC6455_7_4_1(t *testing.T) {
	for _, side := range both {
		src := newHugeFrame(side.state, ws.OpBinary, true, nil)
		p := &pipe{in: src}
		_, _, err := ReadData(p, side.state)
		require.Equal(t, ErrMessageTooLarge, err)
		require.Equal(t, huge, src.left)
		require.LessOrEqual(t, src.reads, 2)
		require.Equal(t, []ws.Frame{closeFrame(ws.StatusMessageTooBig, "message is longer than the limit")}, frameList(t, p.out.Bytes()))
	}
}

// The connection without I/O hands out what arrives of a huge frame, and holds none of
// it; it can close at any byte.
func TestProtocolCloseInsideHugeFrame(t *testing.T) {
	for _, side := range both {
		src := newHugeFrame(side.state, ws.OpBinary, true, nil)
		c := NewProtocol(&Config{State: side.state, MaxMessage: -1})
		in := make([]byte, 64<<10)
		next := func() (arrived int) {
			n, err := src.Read(in)
			require.NoError(t, err)
			for p := in[:n]; ; {
				ev, k, err := c.Next(p)
				if err == io.ErrUnexpectedEOF {
					return arrived
				}
				require.NoError(t, err)
				arrived += len(ev.Payload)
				p = p[k:]
			}
		}
		require.Zero(t, next(), "the header")
		require.Equal(t, len(in), next())

		out, err := c.AppendClose(nil, ws.StatusGoingAway, "")
		require.NoError(t, err)
		require.Equal(t, []ws.Frame{closeFrame(ws.StatusGoingAway, "")}, frameList(t, out))

		if !race.Enabled { // which allocates
			require.Zero(t, testing.AllocsPerRun(10, func() { src.Read(in); c.Next(in) }))
		}
		arrived := huge - src.left
		for src.left > 0 {
			arrived += next()
		}
		require.Equal(t, huge, arrived)
		require.Nil(t, c.message)
	}
}
