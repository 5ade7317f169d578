package websocket

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// compressedPair is pair with permessage-deflate, as the server's policy has it.
func compressedPair(t *testing.T, policy wsflate.Parameters) (c, s *Conn) {
	t.Helper()
	ext := wsflate.Extension{Parameters: policy}
	offer := wsflate.Parameters{ClientMaxWindowBits: wsflate.AnyWindowBits}
	return pair(t, ws.Dialer{Extensions: extensions(offer)}, ws.Upgrader{Negotiate: ext.Negotiate})
}

func TestWritePrepared(t *testing.T) {
	small, err := NewPreparedMessage(MessageText, []byte("hi"))
	require.NoError(t, err)
	text := strings.Repeat("to all, ", 100)
	large, err := NewPreparedMessage(MessageText, []byte(text))
	require.NoError(t, err)
	random, err := NewPreparedMessage(MessageBinary, randomBytes(1000))
	require.NoError(t, err)

	plainC, plainS := pair(t, ws.Dialer{}, ws.Upgrader{})
	pairs := [][2]*Conn{{plainS, plainC}, {plainC, plainS}}
	for _, policy := range []wsflate.Parameters{
		{}, wsflate.DefaultParameters, {ServerMaxWindowBits: 9}, {ServerMaxWindowBits: 8, ServerNoContextTakeover: true},
	} {
		c, s := compressedPair(t, policy)
		pairs = append(pairs, [2]*Conn{s, c}, [2]*Conn{c, s})
	}
	for _, ends := range pairs {
		for range 3 { // and other messages between them, which refer to their like
			for _, m := range []*PreparedMessage{small, large, random} {
				require.NoError(t, ends[0].WritePrepared(t.Context(), m))
				typ, p, err := ends[1].Read(t.Context())
				require.NoError(t, err)
				require.Equal(t, ws.OpCode(typ), m.OpCode())
				require.Equal(t, m.Payload(), p)
			}
			require.NoError(t, ends[0].Write(t.Context(), MessageText, []byte(text)))
			_, p, err := ends[1].Read(t.Context())
			require.NoError(t, err)
			require.Equal(t, text, string(p))
		}
	}
}

func randomBytes(n int) []byte {
	p := make([]byte, n)
	x := uint32(1)
	for i := range p {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		p[i] = byte(x)
	}
	return p
}

func TestPreparedMessageArguments(t *testing.T) {
	for _, typ := range []MessageType{0, 3, 8, 9, -1} {
		_, err := NewPreparedMessage(typ, nil)
		require.Error(t, err)
	}
	p := []byte("mine")
	m, err := NewPreparedMessage(MessageText, p)
	require.NoError(t, err)
	p[0] = 'x'
	require.Equal(t, "mine", string(m.Payload()), "it is not retained")
}

// nowhere is a transport that takes everything.
type nowhere struct{ io.Reader }

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) Close() error                { return nil }

func TestWritePreparedAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	m, err := NewPreparedMessage(MessageText, []byte(strings.Repeat("to all, ", 100)))
	require.NoError(t, err)
	for name, hs := range map[string]ws.Handshake{
		"plain":      {},
		"compressed": {Extensions: extensions(wsflate.DefaultParameters)},
	} {
		blocked, _ := io.Pipe()
		c, err := NewConn(nowhere{blocked}, nil, hs, ws.StateServerSide, nil)
		require.NoError(t, err)
		defer c.CloseNow()
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if err := c.WritePrepared(context.Background(), m); err != nil {
				t.Fatal(err)
			}
		}), name)
	}
}
