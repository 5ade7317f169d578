package wsutil

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

func TestProtocolOutstanding(t *testing.T) {
	c := NewProtocol(&Config{State: ws.StateClientSide})
	require.Zero(t, c.Outstanding())
	frame := ws.AppendFrame(nil, ws.NewBinaryFrame(make([]byte, 300)))
	_, n, err := c.Next(frame[:104])
	require.NoError(t, err)
	require.Equal(t, 104, n)
	require.EqualValues(t, 200, c.Outstanding())
	_, _, err = c.Next(frame[104:])
	require.NoError(t, err)
	require.Zero(t, c.Outstanding())

	ping := ws.AppendFrame(nil, ws.NewPingFrame([]byte("ping")))
	_, _, err = c.Next(ping[:3])
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Zero(t, c.Outstanding(), "a control frame is gathered by the protocol")
}
