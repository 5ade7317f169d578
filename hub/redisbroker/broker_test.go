package redisbroker

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/brokertest"
)

// server is a redis-server of a test, at a Unix socket.
type server struct {
	t      *testing.T
	socket string
	args   []string
	cmd    *exec.Cmd
}

// startRedis starts a server. Its data is lost when it ends, but with the
// argument --appendonly.
func startRedis(t *testing.T, args ...string) *server {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("redis-server is not installed: run make interop-deps")
		}
		t.Skip("redis-server is not installed: run make interop-deps")
	}
	dir, err := os.MkdirTemp("", "redis") // short: a socket's path has 107 bytes
	require.NoError(t, err)
	s := &server{t: t, socket: filepath.Join(dir, "s")}
	s.args = append([]string{path, "--port", "0", "--unixsocket", s.socket, "--dir", dir, "--save", "", "--daemonize", "no"}, args...)
	t.Cleanup(func() { s.kill(); os.RemoveAll(dir) })
	s.start()
	return s
}

func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	require.NoError(s.t, s.cmd.Start())
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for { // before the client, which rests after a dial that has failed
		conn, err := net.Dial("unix", s.socket)
		if err == nil {
			conn.Close()
			break
		}
		require.NoError(s.t, ctx.Err(), "redis-server does not start")
		time.Sleep(5 * time.Millisecond)
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket})
	defer client.Close()
	for client.Ping(ctx).Err() != nil {
		require.NoError(s.t, ctx.Err(), "redis-server does not start")
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *server) kill() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
		os.Remove(s.socket)
	}
}

func kept(topic string) int {
	if brokertest.Kept(topic) {
		return 1000
	}
	return 0
}

func (s *server) open(t *testing.T, opts Options) *Broker {
	t.Helper()
	opts.Redis = &redis.UniversalOptions{Addrs: []string{"unix"}, Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", s.socket)
	}}
	if opts.History == nil {
		opts.History = kept
	}
	b, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

func publish(t *testing.T, b *Broker, topic string, payloads ...string) (last hub.Position) {
	t.Helper()
	for _, payload := range payloads {
		var err error
		last, err = b.Publish(t.Context(), topic, hub.Publication{Payload: []byte(payload)})
		require.NoError(t, err)
	}
	return last
}

func TestContract(t *testing.T) {
	s := startRedis(t)
	n := 0
	brokertest.Contract(t, func(t *testing.T) (one, other hub.Broker) {
		n++
		opts := Options{Prefix: fmt.Sprintf("test%d:", n)}
		return s.open(t, opts), s.open(t, opts)
	})
}

// Redis is killed and comes back with its data: what was missed is in the
// history.
func TestServerAwayAndBack(t *testing.T) {
	s := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	b, writer := s.open(t, Options{}), s.open(t, Options{})
	r := brokertest.Start(t, b)
	for _, topic := range []string{"live.a", "kept.a", "live.*"} {
		require.NoError(t, b.Subscribe(t.Context(), topic))
	}
	before := publish(t, writer, "kept.a", "1", "2")
	r.WaitPayloads(t, "kept.a", "1", "2")
	s.kill()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := writer.Publish(ctx, "kept.a", hub.Publication{Payload: []byte("lost")})
	require.Error(t, err)
	_, err = writer.Publish(ctx, "live.a", hub.Publication{Payload: []byte("lost")})
	require.Error(t, err)
	require.Error(t, b.Subscribe(ctx, "live.b"))
	_, _, err = b.History(ctx, "kept.a", before, 1)
	require.Error(t, err)

	s.start()
	publish(t, writer, "kept.a", "3")
	r.Wait(t, "a gap on each topic", func() bool { return len(r.Gaps()) >= 3 })
	require.ElementsMatch(t, []string{"live.a", "kept.a", "live.*"}, r.Gaps())
	pubs, _, err := b.History(t.Context(), "kept.a", before, 10)
	require.NoError(t, err)
	require.Equal(t, "3", string(pubs[0].Payload))
	publish(t, writer, "live.a", "4")
	r.WaitPayloads(t, "live.a", "4")
}

// Topics that come and go while Redis is away leave nothing behind.
func TestTopicsWhileRedisIsAway(t *testing.T) {
	b, err := New(Options{Redis: &redis.UniversalOptions{
		Addrs: []string{"nowhere"}, Dialer: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed },
	}})
	require.NoError(t, err)
	brokertest.Start(t, b)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 1000 {
		require.Error(t, b.Subscribe(ended, fmt.Sprint("topic.", i)))
		require.Error(t, b.Subscribe(ended, fmt.Sprintf("topic.%d.*", i)))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Zero(t, len(b.wanted.Entries)+len(b.dirty)+len(b.globs.Entries))
}

// Redis comes back without its data: another epoch.
func TestDataLost(t *testing.T) {
	s := startRedis(t)
	b := s.open(t, Options{})
	r := brokertest.Start(t, b)
	require.NoError(t, b.Subscribe(t.Context(), "kept.a"))
	before := publish(t, b, "kept.a", "1", "2", "3")
	r.WaitPayloads(t, "kept.a", "1", "2", "3")
	s.kill()
	s.start()
	r.Wait(t, "the gap", func() bool { return len(r.Gaps()) > 0 })
	after := publish(t, b, "kept.a", "4")
	require.NotEqual(t, before.Epoch, after.Epoch)
	r.WaitPayloads(t, "kept.a", "1", "2", "3", "4")
	_, newest, err := b.History(t.Context(), "kept.a", before, 10)
	require.ErrorIs(t, err, hub.ErrCannotRecover)
	require.Equal(t, after, newest)
}

// A server that is stopped answers nothing: each call ends with its context.
func TestServerThatHangs(t *testing.T) {
	s := startRedis(t)
	b := s.open(t, Options{})
	brokertest.Start(t, b)
	publish(t, b, "kept.a", "1")
	stop(t, s.cmd.Process)
	for _, call := range []func(ctx context.Context) error{
		func(ctx context.Context) error { _, err := b.Publish(ctx, "live.a", hub.Publication{}); return err },
		func(ctx context.Context) error { _, err := b.Publish(ctx, "kept.a", hub.Publication{}); return err },
		func(ctx context.Context) error { _, _, err := b.History(ctx, "kept.a", hub.Position{}, 1); return err },
		func(ctx context.Context) error { return b.Subscribe(ctx, "live.a") },
		func(ctx context.Context) error { _, _, err := b.Presence(ctx, "live.a", 1); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		require.Error(t, call(ctx))
		cancel()
	}
	b.Unsubscribe("live.a")
}

func TestHistoryIsBounded(t *testing.T) {
	s := startRedis(t)
	b := s.open(t, Options{History: func(string) int { return 5 }})
	first := publish(t, b, "a", "1")
	publish(t, b, "a", "2", "3", "4", "5", "6")
	pubs, _, err := b.History(t.Context(), "a", first, 10)
	require.NoError(t, err)
	require.Len(t, pubs, 5)
	last := publish(t, b, "a", "7")
	_, newest, err := b.History(t.Context(), "a", first, 10)
	require.ErrorIs(t, err, hub.ErrCannotRecover)
	require.Equal(t, last, newest)
	_, _, err = b.History(t.Context(), "a", hub.Position{Epoch: last.Epoch, Offset: last.Offset + 1}, 10)
	require.ErrorIs(t, err, hub.ErrCannotRecover)
}

func TestHistoryThatHasAged(t *testing.T) {
	s := startRedis(t)
	b := s.open(t, Options{MaxAge: 50 * time.Millisecond})
	first := publish(t, b, "kept.a", "1")
	last := publish(t, b, "kept.a", "2")
	for {
		pubs, newest, err := b.History(t.Context(), "kept.a", hub.Position{}, 10)
		require.NoError(t, err)
		require.Equal(t, last, newest)
		if len(pubs) == 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	_, _, err := b.History(t.Context(), "kept.a", last, 10)
	require.NoError(t, err)
	_, _, err = b.History(t.Context(), "kept.a", first, 10)
	require.ErrorIs(t, err, hub.ErrCannotRecover)
}

// What other programs send is reported, and nothing else happens.
func TestForeignMessages(t *testing.T) {
	s := startRedis(t)
	errs := make(chan error, 16)
	b := s.open(t, Options{OnError: func(err error) { errs <- err }})
	r := brokertest.Start(t, b)
	require.NoError(t, b.Subscribe(t.Context(), "live.a"))
	for _, data := range []string{"", "short", " " + strings.Repeat("x", 100), "bad " + strings.Repeat("y", 100)} {
		require.NoError(t, b.client.Publish(t.Context(), "wskit:c:live.a", data).Err())
		require.ErrorContains(t, <-errs, "wskit:c:live.a")
	}
	publish(t, b, "live.a", "1")
	r.WaitPayloads(t, "live.a", "1")
	for _, id := range []string{"0-1", "0-2"} {
		require.NoError(t, b.client.XAdd(t.Context(), &redis.XAddArgs{Stream: b.key("kept.a", streamKey), ID: id, Values: []string{"p", "x"}}).Err())
	}
	_, _, err := b.History(t.Context(), "kept.a", hub.Position{}, 10)
	require.ErrorContains(t, err, "is not a publication")
	_, err = b.Publish(t.Context(), "live.*", hub.Publication{})
	require.ErrorIs(t, err, hub.ErrTopic)
	_, err = New(Options{Prefix: "{x}"})
	require.ErrorContains(t, err, "contains a brace")
}

// Redis takes any bytes as a topic, of any length.
func TestLongTopic(t *testing.T) {
	s := startRedis(t)
	b := s.open(t, Options{})
	r := brokertest.Start(t, b)
	for _, topic := range []string{"live." + strings.Repeat("}", 64<<10), "kept." + strings.Repeat("}", 64<<10)} {
		require.NoError(t, b.Subscribe(t.Context(), topic))
		publish(t, b, topic, "x")
		r.WaitPayloads(t, topic, "x")
		require.NoError(t, b.SetPresence(t.Context(), topic, hub.Presence{ID: "a"}, time.Minute))
		_, count, err := b.Presence(t.Context(), topic, 0)
		require.NoError(t, err)
		require.Equal(t, 1, count)
	}
}

// Redis ends the connection of a copy that reads too slowly: a gap.
func TestSlowReader(t *testing.T) {
	s := startRedis(t, "--client-output-buffer-limit", "pubsub 64kb 64kb 1")
	b, writer := s.open(t, Options{}), s.open(t, Options{})
	h := &stuck{release: make(chan struct{})}
	brokertest.Run(t, b, h)
	require.NoError(t, b.Subscribe(t.Context(), "live.a"))
	large := strings.Repeat("x", 32<<10)
	for range 100 {
		publish(t, writer, "live.a", large)
	}
	close(h.release)
	h.Wait(t, "the gap", func() bool { return len(h.Gaps()) > 0 })
	require.Equal(t, "live.a", h.Gaps()[0])
	brokertest.Live(t, writer, "live.a", &h.Recorder)
}

// stuck is a handler that does not return from a publication until it is
// released.
type stuck struct {
	brokertest.Recorder
	release chan struct{}
}

func (s *stuck) Publication(topic string, p hub.Publication) {
	<-s.release
	s.Recorder.Publication(topic, p)
}
