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
	// ErrCannotRecover is returned by [Broker.History] if publications after
	// the position are gone, or if the position belongs to a stream that was
	// lost.
	ErrCannotRecover = errors.New("hub: publications after the position are gone")

	// ErrNoHistory is returned by [Broker.History] for a topic without history.
	ErrNoHistory = errors.New("hub: the topic has no history")
)

// Broker carries publications between the hubs of several copies of a program,
// and keeps their history. [NewMemory] returns a Broker for a single copy.
//
// All methods are safe for concurrent use, including before Run and while the
// broker is unreachable. They return when ctx ends, or earlier. A call that
// returns an error may or may not have had an effect.
type Broker interface {
	// Publish passes p to [Handler.Publication] of all hubs that subscribe to
	// the topic, including this one. It may return before they have received p.
	// For a topic with history, it returns the position of p and ignores
	// p.Position. If the history of the topic already contains p.ID, Publish
	// does not publish p, and returns the position of the earlier publication.
	// It does not retain p.Payload.
	Publish(ctx context.Context, topic string, p Publication) (Position, error)

	// Subscribe subscribes this hub to a topic, or to all topics that match a
	// pattern: see [IsPattern]. The Handler receives all publications after
	// Subscribe has returned. It may or may not receive those published while
	// Subscribe runs. The hub does not subscribe twice without calling
	// Unsubscribe in between.
	Subscribe(ctx context.Context, topic string) error

	// Unsubscribe ends a subscription. It does not wait for the network.
	// Publications in flight may still arrive.
	Unsubscribe(topic string)

	// History returns up to limit publications of kind Data after the position
	// since, in order, and the position of the newest publication of the topic,
	// of any kind. The zero Position means the beginning of the history. With
	// limit 0 it returns only the newest position, whose epoch is not 0. The
	// history includes at least all publications of kind Data that the Handler
	// received before the call. History returns [ErrNoHistory],
	// [ErrCannotRecover] or an error of the network. For a position after the
	// newest one, it returns ErrCannotRecover. With ErrCannotRecover, the newest
	// position is valid.
	History(ctx context.Context, topic string, since Position, limit int) ([]Publication, Position, error)

	// Run connects, reconnects, and passes received publications to h until ctx
	// ends. It is called once. It returns nil when ctx ends, or an error if it
	// cannot continue.
	Run(ctx context.Context, h Handler) error
}

// Handler receives publications from a [Broker]. [Hub] implements it. The
// methods do not wait for receivers or for the network.
type Handler interface {
	// Publication receives a publication that matches a subscription of the
	// hub. The broker calls it once for each publication, even if several
	// subscriptions match. For one topic it calls it in order, one at a time.
	// It may repeat publications that have a position, because the hub drops
	// the repetitions. The hub retains p.Payload, which must not change.
	Publication(topic string, p Publication)

	// Gap reports that publications of the topic, or of topics that match the
	// pattern, may be missing before the next one, because the connection was
	// lost or the broker dropped some. "" means all topics. The hub gets the
	// missing publications from History, or reports the gap to the receivers.
	Gap(topic string)
}

// Position is a place in the history of a topic. Within an epoch, offsets
// increase with each publication, not necessarily by one. A different epoch
// means that the earlier stream was lost. A publication without history has the
// zero Position.
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

// Kind is the kind of a [Publication].
type Kind uint8

const (
	Data Kind = iota // a message of a publisher

	// Join and Leave report that a member has joined or left the topic: see
	// [SubscribeOptions.Presence]. They may be repeated for the same member, for
	// example after the broker was unreachable.
	Join
	Leave

	// Gap reports to a receiver that it has missed publications of the topic.
	// It is not published. A Topic of "" means any topic of the receiver.
	Gap
)

// Publication is a message and its attributes. A broker carries all fields
// between hubs.
type Publication struct {
	Kind Kind

	// Op is [ws.OpText] or [ws.OpBinary]. 0 means OpText.
	Op ws.OpCode

	// Payload is the content of the message. For Join and Leave it is the data
	// of the member.
	Payload []byte

	// Key, if not empty, makes the publication replace a waiting one with the
	// same topic and key. A slow receiver then gets only the newest value.
	Key string

	// ID, if not empty, identifies the publication. A publication whose ID is
	// still in the history of the topic is not published again. For Join and
	// Leave, it is the ID of the member.
	ID string

	// Position is set by a broker with history.
	Position Position

	prepared *wsutil.PreparedMessage // of Payload, or nil
}

// Text returns a publication of a text message.
func Text(text string) Publication { return Publication{Op: ws.OpText, Payload: []byte(text)} }

// Binary returns a publication of a binary message. It does not copy p.
func Binary(p []byte) Publication { return Publication{Op: ws.OpBinary, Payload: p} }

// Prepared returns a publication of a prepared message. The broker in memory
// reuses its encoded forms.
func Prepared(m *wsutil.PreparedMessage) Publication {
	return Publication{Op: m.OpCode(), Payload: m.Payload(), prepared: m}
}

// PresenceStore is implemented by a [Broker] that shares the presence of all
// hubs. Without it, or if its methods return an error that wraps
// [errors.ErrUnsupported], [Hub.Presence] returns only the members of one hub.
// The rules of Broker apply to the methods.
//
// Goroutines of the hub call RemovePresence and publish the [Leave] after a
// member has left, so that [Member.Leave] and [Member.Unsubscribe] do not wait.
// The hub queues up to 65,536 leaves and drops those that do not fit. It also
// drops a leave that has waited for PresenceTTL. If a leave is dropped or
// RemovePresence fails, the entry expires. Without a PresenceStore, a dropped
// leave is lost.
//
// The receivers of a hub know members of other hubs from a [Join] or from
// [Hub.Presence]. Every third of PresenceTTL, the hub lists the topics of these
// members. If two lists in a row lack a member, the receivers get a Leave. If
// the member is listed again later, they get a Join. Receivers that are only
// subscribed to a pattern get both if the hub also has a subscription to the
// topic.
type PresenceStore interface {
	// SetPresence records a member as present on a topic for the duration ttl.
	// The hub calls it again before ttl has passed.
	SetPresence(ctx context.Context, topic string, p Presence, ttl time.Duration) error

	// RemovePresence removes a member from a topic.
	RemovePresence(ctx context.Context, topic, id string) error

	// Presence returns up to limit members of a topic, and their total number.
	// A negative limit means all.
	Presence(ctx context.Context, topic string, limit int) (members []Presence, count int, err error)
}

// Presence is a member on a topic.
type Presence struct {
	ID   string // of the member
	Data []byte // from SubscribeOptions.Presence
}
