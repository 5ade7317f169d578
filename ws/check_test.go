package ws

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckHeader(t *testing.T) {
	masked := func(h Header) Header { h.Masked = true; return h }
	text := Header{Fin: true, OpCode: OpText}
	for _, tt := range []struct {
		name  string
		h     Header
		state State
		want  *ProtocolError
	}{
		{"5.1 server, masked", masked(text), StateServerSide, nil},
		{"5.1 server, not masked", text, StateServerSide, ErrProtocolMaskRequired},
		{"5.1 server, control not masked", Header{Fin: true, OpCode: OpPing}, StateServerSide, ErrProtocolMaskRequired},
		{"5.1 client, not masked", text, StateClientSide, nil},
		{"5.1 client, masked", masked(text), StateClientSide, ErrProtocolMaskUnexpected},
		{"5.1 no side, masked", masked(text), 0, nil},
		{"5.1 no side, not masked", text, 0, nil},

		{"5.4 begin of a message", Header{OpCode: OpText}, 0, nil},
		{"5.4 continuation", Header{OpCode: OpContinuation}, StateFragmented, nil},
		{"5.4 last continuation", Header{Fin: true}, StateFragmented, nil},
		{"5.4 continuation of nothing", Header{OpCode: OpContinuation}, 0, ErrProtocolContinuationUnexpected},
		{"5.4 last continuation of nothing", Header{Fin: true}, 0, ErrProtocolContinuationUnexpected},
		{"5.4 text inside a message", text, StateFragmented, ErrProtocolContinuationExpected},
		{"5.4 binary inside a message", Header{OpCode: OpBinary}, StateFragmented, ErrProtocolContinuationExpected},
		{"5.4 ping inside a message", Header{Fin: true, OpCode: OpPing}, StateFragmented, nil},
		{"5.4 pong inside a message", Header{Fin: true, OpCode: OpPong}, StateFragmented, nil},
		{"5.4 close inside a message", Header{Fin: true, OpCode: OpClose}, StateFragmented, nil},

		{"5.5 ping with 125 bytes", Header{Fin: true, OpCode: OpPing, Length: 125}, 0, nil},
		{"5.5 ping with 126 bytes", Header{Fin: true, OpCode: OpPing, Length: 126}, 0, ErrProtocolControlPayloadOverflow},
		{"5.5 pong with 126 bytes", Header{Fin: true, OpCode: OpPong, Length: 126}, 0, ErrProtocolControlPayloadOverflow},
		{"5.5 close with 1<<40 bytes", Header{Fin: true, OpCode: OpClose, Length: 1 << 40}, 0, ErrProtocolControlPayloadOverflow},
		{"5.5 ping not final", Header{OpCode: OpPing}, 0, ErrProtocolControlNotFinal},
		{"5.5 close not final", Header{OpCode: OpClose}, StateFragmented, ErrProtocolControlNotFinal},
		{"5.6 text with 126 bytes", Header{Fin: true, OpCode: OpText, Length: 126}, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckHeader(tt.h, tt.state)
			if tt.want == nil {
				require.NoError(t, err)
				return
			}
			require.True(t, err == tt.want, "got %v", err)
			require.Equal(t, StatusProtocolError, tt.want.Code)
		})
	}
}

func TestCheckHeaderReservedOpcodes_RFC6455_5_2(t *testing.T) {
	for _, op := range []OpCode{3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf} {
		for _, s := range []State{0, StateFragmented, StateExtended, StateRSV1} {
			err := CheckHeader(Header{Fin: true, OpCode: op}, s)
			require.True(t, err == ErrProtocolOpCodeReserved, "opcode %#x: %v", op, err)
		}
	}
}

// Only negotiated bits are allowed, and only where the extension sets them (RFC
// 6455, section 5.2; RFC 7692, sections 6 and 6.1).
func TestCheckHeaderReservedBits(t *testing.T) {
	states := map[State]byte{0: 0, StateRSV1: 4, StateRSV2: 2, StateRSV3: 1, StateRSV1 | StateRSV3: 5, StateRSV1 | StateRSV2 | StateRSV3: 7}
	for state, negotiated := range states {
		for rsv := range byte(8) {
			frames := map[string]struct {
				h       Header
				state   State
				allowed byte
			}{
				"first":        {Header{OpCode: OpText}, state, negotiated},
				"only":         {Header{Fin: true, OpCode: OpBinary}, state, negotiated},
				"continuation": {Header{Fin: true}, state | StateFragmented, 0},
				"ping":         {Header{Fin: true, OpCode: OpPing}, state, 0},
				"close":        {Header{Fin: true, OpCode: OpClose}, state | StateFragmented, 0},
				// StateExtended is for unknown extensions.
				"continuation, extended": {Header{Fin: true}, StateExtended | StateFragmented, 7},
				"first, extended":        {Header{OpCode: OpText}, StateExtended, 7},
				"ping, extended":         {Header{Fin: true, OpCode: OpPing}, StateExtended, 0},
			}
			for name, f := range frames {
				f.h.Rsv = rsv
				err := CheckHeader(f.h, f.state)
				if rsv&^f.allowed == 0 {
					require.NoError(t, err, "%s: bits %03b, negotiated %03b", name, rsv, negotiated)
				} else {
					require.True(t, err == ErrProtocolNonZeroRsv, "%s: bits %03b, negotiated %03b: %v", name, rsv, negotiated, err)
				}
			}
		}
	}
}

func TestStateIsASet(t *testing.T) {
	var s State
	s = s.Set(StateServerSide).Set(StateFragmented)
	require.True(t, s.ServerSide() && s.Fragmented() && s.Is(StateServerSide|StateFragmented))
	require.False(t, s.ClientSide() || s.Extended() || s.Is(StateServerSide|StateExtended))
	require.Equal(t, StateServerSide, s.Clear(StateFragmented))
	require.True(t, StateClientSide.ClientSide() && StateExtended.Extended())
}

func TestProtocolErrorNamesTheSection(t *testing.T) {
	require.Equal(t, "ws: protocol error: frame from a client is not masked (RFC 6455, section 5.1)", ErrProtocolMaskRequired.Error())
}
