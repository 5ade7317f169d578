package natsbroker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/table"
)

// Defaults of [Options].
const (
	DefaultPrefix   = "wskit"
	DefaultMaxAge   = 5 * time.Minute
	DefaultMaxBytes = 256 << 20
)

// ErrNotConnected is returned while there is no connection to NATS. The call
// then had no effect.
var ErrNotConnected = errors.New("natsbroker: not connected")

// Options are the options of [New]. All copies of a program need the same
// Prefix, the same History and the same options of the stream.
type Options struct {
	// URL is the address of NATS, such as nats://host:4222, or several of these
	// separated by commas. It is ignored if Server is set.
	URL string

	// Server, if not nil, is a server in this process to connect to.
	Server *Server

	// NATS holds additional options of the connection, such as credentials and
	// TLS.
	NATS []nats.Option

	// Prefix is the first token of all subjects, and the name of the stream. ""
	// means DefaultPrefix.
	Prefix string

	// History reports whether a topic has history. It must always return the
	// same value for the same topic. nil means that no topic has history, and
	// that hubs do not share presence. NATS then does not need JetStream.
	History func(topic string) bool

	// MaxAge and MaxBytes limit the stream, which holds all topics with
	// history. 0 means DefaultMaxAge and DefaultMaxBytes. The first copy of the
	// program creates the stream. The options of later copies do not change it.
	MaxAge   time.Duration
	MaxBytes int64

	// Replicas is the number of servers of a NATS cluster that hold the stream
	// of publications, and the stream of presence: 1, 3 or 5. 0 means 3 if
	// Server is set, and 1 otherwise. While the cluster has fewer servers, one
	// server holds each stream.
	Replicas int

	// Storage says whether the stream of publications is in files or in memory.
	Storage jetstream.StorageType

	// OnError, if not nil, is called with errors outside of calls: a lost
	// connection, a stream that cannot be read, or a message of another
	// program. It must not block.
	OnError func(error)
}

// maxPending is the maximum number of publications that wait for the hub.
// Others are dropped and reported as a gap.
const maxPending = 8192

// Broker is a [hub.Broker] over NATS. It implements [hub.PresenceStore].
// Presence requires Options.History.
type Broker struct {
	opts    Options
	live    string // the prefix of subjects of topics without history
	stored  string // the same with history
	present string // the same for presence
	nc      *nats.Conn
	js      jetstream.JetStream
	arrived chan *nats.Msg // of topics without history
	wake    chan struct{}  // lost may have been set
	lost    atomic.Bool    // the connection was lost, and publications with it
	closed  chan struct{}
	running atomic.Bool
	handler atomic.Pointer[hub.Handler] // nil before Run
	epoch   atomic.Uint64               // of the stream; 0 if it is not known

	memberStream atomic.Pointer[jetstream.Stream] // of presence; nil if it is not known
	opened       chan *jetstream.StreamInfo       // of memberStream

	sending chan struct{} // a lock for sender that respects contexts
	sender  sender

	mu     sync.Mutex
	begin  hub.Position                  // start of reading the stream
	topics table.Map[*nats.Subscription] // subscriptions of the hub; nil values for topics with history
}

var (
	_ hub.Broker        = (*Broker)(nil)
	_ hub.PresenceStore = (*Broker)(nil)
)

// New returns a broker that connects in the background. It does not return an
// error if NATS is unreachable. The caller must call [Broker.Run] or
// [Broker.Close].
func New(opts Options) (*Broker, error) {
	opts.Prefix = cmp.Or(opts.Prefix, DefaultPrefix)
	opts.MaxAge = cmp.Or(opts.MaxAge, DefaultMaxAge)
	opts.MaxBytes = cmp.Or(opts.MaxBytes, DefaultMaxBytes)
	if opts.Replicas == 0 {
		opts.Replicas = 1
		if opts.Server != nil {
			opts.Replicas = 3
		}
	}
	b := &Broker{
		opts:    opts,
		live:    opts.Prefix + ".live.",
		stored:  opts.Prefix + ".stored.",
		present: opts.Prefix + ".present.",
		arrived: make(chan *nats.Msg, maxPending),
		wake:    make(chan struct{}, 1),
		closed:  make(chan struct{}),
		opened:  make(chan *jetstream.StreamInfo, 1),
		sending: make(chan struct{}, 1),
		sender:  sender{id: rand.Uint64()},
	}
	var err error
	if b.nc, err = nats.Connect(opts.URL, b.connecting()...); err != nil {
		return nil, fmt.Errorf("natsbroker: %w", err)
	}
	if b.js, err = jetstream.New(b.nc); err != nil {
		b.nc.Close()
		return nil, fmt.Errorf("natsbroker: %w", err)
	}
	return b, nil
}

// connecting returns the options of the connection.
func (b *Broker) connecting() []nats.Option {
	options := []nats.Option{
		nats.Name("wskit hub"),
		nats.RetryOnFailedConnect(true),
		nats.MaxReconnects(-1),
		nats.CustomReconnectDelay(reconnectDelay),
		nats.ReconnectBufSize(-1),            // do not buffer while disconnected
		nats.FlusherTimeout(2 * time.Second), // limits a write, so that Publish does not hang
		nats.PingInterval(5 * time.Second),
		nats.ErrorHandler(b.failed),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			b.lost.Store(true)
			if err != nil {
				b.report(fmt.Errorf("natsbroker: connection lost: %w", err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			select {
			case b.wake <- struct{}{}:
			default:
			}
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(b.closed) }),
	}
	if b.opts.Server != nil {
		options = append(options, nats.InProcessServer(b.opts.Server.server),
			nats.UserInfo(clusterName, b.opts.Server.password))
	}
	return append(options, b.opts.NATS...)
}

// reconnectDelay is the time between two attempts to connect: 50 ms to 2 s.
func reconnectDelay(attempts int) time.Duration {
	d := 50 * time.Millisecond << min(attempts, 5)
	return d + rand.N(d/4)
}

// Close ends the connection, so that Run returns.
func (b *Broker) Close() { b.nc.Close() }

// Run passes received publications to h until ctx ends or the broker is closed.
// Then it closes the connection. It returns an error if NATS has closed the
// connection permanently, for example because it rejects the credentials.
func (b *Broker) Run(ctx context.Context, h hub.Handler) error {
	if !b.running.CompareAndSwap(false, true) {
		return errors.New("natsbroker: Run was already called")
	}
	b.handler.Store(&h)
	defer b.Close()
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	defer following.Wait()
	defer cancel()
	if b.opts.History != nil {
		following.Go(func() { b.follow(ctx, h) })
		following.Go(func() { b.growPresence(ctx) })
	}
	return b.deliver(ctx, h)
}

// Publish implements [hub.Broker]. For a topic with history, it returns when
// the stream has stored p, and retries until ctx ends or 10 s have passed. For
// other topics NATS delivers p at most once.
func (b *Broker) Publish(ctx context.Context, topic string, p hub.Publication) (hub.Position, error) {
	if hub.IsPattern(topic) {
		return hub.Position{}, fmt.Errorf("natsbroker: %w: a pattern cannot be published to: %.40q", hub.ErrTopic, topic)
	}
	if b.keeps(topic) {
		return b.store(ctx, topic, &p)
	}
	return hub.Position{}, b.send(ctx, topic, &p)
}

// keeps reports whether a topic has history.
func (b *Broker) keeps(topic string) bool { return b.opts.History != nil && b.opts.History(topic) }

// Subscribe implements [hub.Broker]. When it returns, the server that this copy
// is connected to has the subscription and has forwarded it to the others.
func (b *Broker) Subscribe(ctx context.Context, topic string) error {
	subject, err := subject(b.live, topic)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	kept := b.opts.History != nil && (hub.IsPattern(topic) || b.opts.History(topic))
	if kept {
		if _, err := b.beginning(ctx); err != nil {
			return fmt.Errorf("natsbroker: subscribe to %.40q: %w", topic, err)
		}
	}
	if kept && !hub.IsPattern(topic) {
		b.want(topic, nil)
		return nil
	}
	sub, err := b.nc.ChanSubscribe(subject, b.arrived)
	if err != nil {
		return fmt.Errorf("natsbroker: subscribe to %.40q: %w", topic, err)
	}
	if err := b.nc.FlushWithContext(ctx); err != nil {
		_ = sub.Unsubscribe()
		return fmt.Errorf("natsbroker: subscribe to %.40q: %w", topic, err)
	}
	b.want(topic, sub)
	return nil
}

func (b *Broker) want(topic string, sub *nats.Subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics.Set(topic, sub)
}

// Unsubscribe implements [hub.Broker].
func (b *Broker) Unsubscribe(topic string) {
	b.mu.Lock()
	sub := b.topics.Entries[topic]
	b.topics.Delete(topic)
	b.mu.Unlock()
	if sub != nil {
		_ = sub.Unsubscribe() // fails only if the connection has ended
	}
}

// wanted returns the topics and patterns that the hub subscribes to, with
// history or without. A pattern may match topics of both kinds.
func (b *Broker) wanted(stored bool) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	topics := make([]string, 0, len(b.topics.Entries))
	for topic, sub := range b.topics.Entries {
		if stored == (sub == nil) || hub.IsPattern(topic) {
			topics = append(topics, topic)
		}
	}
	return topics
}

// report passes an error to OnError.
func (b *Broker) report(err error) {
	if b.opts.OnError != nil {
		b.opts.OnError(err)
	}
}
