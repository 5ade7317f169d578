package wsutil

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// pauses returns its pieces, with a timeout before each, and only timeouts
// after the last.
type pauses struct {
	pieces []string
	within bool // a piece of which something was read
}

func (p *pauses) Read(b []byte) (int, error) {
	if !p.within {
		p.within = len(p.pieces) > 0
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(b, p.pieces[0])
	if p.pieces[0] = p.pieces[0][n:]; p.pieces[0] == "" {
		p.pieces, p.within = p.pieces[1:], false
	}
	return n, nil
}

// A timeout before a frame, also before a continuation, loses nothing: the
// Reader continues at the next call.
func TestReaderGoesOnAfterTimeout(t *testing.T) {
	wire := func(f ws.Frame) string { return string(peerFrames(ws.StateServerSide, f)) }
	long := strings.Repeat("x", 200)
	for _, buffered := range []bool{false, true} {
		var src io.Reader = &pauses{pieces: []string{
			wire(frame(ws.OpText, false, "ab")), wire(frame(ws.OpContinuation, true, "cd")), wire(frame(ws.OpBinary, true, long)),
		}}
		if buffered {
			src = bufio.NewReader(src)
		}
		r := NewServerSideReader(src)
		timeouts := 0
		again := func(call func() error) (err error) {
			for range 3 {
				if err = call(); !errors.Is(err, os.ErrDeadlineExceeded) {
					break
				}
				timeouts++
			}
			return err
		}
		var got strings.Builder
		for range 2 {
			require.NoError(t, again(func() error { _, err := r.NextFrame(); return err }))
			require.NoError(t, again(func() error { _, err := io.Copy(&got, r); return err }))
		}
		require.Equal(t, "abcd"+long, got.String())
		require.Equal(t, 3, timeouts)
	}
}

// What was begun to be read cannot be read again: there a timeout stays, in a header
// and in whole messages. A header in a buffer is still there.
func TestReaderKeepsTimeoutWithin(t *testing.T) {
	wire := string(peerFrames(ws.StateServerSide, frame(ws.OpText, true, strings.Repeat("x", 200))))
	begun := func() *pauses { return &pauses{pieces: []string{wire[:3], wire[3:]}, within: true} }

	r := NewServerSideReader(begun())
	_, err := r.NextFrame()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	requireBroken(t, r, err)

	r.Reset(bufio.NewReader(begun()), ws.StateServerSide)
	_, err = r.NextFrame()
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	h, err := r.NextFrame()
	require.NoError(t, err)
	require.EqualValues(t, 200, h.Length)

	r.Reset(&pauses{pieces: []string{string(peerFrames(ws.StateServerSide, frame(ws.OpText, false, "ab")))}, within: true}, ws.StateServerSide)
	_, _, err = r.AppendMessage(nil)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	requireBroken(t, r, err)
}
