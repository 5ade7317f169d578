package natsbroker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/wire"
)

// headSize is the length of the header of a live publication: the ID of its
// sender, and its number among the publications of that sender.
const headSize = 16

// sender numbers the publications of a broker. NATS delivers a message once for
// each matching subscription, and the messages of one connection in order. A
// number that is not greater than the previous one therefore belongs to a
// repetition, or to a message that was overtaken.
type sender struct {
	id, sent uint64
	buf      []byte // encodes the next message
}

// maxKept is the largest buffer that a sender keeps.
const maxKept = 64 << 10

// send publishes to a topic without history.
func (b *Broker) send(ctx context.Context, topic string, p *hub.Publication) error {
	subject, err := subject(b.live, topic)
	if err != nil {
		return err
	}
	select {
	case b.sending <- struct{}{}:
		defer func() { <-b.sending }()
	case <-ctx.Done():
		return fmt.Errorf("natsbroker: publish to %.40q: %w", topic, context.Cause(ctx))
	}
	if !b.nc.IsConnected() {
		return fmt.Errorf("%w: publish to %.40q", ErrNotConnected, topic)
	}
	s := &b.sender
	s.sent++
	s.buf = binary.BigEndian.AppendUint64(s.buf[:0], s.id)
	s.buf = binary.BigEndian.AppendUint64(s.buf, s.sent)
	s.buf = wire.Append(s.buf, p)
	if err = b.nc.Publish(subject, s.buf); err != nil {
		err = fmt.Errorf("natsbroker: publish to %.40q: %w", topic, err)
	}
	if cap(s.buf) > maxKept {
		s.buf = nil
	}
	return err
}

// deliver delivers publications of topics without history.
func (b *Broker) deliver(ctx context.Context, h hub.Handler) error {
	last := make(map[uint64]uint64)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.closed:
			if err := b.nc.LastError(); err != nil && ctx.Err() == nil {
				return fmt.Errorf("natsbroker: connection ended: %w", err)
			}
			return nil
		case <-b.wake:
			b.tellLost(h)
		case m := <-b.arrived:
			b.tellLost(h)
			topic, p, err := b.parse(m, last)
			if err != nil {
				b.report(err)
			} else if topic != "" {
				h.Publication(topic, p)
			}
		}
	}
}

// maxSenders is the maximum number of known senders. Each copy is one sender.
const maxSenders = 4096

// parse decodes a live publication. The topic is "" if it was already received
// for another subscription.
func (b *Broker) parse(m *nats.Msg, last map[uint64]uint64) (topic string, p hub.Publication, err error) {
	topic, ok := topicOf(b.live, m.Subject)
	if !ok || len(m.Data) < headSize {
		return "", p, fmt.Errorf("natsbroker: subject %.80q: the message is not a publication", m.Subject)
	}
	if p, err = wire.Parse(m.Data[headSize:]); err != nil {
		return "", p, fmt.Errorf("natsbroker: subject %.80q: %w", m.Subject, err)
	}
	from, number := binary.BigEndian.Uint64(m.Data), binary.BigEndian.Uint64(m.Data[8:])
	if before, known := last[from]; known && number <= before {
		return "", p, nil
	} else if !known && len(last) >= maxSenders {
		clear(last)
	}
	last[from] = number
	return topic, p, nil
}

// tellLost reports a gap on all topics without history if the connection was
// lost.
func (b *Broker) tellLost(h hub.Handler) {
	if !b.nc.IsConnected() || !b.lost.CompareAndSwap(true, false) {
		return
	}
	for _, topic := range b.wanted(false) {
		h.Gap(topic)
	}
}

// failed is called by the connection for errors outside of calls. If a
// subscription dropped messages, it reports a gap.
func (b *Broker) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	if sub == nil || !errors.Is(err, nats.ErrSlowConsumer) {
		b.report(fmt.Errorf("natsbroker: %w", err))
		return
	}
	topic, ok := topicOf(b.live, sub.Subject)
	if !ok {
		return // a subscription of JetStream: its consumer detects the gap by sequence numbers
	}
	b.report(fmt.Errorf("natsbroker: publications dropped on %.40q: %w", topic, err))
	if h := b.handler.Load(); h != nil {
		(*h).Gap(topic)
	}
}
