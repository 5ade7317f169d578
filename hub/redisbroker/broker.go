package redisbroker

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/table"
	"github.com/wskit/wskit/hub/internal/wire"
)

// Defaults of [Options].
const (
	DefaultPrefix = "wskit:"
	DefaultMaxAge = 10 * time.Minute
)

// metaAge is how long the newest position of a topic is kept after its stream
// has expired.
const metaAge = 24 * time.Hour

// Options are the options of [New]. All copies of a program need the same
// Prefix and History.
type Options struct {
	// Redis holds the address, credentials, TLS and timeouts. nil means
	// 127.0.0.1:6379. MaxRetries and Protocol are ignored. Commands are not
	// repeated, because that could publish twice.
	Redis *redis.UniversalOptions

	// Prefix is the prefix of all keys and channels. "" means DefaultPrefix.
	Prefix string

	// History returns how many publications of a topic are kept. 0 and negative
	// values mean no history. It must always return the same value for the same
	// topic. A nil function means that no topic has history.
	History func(topic string) int

	// MaxAge is how long the history of a topic is kept after its newest
	// publication. 0 means DefaultMaxAge.
	MaxAge time.Duration

	// OnError, if not nil, is called with errors outside of calls: a lost
	// connection, or a message of another program. It must not block.
	OnError func(error)
}

// Broker is a [hub.Broker] over Redis. It implements [hub.PresenceStore].
type Broker struct {
	opts    Options
	client  redis.UniversalClient
	from    uint64        // a random ID of this broker
	sent    atomic.Uint64 // number of publications sent
	running atomic.Bool

	mu     sync.Mutex
	wanted table.Map[*subscription] // by topic or pattern
	globs  table.Map[string]        // patterns by their Redis patterns; empty without a session
	dirty  map[string]bool          // topics whose subscription changed since the last command; nil without a session
	wake   chan struct{}            // signals that dirty is not empty
}

var (
	_ hub.Broker        = (*Broker)(nil)
	_ hub.PresenceStore = (*Broker)(nil)
)

// New returns a broker. The broker connects when it is first used, so New
// returns no error of the network.
func New(opts Options) (*Broker, error) {
	opts.Prefix = cmp.Or(opts.Prefix, DefaultPrefix)
	if strings.ContainsAny(opts.Prefix, "{}") {
		return nil, fmt.Errorf("redisbroker: Prefix %q contains a brace", opts.Prefix)
	}
	opts.MaxAge = cmp.Or(opts.MaxAge, DefaultMaxAge)
	var o redis.UniversalOptions
	if opts.Redis != nil {
		o = *opts.Redis
	}
	o.MaxRetries = -1
	o.Protocol = 2 // no newer features are needed
	o.ContextTimeoutEnabled = true
	return &Broker{
		opts:   opts,
		client: redis.NewUniversalClient(&o),
		from:   rand.Uint64(),
		wake:   make(chan struct{}, 1),
	}, nil
}

// Close ends the connections. Run does that when it returns.
func (b *Broker) Close() error { return b.client.Close() }

// keeps returns how many publications of a topic are kept.
func (b *Broker) keeps(topic string) int {
	if b.opts.History == nil {
		return 0
	}
	return max(b.opts.History(topic), 0)
}

func (b *Broker) channel(topic string) string { return b.opts.Prefix + "c:" + topic }

// headSize is the length of the header of a publication: the ID of its sender,
// and its number among the publications of that sender. The header identifies
// repetitions, which Redis sends for patterns.
const headSize = 16

func (b *Broker) encode(p *hub.Publication) []byte {
	dst := make([]byte, 0, headSize+wire.Size(p))
	dst = binary.BigEndian.AppendUint64(dst, b.from)
	dst = binary.BigEndian.AppendUint64(dst, b.sent.Add(1))
	return wire.Append(dst, p)
}

// Publish implements [hub.Broker]. Join and Leave are not kept.
func (b *Broker) Publish(ctx context.Context, topic string, p hub.Publication) (at hub.Position, err error) {
	if hub.IsPattern(topic) {
		return at, fmt.Errorf("redisbroker: %w: a pattern cannot be published to: %.40q", hub.ErrTopic, topic)
	}
	data := b.encode(&p)
	keep := b.keeps(topic)
	if keep == 0 || p.Kind != hub.Data {
		err = b.client.Publish(ctx, b.channel(topic), append([]byte{' '}, data...)).Err()
	} else {
		at, err = b.store(ctx, topic, keep, p.ID, data)
	}
	if err != nil {
		return hub.Position{}, fmt.Errorf("redisbroker: publish to %.40q: %w", topic, err)
	}
	return at, nil
}

// store adds a publication to the stream of a topic and publishes it.
func (b *Broker) store(ctx context.Context, topic string, keep int, id string, data []byte) (at hub.Position, err error) {
	identified := 0
	if id != "" {
		identified = 1
	}
	text, err := publishScript.Run(ctx, b.client,
		[]string{b.key(topic, metaKey), b.key(topic, streamKey), b.key(topic, idKey+id)},
		b.channel(topic), data, newEpoch(), keep,
		b.opts.MaxAge.Milliseconds(), (b.opts.MaxAge + metaAge).Milliseconds(), identified,
	).Text()
	if err != nil {
		return at, err
	}
	return at, at.UnmarshalText([]byte(text))
}

// newEpoch returns a random epoch in the form of a position.
func newEpoch() string { return strconv.FormatUint(rand.Uint64()|1, 16) }

// History implements [hub.Broker].
func (b *Broker) History(ctx context.Context, topic string, since hub.Position, limit int) ([]hub.Publication, hub.Position, error) {
	if hub.IsPattern(topic) || b.keeps(topic) == 0 {
		return nil, hub.Position{}, hub.ErrNoHistory
	}
	reply, err := historyScript.Run(ctx, b.client, []string{b.key(topic, metaKey), b.key(topic, streamKey)},
		newEpoch(), (b.opts.MaxAge + metaAge).Milliseconds(), since.Offset, max(limit, 0),
	).Slice()
	var pubs []hub.Publication
	var newest hub.Position
	if err == nil {
		pubs, newest, err = parseHistory(reply)
	}
	if err != nil {
		return nil, hub.Position{}, fmt.Errorf("redisbroker: history of %.40q: %w", topic, err)
	}
	if limit > 0 && !since.IsZero() && !follows(pubs, newest, since) {
		return nil, newest, hub.ErrCannotRecover
	}
	return pubs, newest, nil
}

// follows reports whether nothing is missing between since and pubs. Offsets of
// a topic have no gaps.
func follows(pubs []hub.Publication, newest, since hub.Position) bool {
	if since.Epoch != newest.Epoch || since.Offset > newest.Offset {
		return false
	}
	if len(pubs) == 0 {
		return since.Offset == newest.Offset
	}
	return pubs[0].Position.Offset == since.Offset+1
}

var errReply = errors.New("unexpected reply of a script")

// parseHistory decodes the reply of historyScript.
func parseHistory(reply []any) (pubs []hub.Publication, newest hub.Position, err error) {
	if len(reply) != 2 {
		return nil, newest, errReply
	}
	position, ok1 := reply[0].(string)
	entries, ok2 := reply[1].([]any)
	if !ok1 || !ok2 {
		return nil, newest, errReply
	}
	if err := newest.UnmarshalText([]byte(position)); err != nil {
		return nil, newest, err
	}
	for _, entry := range entries {
		p, err := parseEntry(entry, newest.Epoch)
		if err != nil {
			return nil, newest, err
		}
		pubs = append(pubs, p)
	}
	return pubs, newest, nil
}

// parseEntry decodes an entry of a stream: an ID such as 0-17, and a list of a
// name and a value.
func parseEntry(entry any, epoch uint64) (p hub.Publication, err error) {
	pair, _ := entry.([]any)
	if len(pair) != 2 {
		return p, errReply
	}
	id, _ := pair[0].(string)
	fields, _ := pair[1].([]any)
	if len(fields) != 2 {
		return p, errReply
	}
	data, _ := fields[1].(string)
	if len(data) < headSize {
		return p, fmt.Errorf("entry %q is not a publication", id)
	}
	if p, err = wire.Parse([]byte(data[headSize:])); err != nil {
		return p, err
	}
	p.Position.Epoch = epoch
	p.Position.Offset, err = strconv.ParseUint(strings.TrimPrefix(id, "0-"), 10, 64)
	return p, err
}

// SetPresence implements [hub.PresenceStore].
func (b *Broker) SetPresence(ctx context.Context, topic string, p hub.Presence, ttl time.Duration) error {
	err := setPresenceScript.Run(ctx, b.client, b.presenceKeys(topic), p.ID, p.Data, ttl.Milliseconds()).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("redisbroker: presence on %.40q: %w", topic, err)
	}
	return nil
}

// RemovePresence implements [hub.PresenceStore].
func (b *Broker) RemovePresence(ctx context.Context, topic, id string) error {
	keys := b.presenceKeys(topic)
	_, err := b.client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		tx.ZRem(ctx, keys[0], id)
		tx.HDel(ctx, keys[1], id)
		return nil
	})
	if err != nil {
		return fmt.Errorf("redisbroker: presence on %.40q: %w", topic, err)
	}
	return nil
}

// Presence implements [hub.PresenceStore].
func (b *Broker) Presence(ctx context.Context, topic string, limit int) (members []hub.Presence, count int, err error) {
	last := limit - 1
	if limit == 0 {
		last = -2
	} else if limit < 0 {
		last = -1
	}
	reply, err := presenceScript.Run(ctx, b.client, b.presenceKeys(topic), last).Slice()
	if err != nil {
		return nil, 0, fmt.Errorf("redisbroker: presence on %.40q: %w", topic, err)
	}
	n, _ := reply[0].(int64)
	found, _ := reply[1].([]any)
	for i := 0; i+1 < len(found); i += 2 {
		id, _ := found[i].(string)
		data, _ := found[i+1].(string)
		members = append(members, hub.Presence{ID: id, Data: []byte(data)})
	}
	return members, int(n), nil
}

func (b *Broker) presenceKeys(topic string) []string {
	return []string{b.key(topic, presenceKey), b.key(topic, dataKey)}
}

// report passes an error to OnError.
func (b *Broker) report(err error) {
	if b.opts.OnError != nil {
		b.opts.OnError(err)
	}
}
