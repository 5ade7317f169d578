package hub

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

var (
	// ErrCannotRecover is returned by [Broker.History] if publications after the
	// position are gone, or if the position belongs to a stream that was lost.
	ErrCannotRecover = errors.New("hub: publications after the position are gone")

	// ErrNoHistory is returned by [Broker.History] for a topic without history.
	ErrNoHistory = errors.New("hub: the topic has no history")
)

// Broker carries publications between the hubs of the copies of a program, and
// keeps their history. [NewMemory] is the one for a single copy.
//
// All methods may be called by any number of goroutines at once, also before Run
// and while the broker is away. They return when ctx ends at the latest. An error
// says that the call had no effect, or that it is unknown whether it had one.
type Broker interface {
	// Publish hands p to all hubs that want the topic, this one included, by
	// [Handler.Publication]. It may return before they have it. For a topic with
	// history it returns the position that p has got, and ignores p.Position. A p.ID
	// that the history of the topic contains already is not published again:
	// Publish returns the position of the first one. Publish does not retain p.Payload.
	Publish(ctx context.Context, topic string, p Publication) (Position, error)

	// Subscribe says that this hub wants the topic, or all topics that match a
	// pattern: see [IsPattern]. What is published after Subscribe has returned is
	// handed to Handler, and so is what is published while it runs, or not. The hub
	// does not subscribe twice without Unsubscribe in between.
	Subscribe(ctx context.Context, topic string) error

	// Unsubscribe says that this hub no longer wants the topic. It does not wait
	// for the network. Publications that are on their way may still arrive.
	Unsubscribe(topic string)

	// History returns up to limit publications after the position since, in order,
	// and the position of the newest publication of the topic. The zero Position
	// stands for the beginning of what is kept. With limit 0 it returns only the
	// newest position, whose epoch is not 0. It sees at least all publications that
	// were handed to Handler before the call. Errors are [ErrNoHistory],
	// [ErrCannotRecover], also for a position after the newest one, and those of the
	// network. With ErrCannotRecover the newest position is valid.
	History(ctx context.Context, topic string, since Position, limit int) ([]Publication, Position, error)

	// Run connects, reconnects, and hands what arrives to h until ctx ends. It is
	// called once. It returns nil when ctx ends, and an error if it cannot go on.
	Run(ctx context.Context, h Handler) error
}

// Handler is what a [Broker] calls: a [Hub]. The methods do not wait for receivers
// or for the network.
type Handler interface {
	// Publication hands over a publication that matches a subscription of the hub.
	// Each one is handed over once, also if several subscriptions match, and those
	// of a topic are handed over in order, one at a time. If the broker cannot
	// avoid repeating some with a position, that does no harm: the hub drops them.
	// The hub keeps p.Payload, which must not change.
	Publication(topic string, p Publication)

	// Gap says that publications of the topic, or of topics that match the pattern,
	// may be missing before the next one: the connection was lost, or the broker
	// had to drop some. "" stands for all topics. The hub gets what is missing from
	// History, or tells the receivers.
	Gap(topic string)
}

// Position is a place in the history of a topic. Offsets of the same epoch grow
// from publication to publication, not necessarily by one. Another epoch is another
// stream: the former one was lost. The zero Position is that of a publication
// without history.
type Position struct {
	Epoch, Offset uint64
}

// IsZero reports whether p is the zero Position.
func (p Position) IsZero() bool { return p == Position{} }

// String returns the position as text, for instance "5f3c-17": the epoch in
// hexadecimal and the offset in decimal digits. The zero Position is "".
func (p Position) String() string {
	if p.IsZero() {
		return ""
	}
	return fmt.Sprintf("%x-%d", p.Epoch, p.Offset)
}

var (
	_ encoding.TextMarshaler   = Position{}
	_ encoding.TextUnmarshaler = (*Position)(nil)
)

// MarshalText returns what String returns.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses what MarshalText returns.
func (p *Position) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = Position{}
		return nil
	}
	epoch, offset, found := strings.Cut(string(text), "-")
	e, err1 := strconv.ParseUint(epoch, 16, 64)
	o, err2 := strconv.ParseUint(offset, 10, 64)
	if !found || err1 != nil || err2 != nil {
		return fmt.Errorf("hub: invalid position %.40q: want an epoch and an offset, as 5f3c-17", text)
	}
	*p = Position{e, o}
	return nil
}

// Kind says what a [Publication] is.
type Kind uint8

const (
	Data  Kind = iota // a message of a publisher
	Join              // a member has joined the topic: see [SubscribeOptions.Presence]
	Leave             // a member has left the topic

	// Gap tells a receiver that it has missed publications of the topic. It is not
	// published. A Topic of "" stands for any topic of the receiver.
	Gap
)

// Publication is what travels between hubs: a message with what belongs to it. A
// broker carries all its fields.
type Publication struct {
	Kind Kind

	// Op is [ws.OpText] or [ws.OpBinary]. 0 means OpText.
	Op ws.OpCode

	// Payload is the payload. For Join and Leave it is the data of the member.
	Payload []byte

	// Key makes the publication a value of which only the newest counts: it replaces
	// the one with the same topic and key that waits for a slow receiver. "" replaces
	// nothing.
	Key string

	// ID, if not empty, identifies the publication: one with an ID that the history
	// of the topic still contains is not published again. For Join and Leave it is
	// the ID of the member.
	ID string

	// Position is set by a broker with history.
	Position Position

	prepared *wsutil.PreparedMessage // of Payload, or nil
}

// Text returns a publication of this text.
func Text(text string) Publication { return Publication{Op: ws.OpText, Payload: []byte(text)} }

// Binary returns a publication of these bytes. It does not copy p.
func Binary(p []byte) Publication { return Publication{Op: ws.OpBinary, Payload: p} }

// Prepared returns a publication of a message that is encoded already. In memory,
// its encoded forms are used as they are.
func Prepared(m *wsutil.PreparedMessage) Publication {
	return Publication{Op: m.OpCode(), Payload: m.Payload(), prepared: m}
}

// PresenceStore is implemented by a [Broker] that shares the presence of all hubs.
// Without it, or if its methods return an error that wraps [errors.ErrUnsupported], a
// hub knows only its own members. The methods are bound by the rules of Broker.
type PresenceStore interface {
	// SetPresence says that a member is on a topic, for the next ttl. It is called
	// again before that has passed.
	SetPresence(ctx context.Context, topic string, p Presence, ttl time.Duration) error

	// RemovePresence says that a member is no longer on a topic.
	RemovePresence(ctx context.Context, topic, id string) error

	// Presence returns up to limit members of a topic, all if limit is negative,
	// and how many there are.
	Presence(ctx context.Context, topic string, limit int) (members []Presence, count int, err error)
}

// Presence is a member on a topic.
type Presence struct {
	ID   string // of the member
	Data []byte // what SubscribeOptions.Presence says
}
