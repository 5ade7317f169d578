package wsutil

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// roomFor returns a buffer for a message in place.
func roomFor(p []byte) []byte { return append(make([]byte, ws.MaxHeaderSize), p...) }

// unmasked returns the frames of wire, with the keys taken off.
func unmasked(t *testing.T, wire []byte, s ws.State) (frames []ws.Frame) {
	t.Helper()
	for r := bytes.NewReader(wire); r.Len() > 0; {
		f, err := ws.ReadFrame(r)
		require.NoError(t, err)
		require.Equal(t, s.ClientSide(), f.Header.Masked)
		frames = append(frames, ws.UnmaskFrameInPlace(f))
	}
	return frames
}

// oneWrite counts Writes.
type oneWrite struct {
	bytes.Buffer
	writes int
}

func (w *oneWrite) Write(p []byte) (int, error) { w.writes++; return w.Buffer.Write(p) }

func TestWriteMessageInPlace(t *testing.T) {
	for _, s := range []ws.State{ws.StateServerSide, ws.StateClientSide} {
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, 200_000} {
			p := bytes.Repeat([]byte("12345"), size/5+1)[:size]
			var want bytes.Buffer
			require.NoError(t, WriteMessage(&want, s, ws.OpBinary, p))
			var got oneWrite
			require.NoError(t, WriteMessageInPlace(&got, s, ws.OpBinary, roomFor(p)))
			require.Equal(t, 1, got.writes)
			require.Equal(t, unmasked(t, want.Bytes(), s), unmasked(t, got.Bytes(), s))
		}
	}
}

func TestWriteMessageInPlaceRefuses(t *testing.T) {
	var w oneWrite
	for _, tt := range []struct {
		op  ws.OpCode
		buf []byte
		err error
	}{
		{ws.OpText, nil, ws.ErrNoHeaderRoom},
		{ws.OpText, make([]byte, ws.MaxHeaderSize-1), ErrNotSendable},
		{ws.OpPing, make([]byte, ws.MaxHeaderSize+126), ErrControlOverflow},
		{3, make([]byte, ws.MaxHeaderSize), ErrNotSendable},
	} {
		require.ErrorIs(t, WriteMessageInPlace(&w, ws.StateClientSide, tt.op, tt.buf), tt.err)
	}
	require.Zero(t, w.writes)
}

// appendInPlace makes the frames of a message in place, as a driver sends them.
func appendInPlace(t *testing.T, c *Protocol, op ws.OpCode, p []byte) (wire []byte) {
	t.Helper()
	m := NewOutgoingInPlace(op, roomFor(p))
	require.Equal(t, len(p), m.Size())
	room := make([]byte, 0, 8)
	for m.Pending() {
		out, body, err := c.AppendFrame(room, &m)
		require.NoError(t, err)
		wire = append(append(wire, out...), body...)
	}
	require.True(t, m.Done())
	return wire
}

// A message in place is made of the same frames as any other, however it is cut: also
// where a header is longer than the fragment before it.
func TestOutgoingInPlace_RFC6455_5_4(t *testing.T) {
	for _, s := range []ws.State{ws.StateServerSide, ws.StateClientSide} {
		for _, fragment := range []int{1, 3, 20, 126, 70_000, -1} {
			for _, size := range []int{0, 1, 125, 126, 1000, 100_000} {
				if size/max(fragment, 1) > 2000 && fragment > 0 {
					continue
				}
				t.Run(fmt.Sprintf("%v, %d in %d", s, size, fragment), func(t *testing.T) {
					p := bytes.Repeat([]byte("ab"), size/2+1)[:size]
					config := &Config{State: s, FragmentSize: fragment, CheckUTF8: true}
					want, err := NewProtocol(config).AppendMessage(nil, ws.OpText, p)
					require.NoError(t, err)
					got := appendInPlace(t, NewProtocol(config), ws.OpText, p)
					require.Equal(t, unmasked(t, want, s), unmasked(t, got, s))
				})
			}
		}
	}
}

func TestOutgoingInPlaceRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		op   ws.OpCode
		buf  []byte
		err  error
	}{
		{"nil", ws.OpText, nil, ws.ErrNoHeaderRoom},
		{"no room", ws.OpText, make([]byte, ws.MaxHeaderSize-1), ws.ErrNoHeaderRoom},
		{"no room, not sendable", ws.OpText, nil, ErrNotSendable},
		{"control frame", ws.OpPing, roomFor(nil), ErrNotSendable},
		{"not UTF-8", ws.OpText, roomFor([]byte("\xff")), ErrNotSendable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := NewProtocol(&Config{State: ws.StateServerSide, CheckUTF8: true})
			m := NewOutgoingInPlace(tt.op, tt.buf)
			before := bytes.Clone(tt.buf)
			out, body, err := c.AppendFrame(nil, &m)
			require.ErrorIs(t, err, tt.err)
			require.Empty(t, out)
			require.Empty(t, body)
			require.Equal(t, before, tt.buf)
			_, err = c.AppendMessage(nil, ws.OpText, []byte("on"))
			require.NoError(t, err, "as usable as before")
		})
	}
}

// Parts that are added later are anywhere.
func TestOutgoingInPlaceThenParts(t *testing.T) {
	c := NewProtocol(&Config{State: ws.StateServerSide})
	m := NewOutgoingInPlace(ws.OpText, roomFor([]byte("first")))
	m.Add([]byte("second"), true)
	out, body, err := c.AppendFrame(nil, &m)
	require.NoError(t, err)
	require.Equal(t, "\x81\x06second", string(append(out, body...)))
}

func TestInPlaceAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	c := NewProtocol(&Config{State: ws.StateClientSide})
	buf := make([]byte, 100_000)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m := NewOutgoingInPlace(ws.OpBinary, buf)
		if out, _, err := c.AppendFrame(nil, &m); err != nil || len(out) > 0 || c.FrameRoom(&m) != 0 {
			t.Fatal(err)
		}
	}))
}
