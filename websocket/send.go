package websocket

import (
	"context"
	"errors"
	"sync"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// A send that does not block puts a message into a queue. While the queue holds
// messages, one goroutine writes them. Like every writer, it takes the write
// lock for one batch at a time. It ends when the queue is empty. A call that
// writes a message directly first waits for the messages that are already
// queued (flush), so that the messages of one goroutine stay in order.

type (
	// SendQueueOptions are the bounds of the queue of [Conn.Send].
	SendQueueOptions = wsutil.SendQueueOptions

	// SendPolicy says what happens to a message that does not fit in the queue.
	SendPolicy = wsutil.SendPolicy

	// SendResult says what happened to a message of [Conn.Send].
	SendResult = wsutil.SendResult
)

// The policies of a queue.
const (
	SendClose      = wsutil.SendClose      // close the connection with StatusTryAgainLater
	SendDropNew    = wsutil.SendDropNew    // drop the message that does not fit
	SendDropOldest = wsutil.SendDropOldest // drop the messages that have waited longest
)

// The results of a send. Method Taken of [SendResult] reports whether the queue
// took the message.
const (
	SendFailed    = wsutil.SendFailed    // there is an error
	SendQueued    = wsutil.SendQueued    // the message was queued or sent
	SendReplaced  = wsutil.SendReplaced  // the message replaced a queued one with the same key
	SendDisplaced = wsutil.SendDisplaced // the message was queued, and older messages were dropped
	SendDropped   = wsutil.SendDropped   // the message was dropped
)

// sender is the queue of a connection. It is created by the first send.
type sender struct {
	mu      sync.Mutex
	queue   wsutil.SendQueue
	pushed  uint64        // messages that have entered the queue so far
	writing bool          // a goroutine is emptying the queue
	changed chan struct{} // closed when messages leave the queue; nil if no goroutine waits for that
	full    bool          // the policy has closed the connection
	run     func()        // Conn.writeQueue, the goroutine
	sent    []sentMessage // of the current batch, for Stats and Hooks; used only by the goroutine
}

// sentMessage is the information about a message for Stats and Hooks.
type sentMessage struct {
	op         ws.OpCode
	size, wire int
}

// Send queues p as a message and returns at once. It never waits for the peer.
// It copies p. Messages are sent in the order of the calls, as many as possible
// in each write. This order includes messages of [Conn.Write] and similar
// methods, which wait until the messages that are already queued were written.
// The caller must ensure that text is valid UTF-8.
//
// Queue of [ConnOptions] bounds the queue, even while several goroutines send.
// Its policy says what happens to a message that does not fit. With
// [SendClose], the default, Send returns [ErrSendQueueFull], and the connection
// is closed as by [Conn.Close] with [StatusTryAgainLater]. If the peer does not
// answer the close frame, Err of [CloseRecord] also wraps ErrSendQueueFull. A
// message longer than MaxBytes is not queued, and the error is
// [ErrSendTooLarge].
//
// [Conn.Close] sends queued messages before its close frame, for at most half
// of CloseTimeout, and drops the rest. [Conn.CloseNow] and the peer's close
// frame drop all of them. WriteTimeout bounds each write. Without it, messages
// for a peer that does not read stay queued until the policy applies. No
// message leaves the queue while a message of [Conn.Writer] is open. After the
// connection has ended, Send returns the same error as Write.
func (c *Conn) Send(typ MessageType, p []byte) (SendResult, error) {
	return c.SendKey(typ, p, "")
}

// SendKey is [Conn.Send] for a value of which only the newest counts, such as a
// price. If a message with the same key is queued, p replaces it and takes its
// position, even before messages that were sent in between. An empty key
// replaces nothing.
func (c *Conn) SendKey(typ MessageType, p []byte, key string) (SendResult, error) {
	op := ws.OpCode(typ)
	if op != ws.OpText && op != ws.OpBinary {
		return SendFailed, errType(typ)
	}
	return c.enqueue(wsutil.NewOutgoing(op, p), key)
}

// SendPrepared is [Conn.Send] for a prepared message. The queue holds a
// reference to m instead of a copy. The payload of m counts toward MaxBytes.
func (c *Conn) SendPrepared(m *PreparedMessage) (SendResult, error) {
	return c.SendPreparedKey(m, "")
}

// SendPreparedKey is [Conn.SendKey] for a prepared message.
func (c *Conn) SendPreparedKey(m *PreparedMessage, key string) (SendResult, error) {
	if !prepared(m) {
		return SendFailed, &opError{"send", errNotPrepared}
	}
	return c.enqueue(m.Outgoing(), key)
}

// Buffered returns the size in bytes of the payloads of [Conn.Send] that are
// not written yet.
func (c *Conn) Buffered() int {
	s := c.sends.Load()
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.Buffered()
}

// Dropped returns how many messages of [Conn.Send] were dropped so far, by the
// policy or because the connection ended. Replaced messages do not count.
func (c *Conn) Dropped() uint64 {
	s := c.sends.Load()
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.Dropped()
}

// enqueue queues m.
func (c *Conn) enqueue(m wsutil.Outgoing, key string) (SendResult, error) {
	if c.protocol.Err() != nil || c.broken.Load() != nil {
		return SendFailed, c.notLocked(context.Background())
	}
	if err := c.protocol.MaySend(&m); err != nil {
		return SendFailed, c.refused(err)
	}
	s := c.sends.Load()
	if s == nil {
		s = c.openSender()
	}
	result, err := s.push(m, key)
	switch {
	case err == nil:
		return result, nil
	case errors.Is(err, wsutil.ErrClosing):
		return SendFailed, c.refused(err)
	case errors.Is(err, ErrSendQueueFull):
		go c.closeFull()
	}
	return SendFailed, &opError{"send", err}
}

// openSender creates the queue.
func (c *Conn) openSender() *sender {
	s := &sender{run: c.writeQueue}
	s.queue.Reset(&c.opts.Queue)
	if !c.sends.CompareAndSwap(nil, s) {
		return c.sends.Load()
	}
	if c.closed.Load() { // shut may not have seen it
		s.release()
	}
	return s
}

// closeFull closes the connection after a message did not fit.
func (c *Conn) closeFull() {
	defer c.guard()
	c.handshake(wsutil.CloseReply(ErrSendQueueFull))
}

// overflowed reports whether the policy has closed the connection.
func (c *Conn) overflowed() bool {
	s := c.sends.Load()
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

// push queues m, and starts the goroutine if there is none.
func (s *sender) push(m wsutil.Outgoing, key string) (SendResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := uint64(s.queue.Len()) + s.queue.Dropped()
	result, err := s.queue.Push(m, key)
	if result.Taken() { // a dropped message has not entered the queue
		s.pushed += uint64(s.queue.Len()) + s.queue.Dropped() - was
	}
	s.full = s.full || errors.Is(err, ErrSendQueueFull)
	if result == SendDisplaced || s.full {
		s.tell()
	}
	if result.Taken() && !s.writing {
		s.writing = true
		go s.run()
	}
	return result, err
}

// left returns how many messages have left the queue. They leave in order.
func (s *sender) left() uint64 { return s.pushed - uint64(s.queue.Len()) }

// tell wakes goroutines that wait for messages to leave the queue. mu is held.
func (s *sender) tell() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// release drops the queued messages.
func (s *sender) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.Release()
	s.tell()
}

// flush waits until the messages that are queued now are written or dropped.
//
//go:noinline
func (c *Conn) flush(ctx context.Context) error {
	s := c.sends.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	for until := s.pushed; s.left() < until; {
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		err := c.awaitChange(ctx, changed)
		s.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Conn) awaitChange(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
	case <-c.done:
	}
	return c.notLocked(ctx)
}

// endSends refuses further messages. It waits until the queued messages are
// written or the connection is closed. They have half of CloseTimeout: if a
// message of Writer is open, or the peer reads slowly, the rest is dropped, so
// that time remains for the close frame.
func (c *Conn) endSends() {
	s := c.sends.Load()
	if s == nil {
		return
	}
	s.mu.Lock()
	s.queue.Close()
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), c.protocol.CloseTimeout()/2)
	defer cancel()
	if c.flush(ctx) != nil {
		s.release()
	}
}

// writeQueue writes the queued messages on its own goroutine.
func (c *Conn) writeQueue() {
	defer c.guard()
	s := c.sends.Load()
	for more := true; more; {
		err := c.acquire(context.Background(), forMessage)
		if err == nil {
			err = c.writeBatch(s)
		}
		var drained bool
		drained, more = s.wrote(err)
		if h := c.opts.Hooks; drained && h != nil && h.Drained != nil {
			h.Drained(c)
		}
	}
}

// wrote ends a batch. err is nil if the batch was written. drained reports
// whether the batch has emptied the queue, and more whether there are more
// messages.
func (s *sender) wrote(err error) (drained, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.queue.Release()
	}
	s.queue.Encoded()
	drained = s.queue.Written()
	s.writing = s.queue.Len() > 0
	s.tell()
	return drained, s.writing
}

// mostGathered is the maximum size of a message that is copied, so that one
// write sends it together with others.
const mostGathered = 16 << 10

// writeBatch writes as many queued messages as fit in one write. The write lock
// is held, and writeBatch releases it.
func (c *Conn) writeBatch(s *sender) error {
	b := bufpool.Get(s.batchRoom())
	defer b.Free()
	out := b.B
	m, ok := s.next()
	for ; ok && m.Size() <= mostGathered; m, ok = s.next() {
		var err error
		if out, err = c.appendMessage(out, &m); err != nil {
			c.unlock(writeOpen, 0)
			return err
		}
		s.encoded(c, &m)
	}
	b.Adopt(out)
	if len(out) > 0 {
		if err := c.transmit(context.Background(), out, spoiled); err != nil {
			c.unlock(writeOpen, 0)
			return err
		}
		s.tellSent(c)
	}
	if ok {
		return c.sendLocked(context.Background(), &m)
	}
	c.unlock(writeOpen, 0)
	return nil
}

// appendMessage appends all frames of m.
func (c *Conn) appendMessage(out []byte, m *wsutil.Outgoing) ([]byte, error) {
	for m.Pending() {
		next, body, err := c.protocol.AppendFrame(out, m)
		if err != nil {
			return out, c.refused(err)
		}
		out = append(next, body...)
	}
	return out, nil
}

// batchRoom returns the approximate size in bytes of the next batch.
func (s *sender) batchRoom() int {
	const most = 64 << 10
	s.mu.Lock()
	defer s.mu.Unlock()
	n := min(s.queue.Buffered(), most)
	return n + n/8 + ws.MaxHeaderSize*min(s.queue.Len()+1, most/ws.MaxHeaderSize)
}

func (s *sender) next() (wsutil.Outgoing, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.Next()
}

// encoded records that m is a part of the batch.
func (s *sender) encoded(c *Conn, m *wsutil.Outgoing) {
	if c.observed() {
		s.sent = append(s.sent, sentMessage{m.OpCode(), m.Size(), m.WireSize()})
	}
	s.mu.Lock()
	s.queue.Encoded()
	s.mu.Unlock()
}

// tellSent reports the messages of a batch that was written. The write lock is
// held.
func (s *sender) tellSent(c *Conn) {
	for _, m := range s.sent {
		c.tellWritten(m.op, m.size, m.wire)
	}
	s.sent = s.sent[:0]
}
