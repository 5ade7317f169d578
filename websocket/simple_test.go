package websocket

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

func TestReadAndWriteFunctions(t *testing.T) {
	c, s := pair(t, ws.Dialer{}, ws.Upgrader{})
	send := func(typ MessageType, p string) { require.NoError(t, Write(t.Context(), s, typ, []byte(p))) }

	var text string
	send(MessageText, "héllo")
	typ, err := Read(t.Context(), c, &text)
	require.NoError(t, err)
	require.Equal(t, MessageText, typ)
	require.Equal(t, "héllo", text)

	send(MessageBinary, "\xff")
	typ, err = Read(t.Context(), c, &text)
	require.ErrorContains(t, err, "MessageBinary")
	require.Equal(t, MessageBinary, typ)
	require.Equal(t, "héllo", text, "it is as it was")

	var first, second []byte
	for _, typ := range []MessageType{MessageText, MessageBinary} {
		send(typ, "one")
		got, err := Read(t.Context(), c, &first)
		require.NoError(t, err)
		require.Equal(t, typ, got)
	}
	second = first
	send(MessageText, "two")
	_, err = Read(t.Context(), c, &first)
	require.NoError(t, err)
	require.Equal(t, "one", string(second), "in memory of its own")
	require.Equal(t, "two", string(first))

	require.NoError(t, s.CloseNow())
	_, err = Read(t.Context(), c, &text)
	require.Error(t, err)
	require.Equal(t, "héllo", text)
}
