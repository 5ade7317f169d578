package websocket

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// roomFor returns a buffer for WriteInPlace.
func roomFor(p []byte) []byte { return append(make([]byte, HeaderRoom), p...) }

func TestWriteInPlaceSizes(t *testing.T) {
	pairs(t, func(t *testing.T, s, c *Conn) {
		for _, from := range []*Conn{s, c} {
			to := c
			if from == c {
				to = s
			}
			for _, n := range []int{0, 125, 126, 65535, 65536, 131073} {
				p := payload(n)
				sent := make(chan error, 1)
				go func() { sent <- from.WriteInPlace(background, MessageBinary, roomFor(p)) }()
				typ, q, err := to.Read(background)
				require.NoError(t, err)
				require.NoError(t, <-sent)
				require.Equal(t, MessageBinary, typ)
				require.True(t, bytes.Equal(p, q), n)
			}
		}
	})
}

func TestWriteInPlaceInFragments(t *testing.T) {
	for _, size := range []int{1, 5, 100} {
		s, c := pipePair(t, ConnOptions{FragmentSize: size}, ConnOptions{FragmentSize: size})
		for from, to := range map[*Conn]*Conn{s: c, c: s} {
			p := payload(300)
			sent := make(chan error, 1)
			go func() { sent <- from.WriteInPlace(background, MessageText, roomFor(p)) }()
			_, q, err := to.Read(background)
			require.NoError(t, err)
			require.NoError(t, <-sent)
			require.True(t, bytes.Equal(p, q), size)
		}
	}
}

func TestWriteInPlaceRefuses(t *testing.T) {
	s, c := pipePair(t, ConnOptions{}, ConnOptions{})
	go echo(s)
	for _, tt := range []struct {
		typ MessageType
		buf []byte
		err string
	}{
		{MessageText, nil, "websocket: write: wsutil: frame may not be sent: ws: buffer does not begin with 14 bytes of room for a header"},
		{MessageText, make([]byte, HeaderRoom-1), "websocket: write: wsutil: frame may not be sent: ws: buffer does not begin with 14 bytes of room for a header"},
		{7, make([]byte, HeaderRoom), "websocket: write: invalid message type 7"},
	} {
		require.EqualError(t, c.WriteInPlace(background, tt.typ, tt.buf), tt.err)
	}
	require.ErrorIs(t, c.WriteInPlace(background, MessageText, nil), ws.ErrNoHeaderRoom)
	require.ErrorIs(t, c.WriteInPlace(background, MessageText, nil), wsutil.ErrNotSendable)

	canceled, cancel := context.WithCancel(background)
	cancel()
	require.ErrorIs(t, c.WriteInPlace(canceled, MessageText, roomFor(nil)), context.Canceled)

	require.NoError(t, c.WriteInPlace(background, MessageText, roomFor([]byte("on"))), "as usable as before")
	_, p, err := c.Read(background)
	require.NoError(t, err)
	require.Equal(t, "on", string(p))

	c.CloseNow()
	require.ErrorIs(t, c.WriteInPlace(background, MessageText, roomFor(nil)), net.ErrClosed)
}

// writeOnly is a transport that counts Writes and notes the last one.
type writeOnly struct {
	closed chan struct{}
	writes int
	last   []byte
}

func (w *writeOnly) Read([]byte) (int, error) {
	<-w.closed
	return 0, io.EOF
}

func (w *writeOnly) Close() error {
	close(w.closed)
	return nil
}

func (w *writeOnly) Write(p []byte) (int, error) {
	w.writes++
	w.last = p
	return len(p), nil
}

// A message of any size is one Write of the caller's memory.
func TestWriteInPlaceCopiesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, s := range []ws.State{ws.StateServerSide, ws.StateClientSide} {
		w := &writeOnly{closed: make(chan struct{})}
		c, err := NewConn(w, nil, ws.Handshake{}, s, &ConnOptions{FragmentSize: -1})
		require.NoError(t, err)
		buf := make([]byte, HeaderRoom+1<<20)
		require.Zero(t, testing.AllocsPerRun(20, func() {
			w.writes = 0
			if c.WriteInPlace(background, MessageBinary, buf) != nil || w.writes != 1 {
				t.Fatal("not one write")
			}
		}))
		require.Same(t, &buf[len(buf)-1], &w.last[len(w.last)-1])
		c.CloseNow()
	}
}
