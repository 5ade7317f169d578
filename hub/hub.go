package hub

import (
	"context"
	"errors"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// The limits of [Options] that are not set.
const (
	DefaultMaxTopic      = 1024 // bytes
	DefaultBrokerTimeout = 5 * time.Second
	DefaultPresenceTTL   = time.Minute
)

var (
	// ErrDraining is returned by [Hub.Join] and [Member.Subscribe] after [Hub.Drain].
	ErrDraining = errors.New("hub: the hub is draining")

	// ErrLeft is returned by the methods of a member that has left.
	ErrLeft = errors.New("hub: the member has left")

	// ErrSubscribed is returned by [Member.Subscribe] if the member is subscribed to
	// the topic already.
	ErrSubscribed = errors.New("hub: the member is subscribed to the topic already")

	// ErrTopic is returned for a topic that is empty, too long or not UTF-8, and for
	// a pattern where a topic is needed.
	ErrTopic = errors.New("hub: invalid topic")
)

// Options are the options of [New]. The zero value is ready to use. In each limit
// and time 0 means the default and a negative value none.
type Options struct {
	// Broker carries publications. nil means NewMemory(nil): this copy of the
	// program, without history.
	Broker Broker

	// CanSubscribe and CanPublish authorize [Member.Subscribe] and [Member.Publish],
	// if they are set. Their error goes to the caller. They may block up to ctx.
	// CanPublish may change the publication.
	CanSubscribe func(ctx context.Context, m *Member, topic string) error
	CanPublish   func(ctx context.Context, m *Member, topic string, p *Publication) error

	// MaxTopic is the maximum length of a topic in bytes. 0 means DefaultMaxTopic.
	MaxTopic int

	// BrokerTimeout bounds each call of the broker. 0 means DefaultBrokerTimeout.
	BrokerTimeout time.Duration

	// PresenceTTL is how long an entry of a PresenceStore lives unless it is
	// renewed, which happens in a third of the time. 0 means DefaultPresenceTTL.
	PresenceTTL time.Duration
}

// Receiver is what gets messages: a connection. [Conn] and [LoopConn] make one of
// the connections of this toolkit. Its methods may be called by any number of
// goroutines at once. They must not call methods of the hub or of its members.
type Receiver interface {
	// Deliver queues m and never blocks. The result is that of a send queue. An
	// error that wraps [wsutil.ErrSendTooLarge] counts as a dropped message; after any
	// other one the member leaves the hub.
	Deliver(m *Message) (wsutil.SendResult, error)

	// Replay is Deliver that waits for room until ctx ends.
	Replay(ctx context.Context, m *Message) error

	// Buffered returns how many bytes wait to be sent.
	Buffered() int

	// Close begins to close the connection. It may wait for the peer for a bounded
	// time.
	Close(code ws.StatusCode, reason string) error
}

// Message is a publication on its way to receivers.
type Message struct {
	Topic string
	Publication
}

// Hub is the topics of one copy of a program.
type Hub struct{}

// Member is a receiver that has joined a hub.
type Member struct{}

// SubscribeOptions are the options of a subscription.
type SubscribeOptions struct {
	// Since is the position to continue from.
	Since Position

	// Presence, if not nil, makes the member visible on the topic, with this data.
	Presence []byte
}

// IsPattern reports whether topic stands for many topics.
func IsPattern(topic string) bool { return false }

// History says how much of a topic a broker keeps.
type History struct {
	Messages int
	Bytes    int
	Age      time.Duration
}

// NewMemory returns the broker of a program with one copy.
func NewMemory(history func(topic string) History) Broker { return nil }
