package wsutil

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

func TestTracer(t *testing.T) {
	compressed := ws.NewFrame(ws.OpText, true, []byte{0xf2, 0x48})
	compressed.Header.Rsv = ws.Rsv(true, false, true)
	in := peerFrames(ws.StateServerSide,
		frame(ws.OpText, true, "Hello"), frame(ws.OpText, false, "a\n"), frame(ws.OpPing, true, ""), frame(ws.OpContinuation, true, "b"),
		ws.NewBinaryFrame([]byte{0, 1, 0xFF}), frame(ws.OpText, true, strings.Repeat("long ", 100)), compressed,
		frame(5, true, ""), closeFrame(1000, "bye"))
	const want = `< text masked 37fa213d 5 "Hello"
< text more masked 37fa213d 2 "a\n"
< ping masked 37fa213d 0
< continuation masked 37fa213d 1 "b"
< binary masked 37fa213d 3 0001ff
< text masked 37fa213d 500 "long long long long long long lo"...
< text rsv1 rsv3 masked 37fa213d 2 f248
< opcode 5 masked 37fa213d 0
< close masked 37fa213d 5 1000 "bye"
`
	for _, source := range sources {
		var log bytes.Buffer
		p := newPipe(in)
		p.in = source.of(p.in)
		tr := NewTracer(p, &log)
		got, err := io.ReadAll(tr)
		require.NoError(t, err)
		require.Equal(t, in, got)
		require.Equal(t, want, log.String(), source.name)
	}

	var log counted
	tr := NewTracer(newPipe(nil), &log)
	WriteServerText(tr, []byte("Hi"))
	tr.Write([]byte("\x88\x02\x03\xE8\x88"))
	tr.Write([]byte("\x01x"))
	tr.Write([]byte("\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00\x00\x00\x00more"))
	tr.Write([]byte("\x81\x00"))
	require.Len(t, log.writes, 4)
	require.Equal(t, "> text 2 \"Hi\"\n> close 2 1000\n> close 1 \"x\"\n", string(bytes.Join(log.writes[:3], nil)))
	require.Contains(t, string(log.writes[3]), "> not a frame: 81ffffffffffffffffff00000000: ")
}

// A large frame costs what passes, and its line comes before its end.
func TestTracerLarge(t *testing.T) {
	var log bytes.Buffer
	tr := NewTracer(newPipe(nil), &log)
	tr.Write(ws.AppendHeader(nil, ws.Header{OpCode: ws.OpBinary, Length: 1 << 30}))
	require.Empty(t, log.String())
	tr.Write(make([]byte, 40))
	require.Equal(t, "> binary more 1073741824 "+strings.Repeat("00", 32)+"...\n", log.String())
	tr.Write(make([]byte, 1<<20))
	require.LessOrEqual(t, cap(tr.out.shown), 64)
}

// The fragments of a message are shown alike, control frames between them as ever.
func TestTracerFragments(t *testing.T) {
	var log bytes.Buffer
	compressed := frame(ws.OpText, false, "\x01\x02")
	compressed.Header.Rsv = ws.Rsv(true, false, false)
	late := frame(ws.OpContinuation, false, "\x05")
	late.Header.Rsv = ws.Rsv(false, false, true)
	in := peerFrames(ws.StateClientSide,
		frame(ws.OpBinary, false, "\x01"), frame(ws.OpPing, true, "ping"), frame(ws.OpContinuation, true, "\x02\xff"),
		compressed, frame(ws.OpContinuation, true, "\x03"), frame(ws.OpText, false, "te"), frame(ws.OpContinuation, true, "xt"),
		frame(ws.OpText, false, "te"), late, frame(ws.OpContinuation, true, "\x06"))
	_, err := io.ReadAll(NewTracer(newPipe(in), &log))
	require.NoError(t, err)
	require.Equal(t, `< binary more 1 01
< ping 4 "ping"
< continuation 2 02ff
< text more rsv1 2 0102
< continuation 1 03
< text more 2 "te"
< continuation 2 "xt"
< text more 2 "te"
< continuation more rsv3 1 05
< continuation 1 06
`, log.String())
}
