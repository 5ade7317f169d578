package natsbroker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wskit/wskit/hub"
)

// errBehind says that the replica that answered does not have all messages yet.
var errBehind = errors.New("a replica is behind")

// History implements [hub.Broker]. If the stream holds no message of the topic,
// the newest position is the end of the stream.
func (b *Broker) History(ctx context.Context, topic string, since hub.Position, limit int) (pubs []hub.Publication, newest hub.Position, err error) {
	if hub.IsPattern(topic) || !b.keeps(topic) {
		return nil, hub.Position{}, hub.ErrNoHistory
	}
	subject, err := subject(b.stored, topic)
	if err != nil {
		return nil, hub.Position{}, err
	}
	q := query{Broker: b, subject: subject, since: since, limit: limit}
	err = tryLong(ctx, q.run)
	if err != nil && !errors.Is(err, hub.ErrCannotRecover) {
		return nil, hub.Position{}, fmt.Errorf("natsbroker: history of %.40q: %w", topic, err)
	}
	return q.pubs, hub.Position{Epoch: q.epoch, Offset: q.newest}, err
}

// query is a call of History. The leader of the stream returns the newest
// message. Other messages come from any replica, which may not have the newest
// one yet.
type query struct {
	*Broker
	subject string
	since   hub.Position
	limit   int

	epoch, newest uint64
	pubs          []hub.Publication
	reached       uint64 // sequence of the last message read, or since
	contains      bool   // the message at since exists, and so do all after it
}

func (q *query) run(ctx context.Context) (err error) {
	q.pubs, q.reached, q.contains = nil, q.since.Offset, false
	if q.epoch, err = q.streamEpoch(ctx); err != nil {
		return err
	}
	found, err := q.findNewest(ctx)
	if err != nil || q.limit == 0 {
		return err
	}
	if !q.since.IsZero() && q.since.Epoch != q.epoch {
		return hub.ErrCannotRecover
	}
	if q.newest == q.since.Offset {
		return nil
	}
	for found && q.reached < q.newest && len(q.pubs) < q.limit {
		if err := q.read(ctx); err != nil {
			return err
		}
	}
	return q.check(ctx)
}

// findNewest sets newest to the last message of the topic, or, if there is
// none, to the end of the stream. It reads the end between two searches, so
// that a message which both searches miss is after that end.
func (q *query) findNewest(ctx context.Context) (found bool, err error) {
	if found, err = q.last(ctx); found || err != nil {
		return found, err
	}
	info, err := q.open(ctx)
	if err != nil {
		return false, err
	}
	if found, err = q.last(ctx); found || err != nil {
		return found, err
	}
	q.epoch, q.newest = epochOf(info), info.State.LastSeq
	return false, nil
}

// last asks the leader for the last message of the topic. If there is one, it
// sets newest.
func (q *query) last(ctx context.Context) (found bool, err error) {
	request, err := json.Marshal(map[string]string{"last_by_subj": q.subject})
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	reply, err := q.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+q.opts.Prefix, request)
	if err != nil {
		return false, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Sequence uint64 `json:"seq"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return false, err
	}
	if answer.Error == nil {
		q.newest = answer.Message.Sequence
		return true, nil
	}
	if answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return false, nil
	}
	if answer.Error.ErrorCode == jetstream.JSErrCodeStreamNotFound {
		q.Broker.epoch.Store(0)
	}
	return false, answer.Error
}

// read reads messages after q.reached.
func (q *query) read(ctx context.Context) error {
	more, err := q.get(ctx, q.opts.Prefix, getRequest{
		Sequence: max(q.reached, 1), Subject: q.subject, Batch: min(q.limit-len(q.pubs), math.MaxInt32-1) + 1,
	}, q.take)
	if err == nil && !more && q.reached < q.newest {
		return errBehind
	}
	return err
}

// take takes one message of an answer.
func (q *query) take(sequence uint64, m *nats.Msg) error {
	if sequence <= q.reached {
		q.contains = q.contains || sequence == q.since.Offset
		return nil
	}
	if len(q.pubs) == q.limit {
		return nil
	}
	q.reached = sequence
	_, p, err := q.decode(m.Header.Get(jetstream.SubjectHeader), m.Data, hub.Position{Epoch: q.epoch, Offset: sequence})
	if err != nil {
		q.report(err)
		return nil
	}
	if p.Kind == hub.Data { // Join and Leave are not replayed
		q.pubs = append(q.pubs, p)
	}
	return nil
}

// check returns [hub.ErrCannotRecover] if messages after since were dropped, or
// if since is after the end of the stream.
func (q *query) check(ctx context.Context) error {
	if q.since.IsZero() || q.contains {
		return nil
	}
	info, err := q.open(ctx)
	if err != nil {
		return err
	}
	if epochOf(info) != q.epoch || info.State.FirstSeq > q.since.Offset+1 || info.State.LastSeq < q.since.Offset {
		q.pubs = nil
		return hub.ErrCannotRecover
	}
	return nil
}
