package websocket

import (
	"context"
	"errors"
	"sync"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// A send that does not block puts a message into a queue. While messages wait there, one
// goroutine writes them: it takes the write lock for one batch after the other, like every
// writer, and ends when the queue is empty. A writer that wants to send a message itself
// first waits for the messages that were queued before (flush), so that the messages of
// one goroutine stay in order.

type (
	// SendQueueOptions are the bounds of the queue of [Conn.Send].
	SendQueueOptions = wsutil.SendQueueOptions

	// SendPolicy is what happens to a message that does not fit in the queue.
	SendPolicy = wsutil.SendPolicy

	// SendResult is what became of a message that was sent with [Conn.Send].
	SendResult = wsutil.SendResult
)

// The policies of a queue.
const (
	SendClose      = wsutil.SendClose      // close the connection with StatusTryAgainLater
	SendDropNew    = wsutil.SendDropNew    // drop the message that does not fit
	SendDropOldest = wsutil.SendDropOldest // drop the messages that have waited longest
)

// The results of a send. Taken of [SendResult] reports whether the queue took the message.
const (
	SendFailed    = wsutil.SendFailed    // there is an error
	SendQueued    = wsutil.SendQueued    // the message waits or was sent
	SendReplaced  = wsutil.SendReplaced  // it took the place of a waiting one with its key
	SendDisplaced = wsutil.SendDisplaced // it waits, and older messages were dropped
	SendDropped   = wsutil.SendDropped   // it was dropped
)

// sender is the queue of a connection. It exists once something was sent.
type sender struct {
	mu      sync.Mutex
	queue   wsutil.SendQueue
	pushed  uint64        // messages that have entered the queue so far
	writing bool          // a goroutine is there that empties the queue
	changed chan struct{} // closed when messages have left the queue, nil if nobody waits for that
	full    bool          // the policy has closed the connection
	run     func()        // Conn.writeQueue, the goroutine
	sent    []sentMessage // of the current batch, for Stats and Hooks; used only by the goroutine
}

// sentMessage is what Stats and Hooks learn of a message.
type sentMessage struct {
	op         ws.OpCode
	size, wire int
}

// Send queues p as a message and returns at once: it never waits for the peer. It copies
// p. Messages leave in the order in which they were sent, as many as possible in each
// write, and after those that [Conn.Write] and its relatives have sent before; a Write
// waits for the messages that were sent before it. The caller must ensure that text is
// UTF-8.
//
// The queue is bounded by Queue of [ConnOptions], also while several goroutines send. The
// policy says what happens to a message that does not fit. With [SendClose], the default,
// Send returns [ErrSendQueueFull], and the connection is closed as by [Conn.Close] with
// [StatusTryAgainLater]. If the peer does not answer that, [ErrSendQueueFull] is also in
// Err of [CloseRecord]. A message longer than MaxBytes is [ErrSendTooLarge].
//
// [Conn.Close] sends what waits before its close frame, within half of CloseTimeout, and
// drops the rest; [Conn.CloseNow] drops all of it, and so does the peer's close frame.
// WriteTimeout bounds each write: without it, a peer that does not read keeps what waits
// until the policy applies. Nothing leaves the queue while a message of [Conn.Writer] is
// open. Once the connection
// has ended, the error is that of Write.
func (c *Conn) Send(typ MessageType, p []byte) (SendResult, error) {
	return c.SendKey(typ, p, "")
}

// SendKey is [Conn.Send] for a value of which only the newest counts, such as a price: if
// a message with the same key waits, p takes its place in the queue, also before messages
// that were sent in between. An empty key replaces nothing.
func (c *Conn) SendKey(typ MessageType, p []byte, key string) (SendResult, error) {
	op := ws.OpCode(typ)
	if op != ws.OpText && op != ws.OpBinary {
		return SendFailed, errType(typ)
	}
	return c.enqueue(wsutil.NewOutgoing(op, p), key)
}

// SendPrepared is [Conn.Send] for a prepared message. The queue holds a reference to m
// and no copy; m counts toward MaxBytes with its payload.
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

// Buffered returns the payload bytes of the messages of [Conn.Send] that are not written
// yet.
func (c *Conn) Buffered() int {
	s := c.sends.Load()
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.Buffered()
}

// Dropped returns how many messages of [Conn.Send] were dropped so far, by the policy or
// because the connection ended. Replaced messages do not count.
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

// openSender makes the queue.
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
	if result.Taken() { // one that was dropped has not entered the queue
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

// left returns how many messages have entered the queue and left it: they leave in order.
func (s *sender) left() uint64 { return s.pushed - uint64(s.queue.Len()) }

// tell wakes up those that wait for messages to leave the queue. mu is held.
func (s *sender) tell() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// release drops what waits.
func (s *sender) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.Release()
	s.tell()
}

// flush waits until the messages that wait now are written or dropped.
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

// endSends refuses further messages and waits until those that wait are written, or the
// connection is closed. They have half of the time for closing: if a message of Writer is
// open, or the peer reads slowly, they are dropped then, so that the close frame still goes
// out.
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

// writeQueue is the goroutine that writes what waits.
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

// wrote says that a batch was written, or what has ended it. It reports whether the queue
// is empty by that, and whether there is more to write.
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

// mostGathered is the longest message that is copied in order to leave with others in one
// write.
const mostGathered = 16 << 10

// writeBatch writes as much of what waits as goes in one write. It releases the write
// lock, which is held.
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

// batchRoom returns how many bytes the next batch takes, or about as many.
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

// encoded says that m is a part of the batch.
func (s *sender) encoded(c *Conn, m *wsutil.Outgoing) {
	if c.observed() {
		s.sent = append(s.sent, sentMessage{m.OpCode(), m.Size(), m.WireSize()})
	}
	s.mu.Lock()
	s.queue.Encoded()
	s.mu.Unlock()
}

// tellSent tells of the messages of a batch that was written. The write lock is held.
func (s *sender) tellSent(c *Conn) {
	for _, m := range s.sent {
		c.tellWritten(m.op, m.size, m.wire)
	}
	s.sent = s.sent[:0]
}
