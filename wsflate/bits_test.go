package wsflate

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

var opcodes = []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpContinuation, ws.OpPing, ws.OpPong, ws.OpClose}

// RFC 7692, section 6: the bit is set only on the first frame of a message.
func TestBits(t *testing.T) {
	for _, op := range opcodes {
		for rsv := range byte(8) {
			h := ws.Header{Fin: true, Rsv: rsv, OpCode: op, Length: 5, Masked: true, Mask: [4]byte{1, 2, 3, 4}}
			begins, set := op == ws.OpText || op == ws.OpBinary, rsv&4 != 0
			want := h

			got, wasSet, err := UnsetBit(h)
			is, isErr := IsCompressed(h)
			require.Equal(t, err, isErr)
			require.Equal(t, set && begins, is)
			require.Equal(t, set && begins, wasSet)
			if set && !begins {
				require.ErrorIs(t, err, ErrUnexpectedCompressionBit)
				require.Equal(t, ws.StatusProtocolError, ErrUnexpectedCompressionBit.Code)
			} else {
				require.NoError(t, err)
				want.Rsv = rsv & 3
			}
			require.Equal(t, want, got, "op %x rsv %d", op, rsv)

			want = h
			got, err = SetBit(h)
			if set {
				require.ErrorIs(t, err, ErrUnexpectedCompressionBit)
			} else if require.NoError(t, err); begins {
				want.Rsv = rsv | 4
			}
			require.Equal(t, want, got, "op %x rsv %d", op, rsv)
		}
	}
}

// The state belongs to the message: frames between its fragments do not change
// it.
func TestMessageState(t *testing.T) {
	var s MessageState
	require.False(t, s.IsCompressed())
	step := func(op ws.OpCode, rsv byte, compressed bool) {
		t.Helper()
		h, err := s.UnsetBits(ws.Header{OpCode: op, Rsv: rsv})
		require.NoError(t, err)
		require.Zero(t, h.Rsv)
		require.Equal(t, compressed, s.IsCompressed())
	}
	step(ws.OpText, 4, true)
	step(ws.OpPing, 0, true)
	step(ws.OpContinuation, 0, true)
	_, err := s.UnsetBits(ws.Header{OpCode: ws.OpContinuation, Rsv: 4})
	require.ErrorIs(t, err, ErrUnexpectedCompressionBit)
	step(ws.OpBinary, 0, false)
	step(ws.OpPong, 0, false)

	for _, compressed := range []bool{true, false} {
		s.SetCompressed(compressed)
		for _, op := range opcodes {
			h, err := s.SetBits(ws.Header{OpCode: op})
			require.NoError(t, err)
			require.Equal(t, compressed && (op == ws.OpText || op == ws.OpBinary), h.Rsv == 4)
		}
	}
}
