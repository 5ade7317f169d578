package wsutil

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// No way to send takes an opcode that a peer has to refuse, also not one whose lower four
// bits are those of another opcode.
func TestReservedOpCodesAreNotSent_RFC6455_5_2(t *testing.T) {
	refused := []ws.OpCode{3, 7, 0xb, 0xf, 0x10, 0x11, 0x18, 0x19, 0x82, 0xff}
	normal := []byte{3, 232} // with 0x18, the close frame of code 1000
	for _, side := range both {
		for _, op := range refused {
			c := NewProtocol(&Config{State: side.state})
			out, err := c.AppendMessage([]byte("x"), op, normal)
			require.ErrorIs(t, err, ErrNotSendable, "%#x", op)
			require.Equal(t, "x", string(out))
			for _, fin := range []bool{true, false} {
				out, err = c.AppendFragment([]byte("x"), ws.Header{Fin: fin, OpCode: op}, normal)
				require.ErrorIs(t, err, ErrNotSendable, "%#x", op)
				require.Equal(t, "x", string(out))
				m := NewOutgoing(op, normal)
				out, _, err = c.AppendFrame([]byte("x"), &m)
				require.ErrorIs(t, err, ErrNotSendable, "%#x", op)
				require.Equal(t, "x", string(out))
			}
			require.Zero(t, c.Closing())
			_, err = c.AppendMessage(nil, ws.OpText, []byte("as usable as before"))
			require.NoError(t, err)

			var wire bytes.Buffer
			require.ErrorIs(t, WriteMessage(&wire, side.state, op, normal), ErrNotSendable, "%#x", op)
			w := NewWriter(&wire, side.state, op)
			w.Write(normal)
			require.ErrorIs(t, w.Flush(), ErrNotSendable, "%#x", op)
			w.ResetOp(op)
			_, err = w.WriteThrough(normal)
			require.ErrorIs(t, err, ErrNotSendable, "%#x", op)
			require.Zero(t, wire.Len())
			_, err = NewPreparedMessage(op, normal)
			require.ErrorIs(t, err, ErrNotSendable, "%#x", op)
		}
	}
}

// A continuation is not a message, but the caller may end one with it.
func TestContinuationByHand_RFC6455_5_4(t *testing.T) {
	_, err := NewPreparedMessage(ws.OpContinuation, nil)
	require.ErrorIs(t, err, ErrNotSendable)
	p := newPipe(nil)
	require.NoError(t, ws.WriteFrame(p, ws.NewFrame(ws.OpText, false, []byte("Hel"))))
	require.NoError(t, WriteServerMessage(p, ws.OpContinuation, []byte("lo")))
	got, err := ReadServerText(newPipe(p.out.Bytes()))
	require.NoError(t, err)
	require.Equal(t, "Hello", string(got))
}
