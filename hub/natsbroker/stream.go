package natsbroker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/wire"
)

const (
	// callTimeout limits a call whose context has no earlier deadline.
	callTimeout = 10 * time.Second

	// tryTimeout limits the wait for an answer. A server that has just ended
	// does not answer.
	tryTimeout = 2 * time.Second

	// heartbeat is the interval of heartbeats of an idle consumer. The consumer
	// counts as lost when two heartbeats are missing.
	heartbeat = time.Second

	// inactive is how long NATS keeps a consumer whose copy was killed.
	inactive = 30 * time.Second

	// releaseTimeout limits the time to delete a consumer.
	releaseTimeout = time.Second
)

// try calls f until it succeeds, fails permanently, or ctx ends. Each attempt
// is limited by tryTimeout.
func try(ctx context.Context, f func(ctx context.Context) error) error {
	return tryLong(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		return f(ctx)
	})
}

// tryLong is like try for attempts that may take long because they read many
// messages. f limits the time of each answer by tryTimeout.
func tryLong(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		err := f(ctx)
		if err == nil || !passes(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// passes reports whether an error may be temporary: a stream has no leader
// during an election, and a replica may not have the stream yet.
func passes(err error) bool {
	for _, passing := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse,
		nats.ErrDisconnected, nats.ErrReconnectBufExceeded, nats.ErrConnectionReconnecting, errBehind,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	answer, ok := errors.AsType[*jetstream.APIError](err)
	return ok && answer.Code == 503
}

// store publishes to a topic with history. All attempts have the same ID, so
// that the stream stores only one.
func (b *Broker) store(ctx context.Context, topic string, p *hub.Publication) (hub.Position, error) {
	subject, err := subject(b.stored, topic)
	if err != nil {
		return hub.Position{}, err
	}
	m := nats.NewMsg(subject)
	m.Data = wire.Append(make([]byte, 0, wire.Size(p)), p)
	m.Header.Set(jetstream.MsgIDHeader, messageID(topic, p))
	var ack *jetstream.PubAck
	err = try(ctx, func(ctx context.Context) error {
		if _, err := b.streamEpoch(ctx); err != nil {
			return err
		}
		ack, err = b.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
		return err
	})
	if err != nil {
		return hub.Position{}, fmt.Errorf("natsbroker: publish to %.40q: %w", topic, err)
	}
	return hub.Position{Epoch: b.epoch.Load(), Offset: ack.Sequence}, nil
}

// messageID returns the ID of p in the stream.
func messageID(topic string, p *hub.Publication) string {
	if p.ID == "" || p.Kind != hub.Data {
		return nuid.Next()
	}
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s%s", len(topic), topic, p.ID)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// streamEpoch returns the epoch of the stream, which it creates if needed.
func (b *Broker) streamEpoch(ctx context.Context) (uint64, error) {
	if epoch := b.epoch.Load(); epoch != 0 {
		return epoch, nil
	}
	info, err := b.open(ctx)
	if err != nil {
		return 0, err
	}
	return epochOf(info), nil
}

func epochOf(info *jetstream.StreamInfo) uint64 { return uint64(info.Created.UnixNano()) }

// open returns the state of the stream, which it creates if there is none.
func (b *Broker) open(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	stream, err := b.stream(ctx, b.config())
	if err != nil {
		return nil, err
	}
	info := stream.CachedInfo()
	b.epoch.Store(epochOf(info))
	return info, nil
}

// beginning returns the start of reading the stream: its end at the first call.
func (b *Broker) beginning(ctx context.Context) (hub.Position, error) {
	b.mu.Lock()
	at := b.begin
	b.mu.Unlock()
	if !at.IsZero() {
		return at, nil
	}
	err := try(ctx, func(ctx context.Context) error {
		info, err := b.open(ctx)
		if err == nil {
			at = hub.Position{Epoch: epochOf(info), Offset: info.State.LastSeq + 1}
		}
		return err
	})
	if err != nil {
		return hub.Position{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.begin.IsZero() {
		b.begin = at
	}
	return b.begin, nil
}

// stream returns the stream named in config, and creates it if necessary.
// If the cluster has too few servers, it creates the stream with one replica.
func (b *Broker) stream(ctx context.Context, config jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := b.js.Stream(ctx, config.Name)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return stream, err
	}
	stream, err = b.js.CreateStream(ctx, config)
	if err != nil && config.Replicas > 1 && isFew(err) {
		config.Replicas = 1
		stream, err = b.js.CreateStream(ctx, config)
	}
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return b.js.Stream(ctx, config.Name) // another copy was faster
	}
	return stream, err
}

// isFew reports whether the error says that the cluster has too few servers for
// the replicas.
func isFew(err error) bool {
	const noSuitablePeers, replicasNotSupported = 10005, 10074
	answer, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (answer.ErrorCode == noSuitablePeers || answer.ErrorCode == replicasNotSupported)
}

// config returns the configuration of the stream. The stream is limited only by
// age and size, which drop the oldest messages. If the stream begins at or
// before a position, it therefore contains all messages after that position.
func (b *Broker) config() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        b.opts.Prefix,
		Description: "publications of the topics with history of a wskit hub",
		Subjects:    []string{b.stored + ">"},
		MaxAge:      b.opts.MaxAge,
		MaxBytes:    b.opts.MaxBytes,
		Duplicates:  b.opts.MaxAge,
		Replicas:    b.opts.Replicas,
		Storage:     b.opts.Storage,
		AllowDirect: true,
	}
}

// grow increases the replicas of a stream to Options.Replicas when the cluster
// has enough servers.
func (b *Broker) grow(ctx context.Context, info *jetstream.StreamInfo) {
	config := info.Config
	config.Replicas = b.opts.Replicas
	for have := info.Config.Replicas; have < b.opts.Replicas && sleep(ctx, tryTimeout); {
		once, cancel := context.WithTimeout(ctx, callTimeout)
		if _, err := b.js.UpdateStream(once, config); err == nil {
			have = config.Replicas
		} else if !isFew(err) && !passes(err) {
			b.report(fmt.Errorf("natsbroker: give stream %s %d replicas: %w", config.Name, config.Replicas, err))
		}
		cancel()
	}
}

// sleep waits for d, and reports whether ctx has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// follow delivers new messages of the stream until ctx ends.
func (b *Broker) follow(ctx context.Context, h hub.Handler) {
	f := follower{Broker: b, handler: h}
	for ctx.Err() == nil {
		began := time.Now()
		err := f.run(ctx)
		if err == nil || ctx.Err() != nil {
			continue
		}
		b.report(fmt.Errorf("natsbroker: stream %s: %w", b.opts.Prefix, err))
		if time.Since(began) < tryTimeout {
			sleep(ctx, 200*time.Millisecond)
		}
	}
}

// follower reads the stream. It resumes after an interruption. If that is not
// possible, it starts at the end and reports a gap on all topics with history.
type follower struct {
	*Broker
	handler hub.Handler
	begun   bool
	epoch   uint64 // of the stream that it reads; 0 to start at the end
	next    uint64 // sequence of the next message
}

// run reads the stream until something fails. It returns nil if it missed
// messages.
func (f *follower) run(ctx context.Context) error {
	var growing sync.WaitGroup
	defer growing.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	info, err := f.open(ctx)
	if err != nil {
		return err
	}
	if !f.begun {
		at, err := f.beginning(ctx)
		if err != nil {
			return err
		}
		f.begun, f.epoch, f.next = true, at.Epoch, at.Offset
	}
	restart := f.epoch != epochOf(info) || f.next > info.State.LastSeq+1
	if restart {
		f.epoch, f.next = epochOf(info), info.State.LastSeq+1
	}
	growing.Go(func() { f.grow(ctx, info) })
	consumer, err := f.consume(ctx)
	if err != nil {
		return err
	}
	defer f.release(consumer)
	messages, err := consumer.Messages(jetstream.PullHeartbeat(heartbeat), jetstream.PullExpiry(10*heartbeat))
	if err != nil {
		return err
	}
	defer messages.Stop()
	if restart {
		for _, topic := range f.wanted(true) {
			f.handler.Gap(topic)
		}
	}
	return f.read(ctx, messages)
}

// consume returns a consumer that begins at f.next.
func (f *follower) consume(ctx context.Context) (jetstream.Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return f.js.CreateConsumer(ctx, f.opts.Prefix, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       f.next,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: inactive,
		MemoryStorage:     true,
		Replicas:          1,
	})
}

// release deletes a consumer, so that NATS does not keep it for the time
// inactive.
func (f *follower) release(c jetstream.Consumer) {
	if !f.nc.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	_ = f.js.DeleteConsumer(ctx, f.opts.Prefix, c.CachedInfo().Name)
}

// read delivers messages.
func (f *follower) read(ctx context.Context, messages jetstream.MessagesContext) error {
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		switch sequence := meta.Sequence.Stream; {
		case sequence < f.next:
			continue // a repetition
		case sequence > f.next:
			f.epoch = 0 // messages in between are lost
			return nil
		default:
			f.next++
		}
		at := hub.Position{Epoch: f.epoch, Offset: meta.Sequence.Stream}
		topic, p, err := f.decode(m.Subject(), m.Data(), at)
		if err != nil {
			f.report(err)
			continue
		}
		f.handler.Publication(topic, p)
	}
}

// decode decodes a message of the stream.
func (b *Broker) decode(subject string, data []byte, at hub.Position) (topic string, p hub.Publication, err error) {
	topic, ok := topicOf(b.stored, subject)
	if !ok {
		return "", p, fmt.Errorf("natsbroker: subject %.80q: the message is not a publication", subject)
	}
	if p, err = wire.Parse(data); err != nil {
		return "", p, fmt.Errorf("natsbroker: subject %.80q: %w", subject, err)
	}
	p.Position = at
	return topic, p, nil
}
