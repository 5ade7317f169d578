package websocket

import (
	"bufio"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// pair returns both ends of a connection over TCP, opened by package ws on both sides.
func pair(t *testing.T, client ws.Dialer, server ws.Upgrader) (c, s *Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	accepted := make(chan *Conn, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			accepted <- nil
			return
		}
		hs, err := server.Upgrade(conn)
		if err != nil {
			conn.Close()
			accepted <- nil
			return
		}
		c, _ := NewConn(conn, nil, hs, ws.StateServerSide, nil)
		accepted <- c
	}()
	conn, br, hs, err := client.Dial(t.Context(), "ws://"+l.Addr().String())
	require.NoError(t, err)
	c, err = NewConn(conn, br, hs, ws.StateClientSide, nil)
	require.NoError(t, err)
	s = <-accepted
	require.NotNil(t, s)
	t.Cleanup(func() { c.CloseNow(); s.CloseNow() })
	return c, s
}

func TestNewConnOnRawUpgrades(t *testing.T) {
	c, s := pair(t, ws.Dialer{Protocols: []string{"chat"}}, ws.Upgrader{Protocol: func(p []byte) bool { return true }})
	require.Equal(t, "chat", c.Subprotocol())
	require.Equal(t, "chat", s.Subprotocol())
	for _, ends := range [][2]*Conn{{c, s}, {s, c}} {
		require.NoError(t, ends[0].Write(t.Context(), MessageText, []byte("hi")))
		_, p, err := ends[1].Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, "hi", string(p))
	}
}

// What the handshake read too far is read first, and where the rest comes from does not
// matter.
func TestNewConnTakesWhatTheReaderHolds(t *testing.T) {
	frame := ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("early"))))
	near, far := net.Pipe()
	go func() {
		far.Write(frame[:5])
		far.Write(frame[5:])
	}()
	br := bufio.NewReader(near)
	_, err := br.Peek(5)
	require.NoError(t, err)
	c, err := NewConn(near, br, ws.Handshake{}, ws.StateServerSide, nil)
	require.NoError(t, err)
	defer c.CloseNow()
	_, p, err := c.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "early", string(p))
	require.Zero(t, br.Buffered())
}

func TestNewConnCannotSpeakEveryExtension(t *testing.T) {
	for _, extensions := range [][]httphead.Option{
		{httphead.NewOption("x", nil)},
		{httphead.NewOption("permessage-deflate", nil), httphead.NewOption("x", nil)},
		{httphead.NewOption("permessage-deflate", map[string]string{"server_max_window_bits": "99"})},
	} {
		near, far := net.Pipe()
		_, err := NewConn(near, nil, ws.Handshake{Extensions: extensions}, ws.StateServerSide, nil)
		require.Error(t, err)
		_, err = far.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "it is closed")
	}
}

// extensions returns permessage-deflate with these parameters, as a list.
func extensions(p wsflate.Parameters) []httphead.Option { return []httphead.Option{p.Option()} }

// Without a side there is no connection.
func TestNewConnWithoutSide(t *testing.T) {
	for _, side := range []ws.State{0, ws.StateClientSide | ws.StateServerSide, ws.StateFragmented} {
		a, b := net.Pipe()
		_, err := NewConn(a, nil, ws.Handshake{}, side, nil)
		require.Error(t, err)
		_, err = b.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "it was closed")
	}
}
