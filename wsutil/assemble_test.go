package wsutil

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// A lent payload stays as it is until the next call, and pings between the fragments
// do not touch what has been gathered.
func TestGatheredPayloadIsLent(t *testing.T) {
	want := strings.Repeat("message ", 1000)
	in := join(toServer(open(ws.OpText), want[:3000]), toServer(fin(ws.OpPing), "ping"), toServer(fin(0), want[3000:]))
	c := NewProtocol(nil)
	ping := len(toServer(open(ws.OpText), want[:3000])) + 8 // inside it
	ev, n, err := c.NextMessage(in[:ping])
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Equal(t, ping, n)

	ev, n, err = c.NextMessage(in[ping:])
	require.NoError(t, err)
	require.Equal(t, ws.OpPing, ev.OpCode)
	require.Equal(t, "ping", string(ev.Payload))
	require.NotNil(t, c.lent)

	ev, _, err = c.NextMessage(in[ping+n:])
	require.NoError(t, err)
	require.Equal(t, want, string(ev.Payload))
	require.True(t, ev.First() && ev.Last())
	require.Nil(t, c.lent)
	clear(in)
	require.Equal(t, want, string(ev.Payload), "it does not lie in the input")
	require.NotNil(t, c.message)

	_, _, err = c.NextMessage(nil)
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Nil(t, c.message)
}

// A close frame inside a message ends it.
func TestCloseInsideGatheredMessage(t *testing.T) {
	c := NewProtocol(nil)
	events, err := next.feed((*Protocol).NextMessage, t, c, join(toServer(open(ws.OpText), "text"), toServer(fin(ws.OpClose), "")))
	require.Equal(t, []got{message(ws.OpClose, "")}, events)
	require.Equal(t, ClosedError{Code: ws.StatusNoStatusRcvd}, err)
	require.Nil(t, c.message)
}

// Next and NextMessage, one after the other.
func TestMixed(t *testing.T) {
	c := NewProtocol(client)
	_, err := nexts["NextMessage"].feed(t, c, join(toClient(open(ws.OpText), "be"), toClient(fin(0), "fore")))
	require.NoError(t, err)
	p := join(toClient(open(ws.OpText), "first "), toClient(open(0), "second "), toClient(fin(0), "third"),
		toClient(open(ws.OpText), "one "), toClient(fin(0), "two"))
	ev, n, err := c.Next(p)
	require.NoError(t, err)
	require.Equal(t, "first ", string(ev.Payload))
	require.Equal(t, partFirst, ev.part)
	p = p[n:]

	ev, n, err = c.NextMessage(p)
	require.NoError(t, err)
	require.Equal(t, "second third", string(ev.Payload))
	require.Equal(t, partLast, ev.part, "the rest of a message")
	p = p[n:]

	ev, n, err = c.NextMessage(p)
	require.NoError(t, err)
	require.Equal(t, "one two", string(ev.Payload))
	require.Equal(t, whole, ev.part)
	require.Len(t, p, n)

	// What NextMessage has begun and Next ends is not mixed with the next message.
	p = join(toClient(open(ws.OpText), "lost "), toClient(fin(0), "end"), toClient(open(ws.OpText), "new "), toClient(fin(0), "message"))
	_, n, err = c.NextMessage(p[:7])
	require.Equal(t, io.ErrUnexpectedEOF, err)
	ev, k, err := c.Next(p[n:])
	require.NoError(t, err)
	require.Equal(t, "end", string(ev.Payload))
	ev, _, err = c.NextMessage(p[n+k:])
	require.NoError(t, err)
	require.Equal(t, "new message", string(ev.Payload))
	require.Equal(t, whole, ev.part)
}
