package natsbroker

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/brokertest"
	"github.com/wskit/wskit/internal/freeaddr"
)

// startCluster starts servers that know each other.
func startCluster(t *testing.T, n int) (servers []*Server) {
	t.Helper()
	addrs := freeaddr.Loopback(t, n)
	for _, addr := range addrs {
		s, err := StartServer(ServerOptions{Listen: addr, Join: addrs, Secret: "secret"})
		require.NoError(t, err)
		t.Cleanup(s.Shutdown)
		servers = append(servers, s)
	}
	return servers
}

// eventually calls f until it succeeds: a cluster takes seconds to form.
func eventually(t *testing.T, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		require.NoError(t, ctx.Err(), err)
	}
}

// Three servers in process: what one copy publishes arrives at the others, one
// of them ends, and its clients recover at another.
func TestCluster(t *testing.T) {
	t.Parallel()
	servers := startCluster(t, 3)
	brokers, recorders := make([]*Broker, 3), make([]*brokertest.Recorder, 3)
	for i, s := range servers {
		brokers[i] = open(t, Options{Server: s})
		recorders[i] = brokertest.Start(t, brokers[i])
	}
	eventually(t, func(ctx context.Context) error {
		_, err := brokers[0].Publish(ctx, "kept.a", hub.Publication{Payload: []byte("0"), ID: "0"})
		return err
	})
	for i, b := range brokers {
		require.NoError(t, b.Subscribe(t.Context(), "live.a"))
		require.NoError(t, b.Subscribe(t.Context(), "kept.a"))
		brokertest.Live(t, brokers[(i+1)%3], "live.a", recorders[i])
	}
	for i, b := range brokers {
		eventually(t, func(ctx context.Context) error {
			return b.SetPresence(ctx, "room", hub.Presence{ID: fmt.Sprint(i)}, time.Hour)
		})
	}
	var seen hub.Position
	for i := range 30 {
		seen = publish(t, brokers[i%3], "kept.a", fmt.Sprint(i+1))
	}
	waitReplicas(t, 3, brokers[0].open)
	waitReplicas(t, 3, func(ctx context.Context) (*jetstream.StreamInfo, error) {
		stream, err := brokers[0].members(ctx)
		if err != nil {
			return nil, err
		}
		return stream.Info(ctx)
	})
	require.NoError(t, brokers[2].nc.Flush())
	brokers[2].Close()
	servers[2].Shutdown()
	want := []string{}
	for i := range 50 {
		want = append(want, fmt.Sprint("after ", i))
		publish(t, brokers[i%2], "kept.a", want[i])
	}
	for i := range 2 {
		pubs, newest, err := brokers[i].History(t.Context(), "kept.a", seen, 100)
		require.NoError(t, err)
		require.Len(t, pubs, 50)
		require.Equal(t, newest, pubs[49].Position)
		for k, p := range pubs {
			require.Equal(t, want[k], string(p.Payload))
		}
		r := recorders[i]
		r.Wait(t, "all of it", func() bool {
			got := r.Payloads("kept.a")
			return len(got) > 0 && got[len(got)-1] == want[49]
		})
		waitMembers(t, brokers[i], 3)
	}
	eventually(t, func(ctx context.Context) error { return brokers[0].RemovePresence(ctx, "room", "2") })
	waitMembers(t, brokers[1], 2)
}

// waitMembers waits until so many are on topic "room".
func waitMembers(t *testing.T, b *Broker, n int) {
	eventually(t, func(ctx context.Context) error {
		_, count, err := b.Presence(ctx, "room", 0)
		if err == nil && count != n {
			sleep(ctx, 20*time.Millisecond)
			err = fmt.Errorf("%d are there", count)
		}
		return err
	})
}

// waitReplicas waits until all replicas of a stream are current.
func waitReplicas(t *testing.T, n int, open func(ctx context.Context) (*jetstream.StreamInfo, error)) {
	eventually(t, func(ctx context.Context) error {
		info, err := open(ctx)
		if err != nil {
			return err
		}
		current := 1
		for _, r := range info.Cluster.Replicas {
			if r.Current {
				current++
			}
		}
		if info.Config.Replicas != n || current != n {
			sleep(ctx, 50*time.Millisecond)
			return fmt.Errorf("%d of %d replicas are current", current, info.Config.Replicas)
		}
		return nil
	})
}

func TestServerOptions(t *testing.T) {
	for want, o := range map[string]ServerOptions{
		`Listen "": want host:port`:    {},
		`Listen "a:b": invalid port`:   {Listen: "a:b"},
		`Join "host": want host:port`:  {Listen: "127.0.0.1:0", Join: []string{"host"}},
		`Join ":6222": want host:port`: {Listen: "127.0.0.1:0", Join: []string{":6222"}},
	} {
		_, err := StartServer(o)
		require.ErrorContains(t, err, want)
	}
}

// A server with another secret is not let in.
func TestServerSecret(t *testing.T) {
	addrs := freeaddr.Loopback(t, 2)
	one, err := StartServer(ServerOptions{Listen: addrs[0], Secret: "right"})
	require.NoError(t, err)
	defer one.Shutdown()
	rejected := make(chan string, 16)
	other, err := StartServer(ServerOptions{Listen: addrs[1], Join: addrs[:1], Secret: "wrong", Logger: logger{rejected}})
	require.NoError(t, err)
	defer other.Shutdown()
	for !strings.Contains(<-rejected, "Authorization Violation") {
	}
	require.Zero(t, one.Peers())

	_, err = nats.Connect(one.server.ClientURL())
	require.ErrorIs(t, err, nats.ErrAuthorization, "clients are those of its process")
	_, err = StartServer(ServerOptions{Listen: addrs[0]})
	require.ErrorContains(t, err, "in use")
}

// logger hands over errors.
type logger struct{ errors chan string }

func (l logger) Errorf(format string, v ...any) {
	select {
	case l.errors <- fmt.Sprintf(format, v...):
	default:
	}
}
func (logger) Noticef(string, ...any) {}
func (logger) Warnf(string, ...any)   {}
func (logger) Fatalf(string, ...any)  {}
func (logger) Debugf(string, ...any)  {}
func (logger) Tracef(string, ...any)  {}

// A temporary directory is removed.
func TestServerDirectory(t *testing.T) {
	s, err := StartServer(ServerOptions{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	require.DirExists(t, s.temporary)
	require.NotEmpty(t, s.Addr())
	s.Shutdown()
	_, err = os.Stat(s.temporary)
	require.ErrorIs(t, err, os.ErrNotExist)
}
