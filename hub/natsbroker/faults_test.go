package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/brokertest"
	"github.com/wskit/wskit/internal/freeaddr"
)

// publish publishes payloads.
func publish(t *testing.T, b *Broker, topic string, payloads ...string) (last hub.Position) {
	t.Helper()
	for _, payload := range payloads {
		var err error
		last, err = b.Publish(t.Context(), topic, hub.Publication{Payload: []byte(payload)})
		require.NoError(t, err)
	}
	return last
}

// freePort returns a port at which a server can be started again.
func freePort(t *testing.T) int {
	addr, err := netip.ParseAddrPort(freeaddr.Loopback(t, 1)[0])
	require.NoError(t, err)
	return int(addr.Port())
}

// A server that ends and comes back: what is kept arrives, once, and the rest
// is a gap.
func TestServerAwayAndBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	port := freePort(t)
	s := startNATS(t, dir, port)
	opts := Options{URL: s.ClientURL(), History: brokertest.Kept, MaxBytes: 16 << 20}
	reader, err := New(opts)
	require.NoError(t, err)
	writer, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(writer.Close)
	r := brokertest.Start(t, reader)
	for _, topic := range []string{"live.a", "kept.a", "live.*"} {
		require.NoError(t, reader.Subscribe(t.Context(), topic))
	}
	brokertest.Live(t, writer, "live.a", r)
	before := publish(t, writer, "kept.a", "1", "2")
	r.WaitPayloads(t, "kept.a", "1", "2")

	s.Shutdown()
	s.WaitForShutdown()
	for _, b := range []*Broker{reader, writer} {
		eventually(t, func(ctx context.Context) error {
			if b.nc.IsConnected() {
				sleep(ctx, time.Millisecond)
				return errors.New("it is connected")
			}
			return nil
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = writer.Publish(ctx, "kept.a", hub.Publication{Payload: []byte("lost")})
	require.Error(t, err, "nobody has it")
	_, err = writer.Publish(ctx, "live.a", hub.Publication{Payload: []byte("lost")})
	require.Error(t, err)
	require.Error(t, reader.Subscribe(ctx, "live.b"))
	_, _, err = reader.History(ctx, "kept.a", hub.Position{}, 1)
	require.Error(t, err)

	startNATS(t, dir, port)
	require.NoError(t, publishUntilBack(t, writer, "kept.a", "3"))
	publish(t, writer, "kept.a", "4")
	r.WaitPayloads(t, "kept.a", "1", "2", "3", "4")
	r.Wait(t, "the gap", func() bool { return len(r.Gaps()) >= 2 })
	require.Subset(t, []string{"live.a", "live.*", "kept.a"}, r.Gaps())
	brokertest.Live(t, writer, "live.a", r)

	pubs, _, err := writer.History(t.Context(), "kept.a", before, 10)
	require.NoError(t, err, "the position is still good")
	require.Len(t, pubs, 2)
}

// publishUntilBack publishes when the server is there again.
func publishUntilBack(t *testing.T, b *Broker, topic, payload string) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, err := b.Publish(ctx, topic, hub.Publication{Payload: []byte(payload), ID: payload})
		if err == nil || ctx.Err() != nil {
			return err
		}
	}
}

// A server that comes back without its stream: another epoch, a gap on each
// topic.
func TestStreamLost(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	s := startNATS(t, t.TempDir(), port)
	b := open(t, Options{URL: s.ClientURL()})
	r := brokertest.Start(t, b)
	require.NoError(t, b.Subscribe(t.Context(), "kept.a"))
	before := publish(t, b, "kept.a", "1", "2", "3")
	r.WaitPayloads(t, "kept.a", "1", "2", "3")
	s.Shutdown()
	s.WaitForShutdown()
	gaps := len(r.Gaps())
	startNATS(t, t.TempDir(), port)
	r.Wait(t, "the gap", func() bool { return len(r.Gaps()) > gaps })
	require.Equal(t, "kept.a", r.Gaps()[gaps])
	after := publish(t, b, "kept.a", "4")
	require.NotEqual(t, before.Epoch, after.Epoch)
	r.WaitPayloads(t, "kept.a", "1", "2", "3", "4")
	_, newest, err := b.History(t.Context(), "kept.a", before, 10)
	require.ErrorIs(t, err, hub.ErrCannotRecover)
	require.Equal(t, after, newest)
}

// What the stream has dropped cannot be recovered. A position that is not of
// the topic recovers as long as nothing after it is gone.
func TestHistoryIsBounded(t *testing.T) {
	s := startNATS(t, t.TempDir(), server.RANDOM_PORT)
	b, err := New(Options{URL: s.ClientURL(), History: brokertest.Kept, MaxBytes: 64 << 10})
	require.NoError(t, err)
	brokertest.Start(t, b)
	quiet := publish(t, b, "kept.quiet", "1")
	first := publish(t, b, "kept.a", "first")
	_, empty, err := b.History(t.Context(), "kept.empty", hub.Position{}, 0)
	require.NoError(t, err)
	large := strings.Repeat("x", 8<<10)
	last := publish(t, b, "kept.a", large, large, large)
	for _, since := range []hub.Position{first, empty} {
		_, _, err = b.History(t.Context(), "kept.a", since, 10)
		require.NoError(t, err)
	}
	for range 10 {
		last = publish(t, b, "kept.a", large)
	}
	_, newest, err := b.History(t.Context(), "kept.a", first, 10)
	require.ErrorIs(t, err, hub.ErrCannotRecover)
	require.Equal(t, last, newest)
	pubs, _, err := b.History(t.Context(), "kept.a", hub.Position{}, 3)
	require.NoError(t, err)
	require.Len(t, pubs, 3, "from the beginning of what is kept")
	publish(t, b, "kept.quiet", "2")
	_, _, err = b.History(t.Context(), "kept.quiet", quiet, 10)
	require.ErrorIs(t, err, hub.ErrCannotRecover, "whether one of this topic is gone cannot be known")
}

// Of a topic of which nothing is kept, the end of the stream is the position.
func TestHistoryThatHasAged(t *testing.T) {
	t.Parallel()
	s := startNATS(t, t.TempDir(), server.RANDOM_PORT)
	b, err := New(Options{URL: s.ClientURL(), History: brokertest.Kept, MaxAge: time.Second})
	require.NoError(t, err)
	brokertest.Start(t, b)
	old := publish(t, b, "kept.a", "1", "2")
	eventually(t, func(ctx context.Context) error {
		pubs, newest, err := b.History(ctx, "kept.a", hub.Position{}, 10)
		require.NoError(t, err)
		require.Equal(t, old, newest)
		if len(pubs) > 0 {
			sleep(ctx, 20*time.Millisecond)
			return fmt.Errorf("%d are kept", len(pubs))
		}
		return nil
	})
	pubs, _, err := b.History(t.Context(), "kept.a", old, 10)
	require.NoError(t, err)
	require.Empty(t, pubs)
	older, later := old, old
	older.Offset--
	later.Offset++
	for _, since := range []hub.Position{older, later} {
		_, newest, err := b.History(t.Context(), "kept.a", since, 10)
		require.ErrorIs(t, err, hub.ErrCannotRecover)
		require.Equal(t, old, newest)
	}
}

// History reads as many messages as it is asked for, also if they are long.
func TestHistoryInBatches(t *testing.T) {
	s := startNATS(t, t.TempDir(), server.RANDOM_PORT)
	b := open(t, Options{URL: s.ClientURL()})
	brokertest.Start(t, b)
	large := strings.Repeat("x", 900<<10)
	publish(t, b, "kept.a", large, large, large, large, large, large, large, large)
	pubs, newest, err := b.History(t.Context(), "kept.a", hub.Position{}, 8)
	require.NoError(t, err)
	require.Len(t, pubs, 8)
	require.Equal(t, newest, pubs[7].Position)
}

// slowConn is a connection that reads slowly while slow is set.
type slowConn struct {
	net.Conn
	slow *atomic.Bool
}

func (c slowConn) Read(p []byte) (int, error) {
	if c.slow.Load() {
		time.Sleep(15 * time.Millisecond)
	}
	return c.Conn.Read(p[:min(len(p), 32<<10)])
}

// slowDialer dials connections of this kind.
type slowDialer struct{ slow atomic.Bool }

func (d *slowDialer) Dial(network, address string) (net.Conn, error) {
	c, err := net.Dial(network, address)
	return slowConn{c, &d.slow}, err
}

// An answer that takes longer than a server may be silent is not given up.
func TestHistoryOverSlowConnection(t *testing.T) {
	t.Parallel()
	s := startNATS(t, t.TempDir(), server.RANDOM_PORT)
	d := new(slowDialer)
	b, writer := open(t, Options{URL: s.ClientURL(), NATS: []nats.Option{nats.SetCustomDialer(d)}}), open(t, Options{URL: s.ClientURL()})
	brokertest.Start(t, writer)
	large := strings.Repeat("x", 900<<10)
	publish(t, writer, "kept.a", large, large, large, large, large)
	d.slow.Store(true)
	eventually(t, func(ctx context.Context) error {
		pubs, _, err := b.History(ctx, "kept.a", hub.Position{}, 5)
		if err == nil {
			require.Len(t, pubs, 5)
		}
		return err
	})
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

// Publications for which there is no room are dropped, and reported.
func TestDroppedPublications(t *testing.T) {
	s := startNATS(t, t.TempDir(), server.RANDOM_PORT)
	b := open(t, Options{URL: s.ClientURL(), History: func(string) bool { return false }})
	h := &stuck{release: make(chan struct{})}
	brokertest.Run(t, b, h)
	require.NoError(t, b.Subscribe(t.Context(), "live.a"))
	for i := range maxPending + 100 {
		publish(t, b, "live.a", fmt.Sprint(i))
	}
	h.Wait(t, "the gap", func() bool { return len(h.Gaps()) > 0 })
	require.Equal(t, "live.a", h.Gaps()[0])
	close(h.release)
	brokertest.Live(t, b, "live.a", &h.Recorder)
	require.GreaterOrEqual(t, len(h.Payloads("live.a")), maxPending)
}

// What other programs send is reported, and nothing else happens.
func TestForeignMessages(t *testing.T) {
	s := startNATS(t, t.TempDir(), server.RANDOM_PORT)
	errs := make(chan error, 16)
	b := open(t, Options{URL: s.ClientURL(), OnError: func(err error) { errs <- err }})
	r := brokertest.Start(t, b)
	require.NoError(t, b.Subscribe(t.Context(), "live.a"))
	require.NoError(t, b.Subscribe(t.Context(), "kept.a"))
	publish(t, b, "kept.a", "1")
	nc, err := nats.Connect(s.ClientURL())
	require.NoError(t, err)
	defer nc.Close()
	for _, data := range []string{"", "short", strings.Repeat("x", 100)} {
		require.NoError(t, nc.Publish("wskit.live.live.a", []byte(data)))
		require.ErrorContains(t, <-errs, "wskit.live.live.a")
	}
	require.NoError(t, nc.Publish("wskit.stored.kept.a", []byte("not a publication")))
	require.ErrorContains(t, <-errs, "wskit.stored.kept.a")
	require.NoError(t, nc.Flush())
	publish(t, b, "kept.a", "2")
	r.WaitPayloads(t, "kept.a", "1", "2")
	pubs, _, err := b.History(t.Context(), "kept.a", hub.Position{}, 10)
	require.NoError(t, err)
	require.Len(t, pubs, 2)
	require.ErrorContains(t, <-errs, "not a publication")
}

// A topic that no subject can hold is refused by each method.
func TestTopicThatIsTooLong(t *testing.T) {
	s := startNATS(t, t.TempDir(), server.RANDOM_PORT)
	b := open(t, Options{URL: s.ClientURL()})
	for _, prefix := range []string{"live.", "kept."} {
		topic := prefix + strings.Repeat("x", 64<<10)
		require.ErrorIs(t, b.Subscribe(t.Context(), topic), ErrTopic)
		require.ErrorIs(t, b.Subscribe(t.Context(), topic), hub.ErrTopic, "so that clients do not try again")
		_, err := b.Publish(t.Context(), topic, hub.Publication{Payload: []byte("x")})
		require.ErrorIs(t, err, ErrTopic)
	}
	_, _, err := b.History(t.Context(), "kept."+strings.Repeat("x", 64<<10), hub.Position{}, 1)
	require.ErrorIs(t, err, ErrTopic)
	_, err = b.Publish(t.Context(), "live.*", hub.Publication{})
	require.ErrorIs(t, err, hub.ErrTopic)
	_, err = b.Publish(t.Context(), "live.a", hub.Publication{Payload: make([]byte, 2<<20)})
	require.ErrorIs(t, err, nats.ErrMaxPayload)
}

// New returns no error if NATS is unreachable, and every call ends in time.
func TestNoServer(t *testing.T) {
	b := open(t, Options{URL: "nats://127.0.0.1:1"})
	r := brokertest.Start(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := b.Publish(ctx, "live.a", hub.Publication{})
	require.ErrorIs(t, err, ErrNotConnected)
	_, err = b.Publish(ctx, "kept.a", hub.Publication{})
	require.Error(t, err)
	require.Error(t, b.Subscribe(ctx, "live.a"))
	b.Unsubscribe("live.a")
	require.Empty(t, r.Gaps())
	require.Error(t, b.Run(t.Context(), r), "once only")
}

// Credentials that NATS does not accept end Run.
func TestWrongCredentials(t *testing.T) {
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, Username: "u", Password: "p",
	})
	require.NoError(t, err)
	s.Start()
	require.True(t, s.ReadyForConnections(time.Minute))
	t.Cleanup(s.Shutdown)
	b, err := New(Options{URL: s.ClientURL(), NATS: []nats.Option{nats.UserInfo("u", "wrong")}})
	if err == nil {
		err = b.Run(t.Context(), new(brokertest.Recorder))
	}
	require.ErrorIs(t, err, nats.ErrAuthorization)
}

// What presence cannot be kept of is refused, with the reason.
func TestPresenceIsRefused(t *testing.T) {
	s := startNATS(t, t.TempDir(), server.RANDOM_PORT)
	b := open(t, Options{URL: s.ClientURL()})
	set := func(b *Broker, topic, id string) error {
		return b.SetPresence(t.Context(), topic, hub.Presence{ID: id}, time.Minute)
	}
	require.ErrorIs(t, set(b, "room.*", "a"), hub.ErrTopic)
	require.ErrorIs(t, set(b, strings.Repeat("x", 64<<10), "a"), ErrTopic)
	longest := strings.Repeat("x", MaxSubject-len(b.present))
	require.NoError(t, set(b, longest, strings.Repeat("a", 100)))
	err := set(b, longest, strings.Repeat("a", 1000))
	require.ErrorIs(t, err, ErrTopic)
	require.ErrorContains(t, err, "with a member its subject exceeds 3900 bytes")
	requirePresent(t, b, longest, 1)

	for want, b := range map[string]*Broker{
		"presence needs History":             newBroker(t, Options{URL: s.ClientURL()}),
		"the server is older than NATS 2.11": olderServer(t, s.ClientURL()),
	} {
		require.ErrorContains(t, set(b, "room", "a"), want)
		require.ErrorIs(t, b.RemovePresence(t.Context(), "room", "a"), errors.ErrUnsupported)
		_, _, err := b.Presence(t.Context(), "room", 1)
		require.ErrorIs(t, err, errors.ErrUnsupported)
	}
}

func requirePresent(t *testing.T, b *Broker, topic string, want int) {
	_, count, err := b.Presence(t.Context(), topic, 0)
	require.NoError(t, err)
	require.Equal(t, want, count)
}

func newBroker(t *testing.T, opts Options) *Broker {
	b, err := New(opts)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

// olderServer returns a broker whose server has made a stream without times to live, as
// NATS before 2.11 does.
func olderServer(t *testing.T, url string) *Broker {
	b := newBroker(t, Options{URL: url, Prefix: "older", History: brokertest.Kept})
	_, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "older-presence", Subjects: []string{"older.present.>"}})
	require.NoError(t, err)
	return b
}
