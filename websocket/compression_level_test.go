package websocket

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/wsflate"
)

// countingConn counts the bytes that are written. Its Write belongs to one goroutine at a
// time.
type countingConn struct {
	net.Conn
	written int
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.written += len(p)
	return c.Conn.Write(p)
}

// A higher level makes messages smaller, and the peer need not know.
func TestCompressionLevel(t *testing.T) {
	message := payload(4000)
	sent := make(map[int]int)
	for _, level := range []int{0, 1, 2, 9, 99} {
		a, b := net.Pipe()
		counted := &countingConn{Conn: a}
		flate := wsflate.DefaultParameters
		s := newConn(connConfig{transport: counted, flate: &flate, ConnOptions: ConnOptions{CompressionLevel: level}})
		c := newConn(connConfig{transport: b, client: true, flate: &flate})
		written := make(chan error, 1)
		go func() { written <- s.Write(background, MessageText, message) }()
		_, p, err := c.Read(background)
		require.NoError(t, err)
		require.NoError(t, <-written)
		require.Equal(t, message, p)
		sent[level] = counted.written
		s.CloseNow()
		c.CloseNow()
	}
	require.Equal(t, sent[1], sent[0])
	require.Less(t, sent[2], sent[1])
	require.LessOrEqual(t, sent[9], sent[2])
	require.Equal(t, sent[9], sent[99])
}
