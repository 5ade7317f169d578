package wsutil

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// RFC 6455, section 8.1: every cut of a bad text into fragments and Reads.
func TestReaderUTF8(t *testing.T) {
	for _, tt := range []struct {
		text  string
		valid int // bytes before the bad character
	}{
		{"κόσμε\xED\xA0\x80edited", 10},
		{"\xFF", 0},
		{"abc\xC3", 3},
		{"\xF4\x90\x80\x80", 0},
		{"x\xF0\x9F\x98", 1},
	} {
		for _, side := range both {
			for cut := range len(tt.text) + 1 {
				wire := peerFrames(side.state, frame(ws.OpText, false, tt.text[:cut]),
					frame(ws.OpPing, true, "\xFF"), frame(ws.OpContinuation, true, tt.text[cut:]))
				for _, source := range sources {
					r := NewReader(source.of(bytes.NewReader(wire)), side.state)
					r.CheckUTF8 = true
					_, err := r.NextFrame()
					require.NoError(t, err)
					got, err := io.ReadAll(r)
					require.ErrorIs(t, err, ErrInvalidUTF8)
					require.True(t, strings.HasPrefix(tt.text, string(got)))
					require.GreaterOrEqual(t, len(got), tt.valid)
					requireBroken(t, r, ErrInvalidUTF8)
				}
				r := NewReader(bytes.NewReader(wire), side.state)
				r.CheckUTF8 = true
				_, _, err := r.AppendMessage(nil)
				require.ErrorIs(t, err, ErrInvalidUTF8)
			}
		}
	}
}

// The bad byte is refused when it arrives, not at the end of the frame.
func TestReaderUTF8AtOnce(t *testing.T) {
	wire := ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpText, Length: 1 << 20})
	src := io.MultiReader(bytes.NewReader(wire), strings.NewReader("abc\xFF"), iotest.ErrReader(errors.New("asked for more")))
	r := NewClientSideReader(src)
	r.CheckUTF8 = true
	_, err := r.NextFrame()
	require.NoError(t, err)
	p := make([]byte, 100)
	n, err := r.Read(p)
	require.ErrorIs(t, err, ErrInvalidUTF8)
	require.Equal(t, "abc", string(p[:n]))
}

// A reader that does not look at the last error finds it at the next call.
func TestReaderUTF8ReadFull(t *testing.T) {
	r := NewClientSideReader(bytes.NewReader(peerFrames(ws.StateClientSide, frame(ws.OpText, false, "abc"), frame(ws.OpContinuation, true, "\xC3"))))
	r.CheckUTF8 = true
	_, err := r.NextFrame()
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 3))
	require.NoError(t, err)
	_, err = r.Read(make([]byte, 9))
	require.Equal(t, ErrInvalidUTF8, err)
	requireBroken(t, r, ErrInvalidUTF8)
}

// Text is not checked where nobody asks for it, in binary and control frames, and in
// what extensions will change.
func TestReaderUTF8NotChecked(t *testing.T) {
	rsv1 := frame(ws.OpText, false, "\xFF")
	rsv1.Header.Rsv = ws.Rsv(true, false, false)
	for _, frames := range [][]ws.Frame{
		{frame(ws.OpBinary, true, "\xFF")},
		{rsv1, frame(ws.OpContinuation, true, "\xFF")},
		{frame(ws.OpPing, true, "\xFF"), frame(ws.OpText, true, "a")},
		{frame(ws.OpText, false, "a"), frame(ws.OpPing, true, "\xFF"), frame(ws.OpContinuation, true, "a")},
	} {
		r := NewReader(bytes.NewReader(peerFrames(ws.StateServerSide, frames...)), ws.StateServerSide|ws.StateRSV1)
		r.CheckUTF8 = true
		_, _, err := r.AppendMessage(nil)
		require.NoError(t, err)
	}
	r := NewServerSideReader(bytes.NewReader(peerFrames(ws.StateServerSide, frame(ws.OpText, true, "\xFF"))))
	_, _, err := r.AppendMessage(nil)
	require.NoError(t, err)
}
