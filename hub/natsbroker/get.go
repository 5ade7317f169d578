package natsbroker

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// maxBatch limits how many bytes of a stream are read at once. The last message
// may exceed it.
const maxBatch = 4 << 20

// pendingHeader is the header that says how many messages follow this one.
const pendingHeader = "Nats-Num-Pending"

// getRequest asks for messages of a stream.
type getRequest struct {
	Sequence uint64 `json:"seq"` // the lowest sequence to return
	Subject  string `json:"next_by_subj"`
	Batch    int    `json:"batch"` // the maximum number of messages
	MaxBytes int    `json:"max_bytes"`
}

// get reads messages of a stream from one of its replicas. It calls take with
// each message and its sequence, and reports whether that replica has more.
func (b *Broker) get(ctx context.Context, stream string, r getRequest, take func(sequence uint64, m *nats.Msg) error) (more bool, err error) {
	r.MaxBytes = maxBatch
	request, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	inbox := b.nc.NewInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		return false, err
	}
	defer sub.Unsubscribe()
	if err := b.nc.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, request); err != nil {
		return false, err
	}
	for {
		m, err := next(ctx, sub)
		if err != nil {
			return false, err
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204": // the end of the batch
			return m.Header.Get(pendingHeader) != "0", nil
		case "404":
			return false, nil
		case "503":
			return false, nats.ErrNoResponders
		default:
			return false, fmt.Errorf("JetStream answers %s %s", status, m.Header.Get("Description"))
		}
		sequence, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
		if err != nil {
			return false, fmt.Errorf("JetStream answers without a sequence: %w", err)
		}
		if err := take(sequence, m); err != nil {
			return false, err
		}
	}
}

// next waits for the next message of an answer.
func next(ctx context.Context, sub *nats.Subscription) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}
