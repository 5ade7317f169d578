package wsflate_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// A plain message is a view into the input, also after an event that was lent a
// buffer.
func TestPlainMessageIsView(t *testing.T) {
	end := func(side ws.State) *wsutil.Protocol {
		return wsutil.NewProtocol(&wsutil.Config{
			State:    side,
			Inflater: wsflate.NewReceiver(wsflate.Parameters{}, side),
			Deflater: wsflate.NewSender(wsflate.Parameters{}, side, nil),
		})
	}
	s, c := end(ws.StateServerSide), end(ws.StateClientSide)
	p, err := s.AppendMessage(nil, ws.OpText, bytes.Repeat([]byte("hello "), 50))
	require.NoError(t, err)
	p, err = s.AppendMessage(p, ws.OpText, []byte("x"))
	require.NoError(t, err)
	ev, n, err := c.NextMessage(p)
	require.NoError(t, err)
	require.True(t, ev.Compressed())
	p = p[n:]
	ev, _, err = c.NextMessage(p)
	require.NoError(t, err)
	require.Same(t, &p[2], &ev.Payload[0], "after a compressed message")

	ping := ws.AppendFrame(nil, ws.NewPingFrame([]byte("cut")))
	c.NextMessage(ping[:3])
	ev, _, err = c.NextMessage(ping[3:])
	require.NoError(t, err)
	require.Equal(t, "cut", string(ev.Payload))
	p = ws.AppendFrame(nil, ws.NewTextFrame([]byte("x")))
	ev, _, err = c.NextMessage(p)
	require.NoError(t, err)
	require.Same(t, &p[2], &ev.Payload[0], "after a ping that was cut")
}
