package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wskit/wskit/hub"
)

const (
	// maxPresence is the maximum size in bytes of the stream of presence.
	maxPresence = 64 << 20

	// maxMemberSubject is the maximum length in bytes of a subject with the ID
	// of a member.
	maxMemberSubject = 3900
)

var (
	errNoPresence = fmt.Errorf("natsbroker: presence needs History: %w", errors.ErrUnsupported)
	errNoTTL      = fmt.Errorf("the server is older than NATS 2.11: %w", errors.ErrUnsupported)
)

// SetPresence implements [hub.PresenceStore]. It rounds ttl up to whole
// seconds.
func (b *Broker) SetPresence(ctx context.Context, topic string, p hub.Presence, ttl time.Duration) error {
	return b.presence(ctx, topic, memberToken(p.ID), func(ctx context.Context, _ jetstream.Stream, subject string) error {
		ctx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		m := nats.NewMsg(subject)
		m.Data = p.Data
		seconds := max(ttl+time.Second-1, time.Second).Truncate(time.Second)
		_, err := b.js.PublishMsg(ctx, m, jetstream.WithMsgTTL(seconds), jetstream.WithRetryAttempts(0))
		return err
	})
}

// RemovePresence implements [hub.PresenceStore].
func (b *Broker) RemovePresence(ctx context.Context, topic, id string) error {
	return b.presence(ctx, topic, memberToken(id), func(ctx context.Context, s jetstream.Stream, subject string) error {
		ctx, cancel := context.WithTimeout(ctx, tryTimeout)
		defer cancel()
		return s.Purge(ctx, jetstream.WithPurgeSubject(subject))
	})
}

// Presence implements [hub.PresenceStore]. It asks one of the servers that hold
// the stream. That server may lack the latest changes.
func (b *Broker) Presence(ctx context.Context, topic string, limit int) (members []hub.Presence, count int, err error) {
	err = b.presence(ctx, topic, "*", func(ctx context.Context, s jetstream.Stream, subject string) error {
		var err error
		members, count, err = b.list(ctx, s.CachedInfo().Config.Name, subject, limit)
		return err
	})
	return members, count, err
}

// presence calls f with the stream of presence and with the subject for a topic
// and a token, which stands for a member. It repeats the call as tryLong does.
func (b *Broker) presence(ctx context.Context, topic, token string, f func(ctx context.Context, s jetstream.Stream, subject string) error) error {
	if b.opts.History == nil {
		return errNoPresence
	}
	if hub.IsPattern(topic) {
		return fmt.Errorf("natsbroker: %w: a pattern has no presence: %.40q", hub.ErrTopic, topic)
	}
	subject, err := subject(b.present, topic)
	if err != nil {
		return err
	}
	if subject += "." + token; len(subject) > maxMemberSubject {
		return fmt.Errorf("%w: %d bytes: with a member its subject exceeds %d bytes", ErrTopic, len(topic), maxMemberSubject)
	}
	err = tryLong(ctx, func(ctx context.Context) error {
		s, err := b.members(ctx)
		if err == nil {
			err = f(ctx, s, subject)
		}
		if err != nil {
			b.memberStream.Store(nil) // look for it again
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("natsbroker: presence on %.40q: %w", topic, err)
	}
	return nil
}

// memberToken returns the last token of the subject of a member.
func memberToken(id string) string {
	if id == "" {
		return "="
	}
	return string(appendToken(nil, id))
}

// members returns the stream of presence, and creates it if necessary. The
// stream holds one message for each member of each topic, until the message
// expires.
func (b *Broker) members(ctx context.Context) (jetstream.Stream, error) {
	if s := b.memberStream.Load(); s != nil {
		return *s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	s, err := b.stream(ctx, jetstream.StreamConfig{
		Name:              b.opts.Prefix + "-presence",
		Description:       "members that are present on the topics of a wskit hub",
		Subjects:          []string{b.present + ">"},
		MaxMsgsPerSubject: 1,
		MaxBytes:          maxPresence,
		Replicas:          b.opts.Replicas,
		Storage:           jetstream.MemoryStorage,
		AllowDirect:       true,
		AllowMsgTTL:       true,
	})
	if err != nil {
		return nil, err
	}
	info := s.CachedInfo()
	if !info.Config.AllowMsgTTL {
		return nil, errNoTTL
	}
	b.memberStream.Store(&s)
	select {
	case b.opened <- info:
	default:
	}
	return s, nil
}

// growPresence adds missing replicas of the stream of presence each time the
// stream is opened, until ctx ends.
func (b *Broker) growPresence(ctx context.Context) {
	for {
		select {
		case info := <-b.opened:
			b.grow(ctx, info)
		case <-ctx.Done():
			return
		}
	}
}

// list returns up to limit members, and their total number. A negative limit
// means all.
func (b *Broker) list(ctx context.Context, stream, subject string, limit int) (members []hub.Presence, count int, err error) {
	r := getRequest{Sequence: 1, Subject: subject, Batch: max(limit, 1)}
	if limit < 0 {
		limit, r.Batch = math.MaxInt, math.MaxInt32
	}
	for more := true; more; more = more && len(members) < limit {
		more, err = b.get(ctx, stream, r, func(sequence uint64, m *nats.Msg) error {
			if r.Sequence == 1 { // the first one
				after, err := strconv.Atoi(m.Header.Get(pendingHeader))
				if err != nil {
					return fmt.Errorf("JetStream answers without a count: %w", err)
				}
				count = after + 1
			}
			r.Sequence = sequence + 1
			if len(members) < limit {
				members = append(members, hub.Presence{ID: memberID(m.Header.Get(jetstream.SubjectHeader)), Data: m.Data})
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return members, max(count, len(members)), nil
}

// memberID is the inverse of memberToken.
func memberID(subject string) string {
	id, _ := topicOf("", subject[strings.LastIndexByte(subject, '.')+1:])
	return id
}
