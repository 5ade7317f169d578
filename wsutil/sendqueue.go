package wsutil

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// Defaults for the fields of [SendQueueOptions].
const (
	DefaultSendQueueBytes    = 64 << 10
	DefaultSendQueueMessages = 256
)

var (
	// ErrSendQueueFull is returned by [SendQueue.Push] under the policy
	// [SendClose]. It ends the connection, and [CloseReply] returns
	// [ws.StatusTryAgainLater] for it.
	ErrSendQueueFull = errors.New("wsutil: send queue is full, the peer reads too slowly")

	// ErrSendTooLarge is returned by [SendQueue.Push] for a message that is
	// larger than MaxBytes. The queue is unchanged.
	ErrSendTooLarge = errors.New("wsutil: message exceeds MaxBytes of the send queue")
)

// SendPolicy says what a [SendQueue] does with a message that does not fit.
// Under every policy, a message with a key replaces the queued message with the
// same key: see [SendQueue.Push].
type SendPolicy uint8

const (
	// SendClose ends the connection with [ws.StatusTryAgainLater], code 1013.
	// Queued messages are dropped.
	SendClose SendPolicy = iota

	// SendDropNew drops the message that does not fit.
	SendDropNew

	// SendDropOldest drops the oldest queued messages until the new one fits.
	// Messages that are being written do not count toward the bounds under this
	// policy, so that the newest message always fits. The connection therefore
	// holds up to twice MaxBytes and MaxMessages.
	SendDropOldest
)

// String returns the name of the constant.
func (p SendPolicy) String() string {
	switch p {
	case SendClose:
		return "SendClose"
	case SendDropNew:
		return "SendDropNew"
	case SendDropOldest:
		return "SendDropOldest"
	}
	return fmt.Sprintf("SendPolicy(%d)", uint8(p))
}

// SendResult is the result of giving a message to a [SendQueue].
type SendResult uint8

const (
	// SendFailed means that the message was not queued because of an error.
	SendFailed SendResult = iota

	// SendQueued means that the message waits in the queue or was sent.
	SendQueued

	// SendReplaced means that the message replaced a queued message with the
	// same key.
	SendReplaced

	// SendDisplaced means that the message was queued and older messages were
	// dropped for it: see [SendDropOldest].
	SendDisplaced

	// SendDropped means that the message was dropped: see [SendDropNew].
	SendDropped

	// SendSent means that nothing was queued, and the driver sends the message
	// without the queue. [SendQueue.Push] does not return it.
	SendSent
)

// Taken reports whether the message was queued or sent.
func (r SendResult) Taken() bool { return r >= SendQueued && r <= SendDisplaced || r == SendSent }

// String returns the name of the constant.
func (r SendResult) String() string {
	switch r {
	case SendFailed:
		return "SendFailed"
	case SendQueued:
		return "SendQueued"
	case SendReplaced:
		return "SendReplaced"
	case SendDisplaced:
		return "SendDisplaced"
	case SendDropped:
		return "SendDropped"
	case SendSent:
		return "SendSent"
	}
	return fmt.Sprintf("SendResult(%d)", uint8(r))
}

// SendQueueOptions configure a [SendQueue]. The zero value has the defaults. In
// each bound, 0 means the default and a negative value means no bound.
type SendQueueOptions struct {
	// MaxBytes is the maximum number of payload bytes in the queue, before
	// compression. 0 means [DefaultSendQueueBytes]. A prepared message counts
	// with its payload, although the queue holds only a reference.
	MaxBytes int

	// MaxMessages is the maximum number of messages in the queue. 0 means
	// [DefaultSendQueueMessages]. Each message takes 64 bytes in addition to
	// its payload.
	MaxMessages int

	// Policy says what happens to a message that does not fit.
	Policy SendPolicy
}

// defaultSendQueue is used by a queue without options.
var defaultSendQueue SendQueueOptions

// SendQueue is a bounded queue of the messages to be sent on one connection. It
// is for senders that must not block, and does no I/O. Senders call
// [SendQueue.Push]. The driver of the connection takes the messages out,
// encodes and writes them:
//
//	for {
//		for m, ok := q.Next(); ok; m, ok = q.Next() {
//			out = append frames of m with Protocol.AppendFrame
//			q.Encoded()
//		}
//		if len(out) == 0 {
//			break
//		}
//		write out
//		drained := q.Written()
//	}
//
// A message counts toward the bounds from Push to Written, so that bytes which
// are encoded but not written also count; [SendDropOldest] is the exception.
// The queue holds messages, not frames: a message that is dropped or replaced
// never enters the compression window.
//
// Control frames do not pass through the queue. They wait in a [Replies], which
// has its own bound, and the driver writes them between two messages. The
// driver sends its close frame when the queue is empty: see [SendQueue.Close].
//
// The zero value is an empty queue with the default bounds. An empty queue
// holds no memory other than the struct. A SendQueue is not safe for concurrent
// use: the driver guards it with a lock, which it need not hold while it
// encodes and writes. A SendQueue must not be copied.
type SendQueue struct {
	opts         *SendQueueOptions // nil for the defaults
	waiting      *sendWaiting      // nil while nothing is queued or taken
	encoded      int               // bytes of the messages that are encoded and not written
	encodedCount int               // and their number
	unwritten    int               // see SetUnwritten
	dropped      uint64
	taken        bool // the driver uses waiting.current
	closed       bool // Push returns ErrClosing
	released     bool
}

// sendWaiting is the memory of a non-empty queue.
type sendWaiting struct {
	ring       []queuedMessage // its length is a power of two
	first, end uint            // positions of the waiting messages, modulo len(ring)
	bytes      int             // of the waiting messages
	keys       map[string]uint // the positions of the waiting messages with a key
	current    queuedMessage   // the message that the driver has taken
	arena      *bufpool.Buffer // the payloads of short messages
	live       int             // bytes of arena that belong to waiting messages
	pinned     *bufpool.Buffer // the previous arena, which holds the payload of current
}

// queuedMessage is a message in the queue. Its payload is in own, in the arena,
// or in prepared.
type queuedMessage struct {
	key      string
	prepared *PreparedMessage
	own      *bufpool.Buffer
	size     int // of the payload
	at, room int // in the arena
	op       ws.OpCode
}

const (
	// sendShared is the longest payload that shares memory with others.
	sendShared = 4 << 10

	// sendGather is how many bytes of messages are encoded for one write.
	sendGather = 64 << 10

	minSendRing  = 8
	keptSendRing = 256 // a longer ring is not kept for the next queue
)

var sendWaitings = sync.Pool{New: func() any { return &sendWaiting{ring: make([]queuedMessage, minSendRing)} }}

// Reset drops everything in q and makes it an empty queue with the bounds of
// opts. A nil opts means the defaults. Reset does not copy opts, which must not
// change; many queues may share it.
func (q *SendQueue) Reset(opts *SendQueueOptions) {
	q.Release()
	*q = SendQueue{opts: opts, waiting: q.waiting, taken: q.taken}
}

// Push queues m, which must be a whole message. No frame of m may have been
// appended yet. Push copies the payload. For a prepared message, it keeps a
// reference. If key is not empty and a queued message has the same key, m
// replaces that message at its position in the queue, even if other messages
// were pushed in between. A message that the driver has taken is not replaced.
//
// The policy applies to a message that does not fit. If the message would
// replace another one, [SendDropNew] keeps the queued message. [SendDropOldest]
// keeps the position, unless the message at that position is dropped.
//
// The result is [SendFailed] if Push returns an error: [ErrSendTooLarge];
// [ErrSendQueueFull], which closes the queue; [ErrClosing] if the queue was
// closed; or [ErrNotSendable] if m is not a whole message.
func (q *SendQueue) Push(m Outgoing, key string) (SendResult, error) {
	switch {
	case q.closed:
		return SendFailed, ErrClosing
	case m.op != ws.OpText && m.op != ws.OpBinary, m.begun, m.more:
		return SendFailed, errNotWhole
	case m.size > q.maxBytes():
		return SendFailed, fmt.Errorf("%w: %d bytes, limit %d", ErrSendTooLarge, m.size, q.maxBytes())
	}
	result := SendQueued
	for {
		at, replaces := q.find(key)
		switch {
		case replaces && q.room(m.size-q.waiting.at(at).size, 0):
			q.waiting.replace(at, &m)
			return max(result, SendReplaced), nil
		case !replaces && q.room(m.size, 1):
			q.open().push(&m, key)
			return result, nil
		}
		if q.policy() != SendDropOldest {
			return q.overflow()
		}
		q.waiting.dropFirst()
		q.dropped++
		result = SendDisplaced
	}
}

var errNotWhole = fmt.Errorf("%w: a queue takes only whole messages", ErrNotSendable)

// overflow is Push for a message that does not fit.
func (q *SendQueue) overflow() (SendResult, error) {
	q.dropped++
	if q.policy() == SendDropNew {
		return SendDropped, nil
	}
	q.Release()
	return SendFailed, ErrSendQueueFull
}

// Fits reports whether Push can queue a message of n bytes without a key and
// without applying the policy. A driver whose senders may block uses it.
func (q *SendQueue) Fits(n int) bool { return !q.closed && n <= q.maxBytes() && q.room(n, 1) }

// Next takes the next message out of the queue. The message and its payload are
// valid until [SendQueue.Encoded], even if other methods are called. ok is
// false if the queue is empty, if the previous message was not encoded, or if
// enough is encoded for one write: 64 KiB, and under [SendDropOldest] at most
// the bounds of the queue.
func (q *SendQueue) Next() (m Outgoing, ok bool) {
	w := q.waiting
	if w == nil || q.taken || w.first == w.end {
		return Outgoing{}, false
	}
	if q.encodedCount > 0 && !q.gathers(w.at(w.first).size) {
		return Outgoing{}, false
	}
	q.taken = true
	return w.take(), true
}

// gathers reports whether a message of n bytes may join the encoded messages.
// Under [SendDropOldest] these do not count in room, so the same bounds apply
// here.
func (q *SendQueue) gathers(n int) bool {
	if q.policy() == SendDropOldest && (q.encoded+n > q.maxBytes() || q.encodedCount >= q.maxMessages()) {
		return false
	}
	return q.encoded+n <= sendGather
}

// Encoded records that the driver no longer needs the message that Next
// returned. The message counts toward the bounds until [SendQueue.Written].
func (q *SendQueue) Encoded() {
	if !q.taken {
		return
	}
	w := q.waiting
	q.taken = false
	q.encoded += w.current.size
	q.encodedCount++
	w.current.own.Free()
	w.pinned.Free()
	w.current, w.pinned = queuedMessage{}, nil
	q.shrink()
}

// Written records that everything encoded was written. It reports whether this
// emptied the queue.
func (q *SendQueue) Written() (drained bool) {
	drained = q.encodedCount > 0 && q.waiting == nil && !q.released
	q.encoded, q.encodedCount, q.unwritten = 0, 0, 0
	return drained
}

// PartWritten records that everything encoded was written, except for left
// bytes: only these still count toward the bounds. A driver whose senders wait
// for room calls it.
func (q *SendQueue) PartWritten(left int) { q.encoded = min(q.encoded, left) }

// SetUnwritten records that n bytes are encoded and not written, until Written.
// The larger of n and the size of the encoded messages counts toward the
// bounds. A driver that encodes messages itself while the queue is empty calls
// SetUnwritten before Push.
func (q *SendQueue) SetUnwritten(n int) { q.unwritten = n }

// Len returns the number of messages that wait, are encoded or are being encoded.
func (q *SendQueue) Len() int {
	n := q.encodedCount
	if w := q.waiting; w != nil {
		n += w.count()
	}
	if q.taken {
		n++
	}
	return n
}

// Buffered returns the number of payload bytes in the messages that Len counts.
func (q *SendQueue) Buffered() int {
	n := max(q.encoded, q.unwritten)
	if w := q.waiting; w != nil {
		n += w.bytes + w.current.size
	}
	return n
}

// Dropped returns how many messages the policy has dropped so far. Replaced
// messages do not count.
func (q *SendQueue) Dropped() uint64 { return q.dropped }

// Close makes Push return [ErrClosing]. Queued messages can still be sent: the
// driver sends its close frame when Len returns 0.
func (q *SendQueue) Close() { q.closed = true }

// Release closes the queue and drops queued messages, at the end of the
// connection. A message that the driver has taken is valid until Encoded.
func (q *SendQueue) Release() {
	q.closed, q.released = true, true
	w := q.waiting
	if w == nil {
		return
	}
	q.dropped += uint64(w.count())
	for w.first != w.end {
		w.dropFirst()
	}
	q.shrink()
}

// open returns the memory of the queue, and allocates it if necessary.
func (q *SendQueue) open() *sendWaiting {
	if q.waiting == nil {
		q.waiting = sendWaitings.Get().(*sendWaiting)
	}
	return q.waiting
}

// shrink releases the memory of an empty queue.
func (q *SendQueue) shrink() {
	w := q.waiting
	if w.first != w.end || q.taken {
		return
	}
	q.waiting = nil
	w.arena.Free()
	w.arena, w.live = nil, 0
	if len(w.ring) <= keptSendRing {
		sendWaitings.Put(w)
	}
}

// room reports whether the queue has room for this many more bytes and
// messages.
func (q *SendQueue) room(bytes, count int) bool {
	if w := q.waiting; w != nil {
		bytes += w.bytes
		count += w.count()
	}
	if q.policy() != SendDropOldest {
		bytes += max(q.encoded, q.unwritten)
		count += q.encodedCount
		if q.taken {
			bytes += q.waiting.current.size
			count++
		}
	}
	return bytes <= q.maxBytes() && count <= q.maxMessages()
}

// find returns the position of the queued message with this key.
func (q *SendQueue) find(key string) (at uint, ok bool) {
	if q.waiting == nil || key == "" {
		return 0, false
	}
	at, ok = q.waiting.keys[key]
	return at, ok
}

func (q *SendQueue) options() *SendQueueOptions {
	if q.opts == nil {
		return &defaultSendQueue
	}
	return q.opts
}

func (q *SendQueue) policy() SendPolicy { return q.options().Policy }

func (q *SendQueue) maxBytes() int {
	return int(min(noLimit(int64(q.options().MaxBytes), DefaultSendQueueBytes), math.MaxInt))
}

func (q *SendQueue) maxMessages() int {
	return int(min(noLimit(int64(q.options().MaxMessages), DefaultSendQueueMessages), math.MaxInt))
}

func (w *sendWaiting) count() int { return int(w.end - w.first) }

// at returns the message at position i.
func (w *sendWaiting) at(i uint) *queuedMessage { return &w.ring[i&uint(len(w.ring)-1)] }

// push appends m.
func (w *sendWaiting) push(m *Outgoing, key string) {
	if w.count() == len(w.ring) {
		ring := make([]queuedMessage, 2*len(w.ring))
		for i := w.first; i != w.end; i++ {
			ring[i&uint(len(ring)-1)] = *w.at(i)
		}
		w.ring = ring
	}
	if key != "" {
		if w.keys == nil {
			w.keys = make(map[string]uint)
		}
		w.keys[key] = w.end
	}
	e := w.at(w.end)
	w.end++
	e.key = key
	w.set(e, m)
}

// replace replaces the message at position i by m.
func (w *sendWaiting) replace(i uint, m *Outgoing) {
	e := w.at(i)
	w.bytes -= e.size
	if e.room > 0 && m.prepared == nil && m.size <= e.room {
		e.op, e.size = m.op, m.size
		w.bytes += copy(w.arena.B[e.at:], m.payload)
		return
	}
	w.forget(e)
	w.set(e, m)
}

// set stores m in e, which holds no memory.
func (w *sendWaiting) set(e *queuedMessage, m *Outgoing) {
	*e = queuedMessage{key: e.key, op: m.op, prepared: m.prepared, size: m.size}
	w.bytes += m.size
	switch {
	case m.prepared != nil:
	case m.size > sendShared:
		e.own = bufpool.Get(m.size)
		e.own.B = append(e.own.B, m.payload...)
	case m.size > 0:
		w.reserve(m.size)
		e.at, e.room = len(w.arena.B), m.size
		w.arena.B = append(w.arena.B, m.payload...)
		w.live += m.size
	}
}

// reserve makes room for n bytes in the arena. If the payloads have to move, it
// omits those of dropped messages.
func (w *sendWaiting) reserve(n int) {
	old := w.arena
	if old == nil {
		w.arena = bufpool.Get(n)
		return
	}
	if n <= cap(old.B)-len(old.B) {
		return
	}
	w.arena = bufpool.Get(w.live + w.live/2 + n) // a byte moves only a few times
	for i := w.first; i != w.end; i++ {
		if e := w.at(i); e.room > 0 {
			p := old.B[e.at : e.at+e.size]
			e.at, e.room = len(w.arena.B), e.size
			w.arena.B = append(w.arena.B, p...)
		}
	}
	w.live = len(w.arena.B)
	if w.current.room > 0 && w.pinned == nil {
		w.pinned = old
		return
	}
	old.Free()
}

// take moves the first message to current and returns it.
func (w *sendWaiting) take() Outgoing {
	e := w.at(w.first)
	delete(w.keys, e.key)
	w.current, *e = *e, queuedMessage{}
	w.first++
	e = &w.current
	w.bytes -= e.size
	w.live -= e.room
	switch {
	case e.prepared != nil:
		return e.prepared.Outgoing()
	case e.own != nil:
		return NewOutgoing(e.op, e.own.B)
	case e.room > 0:
		return NewOutgoing(e.op, w.arena.B[e.at:e.at+e.size:e.at+e.size])
	}
	return NewOutgoing(e.op, nil)
}

// dropFirst drops the oldest message.
func (w *sendWaiting) dropFirst() {
	e := w.at(w.first)
	delete(w.keys, e.key)
	w.bytes -= e.size
	w.forget(e)
	*e = queuedMessage{}
	w.first++
}

// forget releases the memory of the payload of e.
func (w *sendWaiting) forget(e *queuedMessage) {
	w.live -= e.room
	e.own.Free()
	e.own = nil
}
