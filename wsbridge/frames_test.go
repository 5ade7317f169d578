package wsbridge

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// masked returns the wire form of a frame of a client.
func masked(op ws.OpCode, fin bool, rsv byte, payload string) []byte {
	f := ws.MaskFrame(ws.NewFrame(op, fin, []byte(payload)))
	f.Header.Rsv = rsv
	return ws.AppendFrame(nil, f)
}

// Frames pass however they are cut, but for a header that is not whole.
func TestWalkCutAnywhere_RFC6455_5(t *testing.T) {
	stream := bytes.Join([][]byte{
		masked(ws.OpText, false, ws.Rsv(true, false, false), "frag"),
		masked(ws.OpPing, true, 0, "ping"),
		masked(ws.OpContinuation, true, 0, "ments"),
		masked(ws.OpBinary, true, 0, string(make([]byte, 70000))),
		masked(ws.OpClose, true, 0, "\x03\xe8bye"),
	}, nil)
	for _, step := range []int{1, 2, 3, 7, 13, 14, 1000, len(stream)} {
		f := frames{state: ws.StateServerSide | ws.StateRSV1, limit: 70000}
		var passed, held []byte
		for rest := stream; len(rest) > 0; {
			n := min(step, len(rest))
			held = append(held, rest[:n]...)
			rest = rest[n:]
			n, err := f.walk(held)
			require.NoError(t, err)
			passed, held = append(passed, held[:n]...), held[n:]
			require.Less(t, len(held), ws.MaxHeaderSize)
		}
		require.Empty(t, held)
		require.True(t, bytes.Equal(stream, passed))
		require.True(t, f.closed)
		require.Zero(t, f.left)
	}
}

// A fault stops the frame that has it, and none before it.
func TestWalkFaults_RFC6455_5(t *testing.T) {
	for _, tt := range []struct {
		name  string
		frame []byte
		want  error
	}{
		{"5.1 not masked", ws.AppendFrame(nil, ws.NewTextFrame([]byte("x"))), ws.ErrProtocolMaskRequired},
		{"5.2 reserved bit", masked(ws.OpText, true, ws.Rsv(false, true, false), "x"), ws.ErrProtocolNonZeroRsv},
		{"5.2 compressed, which nobody agreed on", masked(ws.OpText, true, ws.Rsv(true, false, false), "x"), ws.ErrProtocolNonZeroRsv},
		{"5.2 reserved opcode", masked(3, true, 0, "x"), ws.ErrProtocolOpCodeReserved},
		{"5.2 length with its top bit", append([]byte{0x82, 0xff, 0x80}, make([]byte, 11)...), ws.ErrHeaderLengthMSB},
		{"5.4 continuation of nothing", masked(ws.OpContinuation, true, 0, "x"), ws.ErrProtocolContinuationUnexpected},
		{"5.5 long ping", masked(ws.OpPing, true, 0, string(make([]byte, 126))), ws.ErrProtocolControlPayloadOverflow},
		{"too big", masked(ws.OpBinary, true, 0, "12345678901"), errTooBig},
		{"too big together", append(masked(ws.OpBinary, false, 0, "1234567890"), masked(ws.OpContinuation, true, 0, "1")...), errTooBig},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := frames{state: ws.StateServerSide, limit: 10}
			before := masked(ws.OpText, true, 0, "before")
			n, err := f.walk(append(before, tt.frame...))
			require.ErrorIs(t, err, tt.want)
			require.Zero(t, f.left, "a close frame may follow")
			if tt.name != "too big together" {
				require.Equal(t, len(before), n)
			}
		})
	}
}
