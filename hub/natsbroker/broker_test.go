package natsbroker

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/brokertest"
)

// startNATS starts a NATS server for clients. Port -1 chooses one.
func startNATS(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	s := launchNATS(t, dir, port)
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s
}

// launchNATS is startNATS for a caller that ends the server.
func launchNATS(t *testing.T, dir string, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir,
	})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(time.Minute))
	return s
}

func open(t *testing.T, opts Options) *Broker {
	t.Helper()
	if opts.History == nil {
		opts.History = brokertest.Kept
	}
	opts.Storage = jetstream.MemoryStorage
	opts.MaxBytes = 16 << 20
	b, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

func TestContract(t *testing.T) {
	s := startNATS(t, t.TempDir(), server.RANDOM_PORT)
	n := 0
	brokertest.Contract(t, func(t *testing.T) (one, other hub.Broker) {
		n++
		opts := Options{URL: s.ClientURL(), Prefix: fmt.Sprintf("test%d", n)}
		return open(t, opts), open(t, opts)
	})
}
