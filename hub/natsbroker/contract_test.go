package natsbroker

import (
	"flag"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/brokertest"
)

// Parallel tests mostly wait for a server or a timeout, so more of them run at a time than
// there are cores.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8")
	brokertest.Main(m)
}

func TestLeaks(t *testing.T) { brokertest.Leaks(t, startServer) }

func TestPresence(t *testing.T) {
	t.Parallel()
	brokertest.Presence(t, startServer)
}

// natsServer implements [brokertest.Server].
type natsServer struct {
	t    *testing.T
	port int
	*server.Server
}

func startServer(t *testing.T) brokertest.Server {
	port := freePort(t)
	s := &natsServer{t, port, launchNATS(t, t.TempDir(), port)}
	t.Cleanup(s.Kill)
	return s
}

func (s *natsServer) Open(t *testing.T, d *brokertest.Dialer) hub.Broker {
	b, err := New(Options{
		URL: s.ClientURL(), NATS: []nats.Option{nats.SetCustomDialer(d)},
		History: brokertest.Kept, Storage: jetstream.MemoryStorage, MaxBytes: 16 << 20,
	})
	require.NoError(t, err)
	return b
}

func (s *natsServer) Left(t *testing.T) int {
	info, err := s.Jsz(&server.JSzOptions{})
	require.NoError(t, err)
	return s.NumClients() + info.Consumers
}

func (s *natsServer) Kill() {
	s.Shutdown()
	s.WaitForShutdown()
}

func (s *natsServer) Restart() {
	s.Kill()
	s.Server = launchNATS(s.t, s.t.TempDir(), s.port)
}
