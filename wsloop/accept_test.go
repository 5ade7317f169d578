package wsloop

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// Clients that are refused leave nothing behind, whatever their address.
func TestRefusedAddressesAreForgotten(t *testing.T) {
	s := start(t, &Config{Loops: 1, MaxConns: 1, MaxConnsPerAddr: 1}, nil)
	for i := range 100 {
		c := s.newConn(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 1))
		require.True(t, s.add(c))
		t.Cleanup(func() {
			c.loop.conns.Add(-1)
			s.released(c)
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Len(t, s.addrs, 1)
}

// Close of a listener may call the server.
func TestListenerCallsServer(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		s := start(t, cfg, echo())
		served := make(chan error, 1)
		go func() { served <- s.Serve(&callingListener{inner, s}) }()
		c := dial(t, inner.Addr().String())
		c.text("x")
		c.want("x")
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		require.NoError(t, await(t, closed))
		require.ErrorIs(t, await(t, served), ErrServerClosed)
	})
}

// callingListener is not one that a poller can watch.
type callingListener struct {
	net.Listener
	s *Server
}

func (l *callingListener) Close() error {
	l.s.Conns()
	return l.Listener.Close()
}
