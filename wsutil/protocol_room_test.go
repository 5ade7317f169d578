package wsutil

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// Room asks for the payload of a large frame, and for nothing else.
func TestRoom(t *testing.T) {
	const size = 3 * minDirect
	c := NewProtocol(&Config{State: ws.StateClientSide})
	grown, room := c.Room(nil)
	require.Nil(t, grown)
	require.Nil(t, room)
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(i)
	}
	frame := ws.AppendFrame(nil, ws.NewBinaryFrame(want))
	var out []byte
	_, n, err := c.Gather(&out, frame[:104])
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Equal(t, 104, n)
	rest := frame[104:]
	for {
		var room []byte
		out, room = c.Room(out)
		if room == nil {
			break
		}
		require.LessOrEqual(t, len(room), len(rest), "never more than the frame has")
		n := copy(room, rest[:min(len(rest), 5000)])
		rest = rest[n:]
		ev, used, err := c.Next(room[:n])
		require.NoError(t, err)
		require.Equal(t, n, used)
		require.Equal(t, len(rest) == 0, ev.Last())
		out = out[:len(out)+n]
	}
	require.Less(t, len(rest), minDirect)
	ev, _, err := c.Gather(&out, rest)
	require.NoError(t, err)
	require.True(t, ev.Last())
	require.Equal(t, want, out)

	ping := ws.AppendFrame(nil, ws.NewPingFrame([]byte("ping")))
	_, _, err = c.Next(ping[:3])
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, room = c.Room(nil)
	require.Nil(t, room, "a control frame is gathered by the protocol")
}
