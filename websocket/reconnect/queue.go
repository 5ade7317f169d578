package reconnect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"sync"

	"github.com/wskit/wskit/websocket"
)

// ErrQueueFull is returned by [Client.Send] if the message does not fit in the
// queue.
var ErrQueueFull = errors.New("reconnect: queue is full")

// queue holds the messages to be sent, oldest first. The first one stays in it
// while it is being written.
type queue struct {
	maxBytes, maxMessages int // negative for no limit

	mu       sync.Mutex
	messages []websocket.Message
	bytes    int
	pushed   chan struct{} // capacity 1
}

func newQueue(maxBytes, maxMessages int) *queue {
	return &queue{
		maxBytes:    cmp.Or(maxBytes, DefaultMaxBytes),
		maxMessages: cmp.Or(maxMessages, DefaultMaxMessages),
		pushed:      make(chan struct{}, 1),
	}
}

// push appends a copy of p.
func (q *queue) push(typ websocket.MessageType, p []byte) error {
	if q.maxBytes >= 0 && len(p) > q.maxBytes {
		return fmt.Errorf("%w: message of %d bytes exceeds MaxBytes of %d", ErrQueueFull, len(p), q.maxBytes)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.maxBytes >= 0 && len(p) > q.maxBytes-q.bytes:
		return fmt.Errorf("%w: %d bytes are queued, limit %d", ErrQueueFull, q.bytes, q.maxBytes)
	case q.maxMessages >= 0 && len(q.messages) >= q.maxMessages:
		return fmt.Errorf("%w: %d messages are queued", ErrQueueFull, len(q.messages))
	}
	q.messages = append(q.messages, websocket.Message{Type: typ, Data: bytes.Clone(p)})
	q.bytes += len(p)
	select {
	case q.pushed <- struct{}{}:
	default:
	}
	return nil
}

// first returns the oldest message without removing it.
func (q *queue) first() (m websocket.Message, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.messages) == 0 {
		return m, false
	}
	return q.messages[0], true
}

// pop removes the oldest message.
func (q *queue) pop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= len(q.messages[0].Data)
	q.messages[0] = websocket.Message{}
	if q.messages = q.messages[1:]; len(q.messages) == 0 {
		q.messages = nil
	}
}

func (q *queue) size() (messages, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.messages), q.bytes
}
