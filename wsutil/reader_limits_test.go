package wsutil

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// RFC 6455, section 10.4: limits hold at the header, before any payload.
func TestReaderLimits(t *testing.T) {
	huge := ws.Header{OpCode: ws.OpContinuation, Length: math.MaxInt}
	fragment := func(op ws.OpCode, n int64) []byte { return ws.AppendHeader(nil, ws.Header{OpCode: op, Length: n}) }
	for _, tt := range []struct {
		name           string
		wire           string
		frame, message int64
		fragments      int
		want           error
	}{
		{"frame", string(fragment(ws.OpText, 11)), 10, 0, 0, ErrFrameTooLarge},
		{"message of one frame", string(fragment(ws.OpText, 11)), 0, 10, 0, ErrMessageTooLarge},
		{"declared 2^62", string(fragment(ws.OpText, 1<<62)), 0, 1 << 20, 0, ErrMessageTooLarge},
		{"message of allowed frames", string(fragment(ws.OpText, 4)) + "aaaa" + string(fragment(ws.OpContinuation, 4)) + "bbbb" + string(fragment(ws.OpContinuation, 3)), 4, 10, 0, ErrMessageTooLarge},
		{"sum of lengths past int64", string(fragment(ws.OpText, 10)) + "0123456789" + string(ws.AppendHeader(nil, huge)), 0, 1 << 30, 0, ErrMessageTooLarge},
		{"fragments", string(fragment(ws.OpText, 0)) + strings.Repeat(string(fragment(ws.OpContinuation, 0)), 3), 0, 0, 3, ErrTooManyFragments},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.Contains(tt.name, "2^62") && math.MaxInt == math.MaxInt32 {
				tt.want = ws.ErrHeaderLengthOverflow
			}
			r := NewClientSideReader(strings.NewReader(tt.wire))
			r.MaxFrameSize, r.MaxMessageSize, r.MaxFragments = tt.frame, tt.message, tt.fragments
			_, _, err := r.AppendMessage(nil)
			require.ErrorIs(t, err, tt.want)
			require.Equal(t, ws.StatusMessageTooBig, CloseCode(err))
			requireBroken(t, r, tt.want)
		})
	}
	t.Run("without a limit, past int64", func(t *testing.T) {
		r := NewClientSideReader(strings.NewReader(string(fragment(ws.OpBinary, 10)) + "0123456789" + string(ws.AppendHeader(nil, huge))))
		_, _, err := r.AppendMessage(nil)
		require.ErrorIs(t, err, ErrMessageTooLarge)
	})
}

// What is just within the limits passes, control frames do not count, and every
// message begins anew.
func TestReaderWithinLimits(t *testing.T) {
	for _, side := range both {
		r := NewReader(bytes.NewReader(peerFrames(side.state,
			frame(ws.OpPing, true, strings.Repeat("p", 125)),
			frame(ws.OpText, false, "aaaa"), frame(ws.OpPing, true, strings.Repeat("p", 125)), frame(ws.OpContinuation, true, "bbbb"),
			frame(ws.OpText, false, "cccc"), frame(ws.OpContinuation, true, "dddd"),
		)), side.state)
		r.MaxFrameSize, r.MaxMessageSize, r.MaxFragments = 4, 8, 2
		var got []byte
		for range 2 {
			var err error
			got, _, err = r.AppendMessage(got)
			require.NoError(t, err)
		}
		require.Equal(t, "aaaabbbbccccdddd", string(got))
	}
}

// A million empty fragments are refused by default, and cost nothing but the reading
// where they are allowed.
func TestReaderManyFragments(t *testing.T) {
	const n = DefaultMaxFragments
	wire := append([]byte("\x02\x00"), bytes.Repeat([]byte{0, 0}, n)...)
	wire = append(wire, "\x80\x01a"...)

	_, _, err := NewClientSideReader(bytes.NewReader(wire)).AppendMessage(nil)
	require.ErrorIs(t, err, ErrTooManyFragments)

	r := NewClientSideReader(bytes.NewReader(wire))
	r.MaxFragments = -1
	p, _, err := r.AppendMessage(make([]byte, 0, 8))
	require.NoError(t, err)
	require.Equal(t, "a", string(p))
	require.Equal(t, 8, cap(p))
}

// Tiny fragments cost what their bytes cost: memory grows in proportion, and is not
// copied for each of them.
func TestReaderTinyFragments(t *testing.T) {
	const n = 1_000_000
	wire := append([]byte("\x02\x00"), bytes.Repeat([]byte("\x00\x01a"), n)...)
	wire = append(wire, "\x80\x00"...)
	r := NewClientSideReader(bytes.NewReader(wire))
	r.MaxFragments = -1
	used := heap(func() {
		p, _, err := r.AppendMessage(nil)
		require.NoError(t, err)
		require.Len(t, p, n)
		require.LessOrEqual(t, cap(p), 2*n)
	})
	require.Less(t, used, uint64(8*n))
}
