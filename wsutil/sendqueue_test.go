package wsutil

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// newQueue returns a queue with these bounds.
func newQueue(bytes, messages int, policy SendPolicy) *SendQueue {
	q := new(SendQueue)
	q.Reset(&SendQueueOptions{MaxBytes: bytes, MaxMessages: messages, Policy: policy})
	return q
}

// push pushes a text and returns what became of it.
func push(t *testing.T, q *SendQueue, text, key string) SendResult {
	t.Helper()
	p := []byte(text)
	result, err := q.Push(NewOutgoing(ws.OpText, p), key)
	require.NoError(t, err)
	clear(p) // the queue has copied it
	return result
}

// drain takes all messages out, as a driver does, in batches of one write.
func drain(t *testing.T, q *SendQueue) (batches [][]string) {
	t.Helper()
	for {
		var batch []string
		for m, ok := q.Next(); ok; m, ok = q.Next() {
			batch = append(batch, payloadOf(m))
			q.Encoded()
		}
		if batch == nil {
			require.False(t, q.Written(), "nothing was encoded")
			return batches
		}
		batches = append(batches, batch)
		require.Equal(t, q.waiting == nil, q.Written())
	}
}

// payloadOf returns the payload of a message that was not begun.
func payloadOf(m Outgoing) string {
	if m.prepared != nil {
		return string(m.prepared.payload)
	}
	return string(m.payload)
}

func TestSendQueue(t *testing.T) {
	var q SendQueue
	require.Zero(t, q.Len())
	require.Nil(t, drain(t, &q))
	q.Encoded() // nothing was taken
	require.Equal(t, SendQueued, push(t, &q, "one", ""))
	require.Equal(t, SendQueued, push(t, &q, "", ""))
	prepared, err := NewPreparedMessage(ws.OpBinary, []byte("prepared"))
	require.NoError(t, err)
	_, err = q.Push(prepared.Outgoing(), "")
	require.NoError(t, err)
	large := strings.Repeat("l", 20<<10)
	push(t, &q, large, "")
	require.Equal(t, 4, q.Len())
	require.Equal(t, 11+len(large), q.Buffered())

	m, ok := q.Next()
	require.True(t, ok)
	require.Equal(t, ws.OpText, m.OpCode())
	_, ok = q.Next()
	require.False(t, ok, "the message before is not encoded")
	require.Equal(t, 4, q.Len())
	q.Encoded()
	require.Equal(t, 4, q.Len(), "it is not written")
	require.Equal(t, [][]string{{"", "prepared", large}}, drain(t, &q))
	require.Zero(t, q.Len())
	require.Zero(t, q.Buffered())
	require.Zero(t, q.Dropped())
	require.Nil(t, q.waiting, "an empty queue holds no memory")
	require.LessOrEqual(t, unsafe.Sizeof(q), uintptr(64))
	require.LessOrEqual(t, unsafe.Sizeof(queuedMessage{}), uintptr(64), "documented")
}

// What does not fit is subject to the policy, and the bounds hold to the byte.
func TestSendQueuePolicies(t *testing.T) {
	fill := func(policy SendPolicy) *SendQueue {
		q := newQueue(10, 3, policy)
		require.Equal(t, SendQueued, push(t, q, "aaaa", ""))
		require.Equal(t, SendQueued, push(t, q, "bbb", ""))
		require.True(t, q.Fits(3))
		require.False(t, q.Fits(4))
		require.Equal(t, SendQueued, push(t, q, "ccc", ""))
		require.False(t, q.Fits(0), "three messages")
		return q
	}
	t.Run("SendClose", func(t *testing.T) {
		q := fill(SendClose)
		m, _ := q.Next()
		result, err := q.Push(NewOutgoing(ws.OpText, nil), "")
		require.Equal(t, SendFailed, result)
		require.ErrorIs(t, err, ErrSendQueueFull)
		require.Equal(t, "aaaa", payloadOf(m), "the driver may be writing it")
		q.Encoded()
		require.False(t, q.Written(), "messages were dropped")
		require.Zero(t, q.Len())
		require.EqualValues(t, 3, q.Dropped())
		_, err = q.Push(NewOutgoing(ws.OpText, nil), "")
		require.ErrorIs(t, err, ErrClosing)
		require.False(t, q.Fits(0))
	})
	t.Run("SendDropNew", func(t *testing.T) {
		q := fill(SendDropNew)
		require.Equal(t, SendDropped, push(t, q, "", ""))
		_, ok := q.Next()
		require.True(t, ok)
		require.Equal(t, SendDropped, push(t, q, "d", ""), "a message that is taken counts")
		q.Encoded()
		require.Equal(t, SendDropped, push(t, q, "d", ""), "a message that is encoded counts")
		require.False(t, q.Written())
		require.Equal(t, SendQueued, push(t, q, "dddd", ""))
		require.EqualValues(t, 3, q.Dropped())
		require.Equal(t, [][]string{{"bbb", "ccc", "dddd"}}, drain(t, q))
	})
	t.Run("SendDropOldest", func(t *testing.T) {
		q := fill(SendDropOldest)
		require.Equal(t, SendDisplaced, push(t, q, "", ""))
		m, _ := q.Next()
		require.Equal(t, "bbb", payloadOf(m))
		require.Equal(t, SendQueued, push(t, q, "ddddddd", ""), "a message that is taken does not count")
		require.Equal(t, SendDisplaced, push(t, q, "eeeeeeeeee", ""))
		require.Equal(t, "bbb", payloadOf(m))
		q.Encoded()
		require.EqualValues(t, 4, q.Dropped())
		_, ok := q.Next()
		require.False(t, ok, "a write takes no more than the bounds")
		q.Written()
		require.Equal(t, [][]string{{"eeeeeeeeee"}}, drain(t, q))
	})
}

// Senders that are faster than the driver encodes do not make it gather more than the
// bounds, although what it has encoded leaves room for the newest message.
func TestSendQueueDropOldestHoldsTwiceTheBounds(t *testing.T) {
	for _, size := range []int{0, 10, 100} {
		q := newQueue(100, 4, SendDropOldest)
		for range 50 {
			push(t, q, strings.Repeat("x", size), "")
			if _, ok := q.Next(); ok {
				q.Encoded()
			}
			require.LessOrEqual(t, q.Buffered(), 200)
			require.LessOrEqual(t, q.Len(), 8)
		}
	}
}

func TestSendQueueRefuses(t *testing.T) {
	for _, policy := range []SendPolicy{SendClose, SendDropNew, SendDropOldest} {
		q := newQueue(10, 0, policy)
		push(t, q, "before", "")
		result, err := q.Push(NewOutgoing(ws.OpText, make([]byte, 11)), "")
		require.Equal(t, SendFailed, result)
		require.ErrorIs(t, err, ErrSendTooLarge)
		require.EqualError(t, err, "wsutil: message exceeds MaxBytes of the send queue: 11 bytes, limit 10")
		require.False(t, q.Fits(11))

		begun := NewOutgoing(ws.OpText, []byte("x"))
		_, _, err = NewProtocol(nil).AppendFrame(nil, &begun)
		require.NoError(t, err)
		part := NewOutgoing(ws.OpText, nil)
		part.Add([]byte("x"), false)
		for _, m := range []Outgoing{{}, NewOutgoing(ws.OpPing, nil), NewOutgoing(ws.OpContinuation, nil), begun, part} {
			_, err = q.Push(m, "")
			require.ErrorIs(t, err, ErrNotSendable)
		}
		require.Equal(t, [][]string{{"before"}}, drain(t, q))
	}
}

func TestSendQueueBounds(t *testing.T) {
	for _, tt := range []struct {
		opts            *SendQueueOptions
		bytes, messages int
	}{
		{nil, 64 << 10, 256},
		{&SendQueueOptions{}, 64 << 10, 256},
		{&SendQueueOptions{MaxBytes: -1}, 100 << 20, 256},
		{&SendQueueOptions{MaxMessages: -1}, 64 << 10, 5000},
		{&SendQueueOptions{MaxBytes: 1, MaxMessages: 1}, 1, 1},
	} {
		var q SendQueue
		q.Reset(tt.opts)
		q.maxMessages()
		require.True(t, q.Fits(tt.bytes))
		if tt.opts == nil || tt.opts.MaxBytes >= 0 {
			require.False(t, q.Fits(tt.bytes+1))
		}
		for range tt.messages {
			require.True(t, q.Fits(0))
			push(t, &q, "", "")
		}
		require.Equal(t, tt.opts != nil && tt.opts.MaxMessages < 0, q.Fits(0))
		q.Release()
	}
}

// The newest value of each key is sent, in the place of the first one that waited.
func TestSendQueueKeys(t *testing.T) {
	q := newQueue(10, 4, SendDropNew)
	require.Equal(t, SendQueued, push(t, q, "a1", "a"))
	require.Equal(t, SendQueued, push(t, q, "b1", "b"))
	require.Equal(t, SendQueued, push(t, q, "x", ""))
	require.Equal(t, SendReplaced, push(t, q, "a2", "a"))
	require.Equal(t, SendReplaced, push(t, q, "b", "b"), "shorter")
	require.Equal(t, SendReplaced, push(t, q, "b345", "b"), "longer")
	require.Equal(t, 3, q.Len())
	require.Equal(t, SendReplaced, push(t, q, "b34567.", "b"), "as long as may be")
	require.Equal(t, SendDropped, push(t, q, "b34567..", "b"), "the old value stays")
	m, _ := q.Next()
	require.Equal(t, SendDropped, push(t, q, "a3", "a"), "the one that is taken is not replaced")
	require.Equal(t, "a2", payloadOf(m))
	require.Equal(t, SendReplaced, push(t, q, "b5", "b"))
	require.Equal(t, SendQueued, push(t, q, "a3", "a"))
	q.Encoded()
	require.Equal(t, [][]string{{"b5", "x", "a3"}}, drain(t, q))
	require.EqualValues(t, 2, q.Dropped())

	q = newQueue(10, 3, SendDropOldest)
	push(t, q, "xxx", "")
	push(t, q, "a1", "a")
	push(t, q, "b1", "b")
	require.Equal(t, SendDisplaced, push(t, q, "b2345678", "b"), "it keeps its place if others go")
	require.Equal(t, [][]string{{"a1", "b2345678"}}, drain(t, q))
	push(t, q, "a1", "a")
	push(t, q, "b12345", "b")
	require.Equal(t, SendDisplaced, push(t, q, "a2345678", "a"), "or else goes to the end")
	require.Equal(t, [][]string{{"a2345678"}}, drain(t, q))
	prepared, err := NewPreparedMessage(ws.OpText, []byte("prepared"))
	require.NoError(t, err)
	push(t, q, "a1", "a")
	_, err = q.Push(prepared.Outgoing(), "a")
	require.NoError(t, err)
	require.Equal(t, [][]string{{"prepared"}}, drain(t, q))
}

// Small messages are gathered for one write, up to a size.
func TestSendQueueGathers(t *testing.T) {
	q := newQueue(-1, -1, SendClose)
	var want []int
	for range 3 {
		for range 64 {
			push(t, q, strings.Repeat("m", 1<<10), "")
		}
		want = append(want, 64)
	}
	push(t, q, strings.Repeat("l", 100<<10), "")
	push(t, q, "after", "")
	want = append(want, 1, 1)
	var got []int
	for _, batch := range drain(t, q) {
		got = append(got, len(batch))
	}
	require.Equal(t, want, got)
}

// A message that the driver has taken stays as it is, whatever happens to the queue.
func TestSendQueueTakenStays(t *testing.T) {
	for _, text := range []string{"taken", strings.Repeat("taken", 2000)} {
		q := newQueue(-1, -1, SendDropOldest)
		push(t, q, text, "key")
		m, ok := q.Next()
		require.True(t, ok)
		for i := range 2000 {
			push(t, q, strings.Repeat("x", i%100), fmt.Sprint(i%10, "key"))
			push(t, q, "new", "key")
		}
		bufpool.Poison()
		require.Equal(t, text, payloadOf(m))
		q.Release()
		bufpool.Poison()
		require.Equal(t, text, payloadOf(m))
		require.Equal(t, 1, q.Len())
		q.Reset(nil)
		require.Equal(t, text, payloadOf(m))
		push(t, q, "next", "")
		q.Encoded()
		require.Equal(t, [][]string{{"next"}}, drain(t, q))
	}
}

func TestSendQueueClose(t *testing.T) {
	var q SendQueue
	push(t, &q, "waits", "")
	q.Close()
	_, err := q.Push(NewOutgoing(ws.OpText, nil), "")
	require.ErrorIs(t, err, ErrClosing)
	require.Equal(t, [][]string{{"waits"}}, drain(t, &q))
	require.Zero(t, q.Len())
	q.Reset(nil)
	push(t, &q, "again", "")
	q.Release()
	q.Release()
	require.Zero(t, q.Len())
	require.EqualValues(t, 1, q.Dropped())
	require.Nil(t, q.waiting)
}

// The memory of a queue follows what waits: dropped and replaced messages leave none.
func TestSendQueueMemory(t *testing.T) {
	q := newQueue(0, 0, SendDropOldest)
	for i := range 100_000 {
		key := ""
		if i%3 == 0 {
			key = fmt.Sprint(i % 7)
		}
		push(t, q, strings.Repeat("x", i%500), key)
		if i%11 == 0 {
			if _, ok := q.Next(); ok {
				q.Encoded()
			}
			q.Written()
		}
		if w := q.waiting; w != nil && w.arena != nil {
			require.LessOrEqual(t, cap(w.arena.B), 3*DefaultSendQueueBytes)
			require.LessOrEqual(t, len(w.ring), DefaultSendQueueMessages)
		}
	}
	q.Release()
}

func TestSendQueueAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	q := newQueue(0, 0, SendDropOldest)
	prepared, err := NewPreparedMessage(ws.OpText, []byte("prepared"))
	require.NoError(t, err)
	short, long := make([]byte, 100), make([]byte, 10<<10)
	keys := []string{"a", "b", "c"}
	require.Zero(t, testing.AllocsPerRun(200, func() {
		for i := range 100 {
			q.Push(NewOutgoing(ws.OpText, short[:i]), "")
			q.Push(NewOutgoing(ws.OpText, short), keys[i%3])
			q.Push(prepared.Outgoing(), "")
			q.Push(NewOutgoing(ws.OpBinary, long), "")
			for range i % 3 {
				q.Next()
				q.Encoded()
			}
			q.Written()
		}
		for q.Len() > 0 {
			for _, ok := q.Next(); ok; _, ok = q.Next() {
				q.Encoded()
			}
			q.Written()
		}
	}))
}

func TestSendNames(t *testing.T) {
	require.Equal(t, "SendClose SendDropNew SendDropOldest SendPolicy(9)",
		fmt.Sprint(SendClose, " ", SendDropNew, " ", SendDropOldest, " ", SendPolicy(9)))
	taken := map[SendResult]bool{SendFailed: false, SendQueued: true, SendReplaced: true, SendDisplaced: true, SendDropped: false, SendSent: true}
	var names []string
	for r := range SendResult(7) {
		names = append(names, r.String())
		require.Equal(t, taken[r], r.Taken())
	}
	require.Equal(t, "SendFailed SendQueued SendReplaced SendDisplaced SendDropped SendSent SendResult(6)", strings.Join(names, " "))
}

// naiveQueue is a SendQueue as its documentation describes it.
type naiveQueue struct {
	opts             SendQueueOptions
	waiting, encoded []naiveMessage
	taken            []naiveMessage // one, or none
	dropped          int
	closed, released bool
}

type naiveMessage struct{ key, text string }

func sum(messages ...[]naiveMessage) (bytes, count int) {
	for _, m := range slices.Concat(messages...) {
		bytes += len(m.text)
		count++
	}
	return bytes, count
}

func (q *naiveQueue) fits(waiting []naiveMessage) bool {
	bytes, count := sum(waiting)
	if q.opts.Policy != SendDropOldest {
		bytes, count = sum(waiting, q.taken, q.encoded)
	}
	return bytes <= q.opts.MaxBytes && count <= q.opts.MaxMessages
}

func (q *naiveQueue) push(m naiveMessage) SendResult {
	if q.closed || len(m.text) > q.opts.MaxBytes {
		return SendFailed
	}
	for drops := 0; ; drops++ {
		next := slices.Clone(q.waiting)
		result := SendQueued
		i := slices.IndexFunc(next, func(w naiveMessage) bool { return w.key == m.key && m.key != "" })
		if i >= 0 {
			next[i] = m
			result = SendReplaced
		} else {
			next = append(next, m)
		}
		switch {
		case q.fits(next):
			if q.waiting = next; drops > 0 {
				return SendDisplaced
			}
			return result
		case q.opts.Policy == SendDropNew:
			q.dropped++
			return SendDropped
		case q.opts.Policy == SendClose:
			q.dropped++
			q.release()
			return SendFailed
		}
		q.waiting = q.waiting[1:]
		q.dropped++
	}
}

func (q *naiveQueue) release() {
	q.dropped += len(q.waiting)
	q.waiting, q.closed, q.released = nil, true, true
}

func (q *naiveQueue) next() bool {
	bytes, count := sum(q.encoded)
	most, messages := sendGather, math.MaxInt
	if q.opts.Policy == SendDropOldest {
		most, messages = min(most, q.opts.MaxBytes), q.opts.MaxMessages
	}
	if len(q.taken) > 0 || len(q.waiting) == 0 || count > 0 && (bytes+len(q.waiting[0].text) > most || count >= messages) {
		return false
	}
	q.taken, q.waiting = q.waiting[:1], q.waiting[1:]
	return true
}

// FuzzSendQueue compares a SendQueue with the naive one, step by step.
func FuzzSendQueue(f *testing.F) {
	f.Add([]byte{0, 0, 10, 0, 20, 5, 6, 7})
	f.Add(bytes.Repeat([]byte{1, 200, 2, 30, 3, 90, 5}, 40))
	f.Add(bytes.Repeat([]byte{2, 2, 200, 2, 30, 4, 90, 5, 1, 3, 6, 0, 255, 5, 7, 6}, 40))
	f.Add(append(bytes.Repeat([]byte{1, 2, 250, 5}, 50), 8, 5, 6, 7, 9))
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) == 0 {
			return
		}
		steps = steps[:min(len(steps), 400)]
		policy := SendPolicy(steps[0] % 3)
		bounds := []SendQueueOptions{{40 << 10, 30, policy}, {1000, 5, policy}, {300 << 10, 100, policy}}[steps[0]/3%3]
		q := newQueue(bounds.MaxBytes, bounds.MaxMessages, policy)
		model := naiveQueue{opts: bounds}
		var m Outgoing
		for i := 1; i < len(steps); i++ {
			switch op := steps[i] % 10; op {
			case 0, 1, 2, 3, 4:
				i++
				fuzzPush(t, q, &model, i, op, steps[min(i, len(steps)-1)])
			case 5:
				got, ok := q.Next()
				require.Equal(t, model.next(), ok)
				if ok {
					m = got
				}
			case 6:
				if len(model.taken) > 0 {
					require.Equal(t, model.taken[0].text, payloadOf(m))
				}
				q.Encoded()
				model.encoded = append(model.encoded, model.taken...)
				model.taken = nil
			case 7:
				_, left := sum(model.waiting, model.taken)
				require.Equal(t, len(model.encoded) > 0 && left == 0 && !model.released, q.Written())
				model.encoded = nil
			case 8:
				if steps[i] == 248 {
					q.Close()
					model.closed = true
				}
			case 9:
				if steps[i] == 249 {
					q.Release()
					model.release()
				}
			}
			bytes, count := sum(model.waiting, model.taken, model.encoded)
			require.Equal(t, bytes, q.Buffered())
			require.Equal(t, count, q.Len())
			require.EqualValues(t, model.dropped, q.Dropped())
			require.Equal(t, len(model.waiting)+len(model.taken) == 0, q.waiting == nil)
		}
		if len(model.taken) > 0 {
			require.Equal(t, model.taken[0].text, payloadOf(m))
		}
		q.Encoded()
		var want []string
		for _, w := range model.waiting {
			want = append(want, w.text)
		}
		q.Written()
		require.Equal(t, want, slices.Concat(drain(t, q)...))
	})
}

// fuzzPush pushes a message of which op and b are the shape to both queues.
func fuzzPush(t *testing.T, q *SendQueue, model *naiveQueue, i int, op, b byte) {
	n := int(b)
	switch {
	case b > 250:
		n *= 300
	case b > 200:
		n *= 30
	}
	text := strings.Repeat(string(rune('a'+i%26)), n)
	key := []string{"", "k", "l", "m", ""}[op]
	m := NewOutgoing(ws.OpText, []byte(text))
	if op == 4 || b%5 == 0 {
		prepared, err := NewPreparedMessage(ws.OpText, []byte(text))
		require.NoError(t, err)
		m = prepared.Outgoing()
	}
	result, _ := q.Push(m, key)
	require.Equal(t, model.push(naiveMessage{key, text}), result)
}

// What a driver has encoded without the queue counts like what it has encoded from
// it, but not twice.
func TestSendQueueUnwritten(t *testing.T) {
	q := newQueue(10, -1, SendDropNew)
	q.SetUnwritten(7)
	require.Equal(t, 7, q.Buffered())
	require.True(t, q.Fits(3))
	require.False(t, q.Fits(4))
	require.Equal(t, SendDropped, push(t, q, "1234", ""))
	require.Equal(t, SendQueued, push(t, q, "123", ""))
	require.False(t, q.Fits(1))

	_, ok := q.Next()
	require.True(t, ok)
	q.Encoded()
	require.False(t, q.Fits(4), "the frame is among the unwritten bytes")
	require.True(t, q.Fits(3))
	q.SetUnwritten(0)
	require.Equal(t, 3, q.Buffered(), "a message counts until it is written")
	q.PartWritten(2)
	require.Equal(t, 2, q.Buffered())
	require.Equal(t, 1, q.Len())
	require.True(t, q.Fits(8))
	require.False(t, q.Fits(9))
	q.PartWritten(5)
	require.Equal(t, 2, q.Buffered(), "what was written is written")
	q.SetUnwritten(5)
	require.True(t, q.Written())
	require.Zero(t, q.Buffered())
	require.True(t, q.Fits(10))
}
