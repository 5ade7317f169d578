package brokertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/hub"
)

// Main runs the tests of a package, and fails if they leave goroutines behind.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := settled(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// settled waits until the goroutines have ended that no option ignores. goleak itself
// waits for half a second, which is too short on a busy machine.
func settled(options ...goleak.Option) error {
	for deadline := time.Now().Add(patience); ; {
		err := goleak.Find(options...)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// Until calls done until it returns true.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "timeout while waiting for "+what)
	}
}

// Server is a server that brokers connect to.
type Server interface {
	// Open returns a broker that dials with d.
	Open(t *testing.T, d *Dialer) hub.Broker

	// Left returns how many connections, subscriptions and readers of history the
	// server has.
	Left(t *testing.T) int

	// Kill ends the server. It may be called again.
	Kill()

	// Restart ends the server, and starts it again without its data.
	Restart()
}

// Dialer knows how many of the connections that it has dialed are open.
type Dialer struct {
	// Network and Address, if not empty, take the place of those that are asked for.
	Network, Address string

	open atomic.Int64
}

// Dial dials.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	if d.Network != "" {
		network, address = d.Network, d.Address
	}
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		return nil, err
	}
	d.open.Add(1)
	return &dialed{Conn: c, closed: sync.OnceFunc(func() { d.open.Add(-1) })}, nil
}

// dialed is a connection of a [Dialer].
type dialed struct {
	net.Conn
	closed func()
}

func (c *dialed) Close() error {
	c.closed()
	return c.Conn.Close()
}

// Leaks tests that a broker leaves no goroutine, connection or subscription behind.
func Leaks(t *testing.T, start func(t *testing.T) Server) {
	for name, end := range map[string]func(t *testing.T, s Server, b hub.Broker){
		"closed before Run": func(t *testing.T, s Server, b hub.Broker) {
			for _, topic := range []string{"live.a", "kept.a"} {
				Until(t, "the server", func() bool { return publishes(b, topic) })
			}
			shut(t, b)
			Until(t, "the end of all that the server has", func() bool { return s.Left(t) == 0 })
		},
		"the end of Run": func(t *testing.T, s Server, b hub.Broker) {
			stop := use(t, b)
			require.Positive(t, s.Left(t))
			stop()
			Until(t, "the end of all that the server has", func() bool { return s.Left(t) == 0 })
		},
		"the end of Run after that of the server": func(t *testing.T, s Server, b hub.Broker) {
			stop := use(t, b)
			s.Kill()
			Until(t, "the broker to notice", func() bool { return !publishes(b, "live.a") })
			stop()
		},
	} {
		t.Run(name, func(t *testing.T) {
			running := goleak.IgnoreCurrent()
			s := start(t)
			d := new(Dialer)
			b := s.Open(t, d)
			end(t, s, b)
			shut(t, b) // again
			Until(t, "the end of connections", func() bool { return d.open.Load() == 0 })
			s.Kill()
			require.NoError(t, settled(running))
		})
	}
}

// publishes reports whether b can publish.
func publishes(b hub.Broker, topic string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, err := b.Publish(ctx, topic, hub.Publication{Payload: []byte(probe)})
	return err == nil
}

// shut closes a broker.
func shut(t *testing.T, b hub.Broker) {
	switch c := b.(type) {
	case interface{ Close() }:
		c.Close()
	case io.Closer:
		_ = c.Close() // it may be closed
	default:
		require.Fail(t, "the broker has no method Close")
	}
}

// use runs a broker and calls its methods. The function that it returns ends it.
func use(t *testing.T, b hub.Broker) (stop func()) {
	r := new(Recorder)
	stop = Run(t, b, r)
	for _, topic := range []string{"live.a", "live.b", "live.*", "kept.a", "kept.>"} {
		require.NoError(t, b.Subscribe(t.Context(), topic))
	}
	b.Unsubscribe("live.b")
	Live(t, b, "live.a", r)
	Live(t, b, "kept.a", r)
	_, _, err := b.History(t.Context(), "kept.a", hub.Position{}, 10)
	require.NoError(t, err)
	if s, ok := b.(store); ok {
		set(t, s, "live.a", "ann")
		requireMembers(t, s, "live.a", "ann")
	}
	return stop
}
