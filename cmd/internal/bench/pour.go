package bench

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// The other way to drive a connection, --send-only: what the server sends is read by a
// goroutine of its own (hear) and dropped, so that a server which sends much holds
// nothing up. Behind the messages go pings: a server takes what comes in order, and so
// its pong says that it has taken them. That, and not what the kernel has buffered, is
// what counts as received, and the latency is that of the pings.

const (
	pingWindow = 16                     // pings that may wait for their pong
	pingBytes  = 64 << 10               // sent at once, or since the last ping, before the next one
	pingEvery  = 100 * time.Millisecond // or time
)

// pouring is what a worker needs for that.
type pouring struct {
	mu       sync.Mutex // guards proto, flights and what follows
	behind   int        // messages behind the last ping
	bytes    int        // of those
	pinged   time.Duration
	pings    uint64 // their number, which is the payload of the next one
	finished bool   // nobody has to listen any more

	wake  chan struct{} // there is a pong, or a reply to send
	heard chan struct{} // closed when hear has ended
	end   error         // how it ended
}

// pour sends until the load is over and the server has taken everything, which is nil,
// or until the connection ends.
func (w *worker) pour() error {
	w.pouring = pouring{wake: make(chan struct{}, 1), heard: make(chan struct{})}
	go w.hear()
	err := w.pourAll()
	if err != nil && !errors.Is(err, errNoAnswer) {
		select { // what the server has said last tells more
		case <-w.heard:
		case <-time.After(pingEvery):
		}
	}
	w.mu.Lock()
	w.finished = true
	w.conn.SetReadDeadline(past)
	w.mu.Unlock()
	<-w.heard
	switch {
	case w.load.interrupted():
		return nil
	case err != nil && w.end != nil:
		return w.end
	}
	return err
}

func (w *worker) pourAll() error {
	for {
		now := w.load.now()
		next, err := w.fill(now)
		switch {
		case err != nil:
			return err
		case len(w.out) > 0:
			if err := w.flush(); err != nil {
				return err
			}
			continue
		case next < 0:
			return nil
		}
		over := w.load.over
		if !w.load.running() {
			over = nil
		}
		select {
		case <-w.heard:
			return w.end
		case <-over:
		case <-w.wake:
		case <-time.After(next - now):
		}
	}
}

// fill puts what may be sent now into out. If that is nothing, next is when to come
// again, or negative when all is done.
func (w *worker) fill(now time.Duration) (next time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.load
	if !l.running() && (l.interrupted() || w.inFlight == 0 && w.behind == 0) {
		w.out = w.out[:0]
		return -1, nil
	}
	if w.inFlight > 0 && now >= w.flights[w.oldest].since+l.patience {
		return 0, errNoAnswer
	}
	w.out = append(w.out[:0], w.replies...)
	w.replies = w.replies[:0]
	if w.mayPing() {
		if err := w.fillMessages(now); err != nil {
			return 0, err
		}
	}
	if w.mayPing() && w.behind > 0 && (w.bytes >= pingBytes || now >= w.pinged+pingEvery || !l.running()) {
		if err := w.ping(now); err != nil {
			return 0, err
		}
	}
	return w.next(now), nil
}

// mayPing reports whether one more ping may go out, and messages in front of it: not when
// the server closes the connection.
func (w *worker) mayPing() bool {
	return w.inFlight < len(w.flights) && w.proto.Closing().Received == 0
}

// fillMessages adds messages to out.
func (w *worker) fillMessages(now time.Duration) error {
	var t tally
	before := len(w.out)
	for len(w.out) < pingBytes {
		if _, ok := w.mayStart(now); !ok {
			break
		}
		if err := w.append(w.message(0)); err != nil {
			return err
		}
		t.sent++
	}
	w.behind += int(t.sent)
	t.bytesSent = int64(len(w.out) - before)
	w.bytes += len(w.out) - before
	w.shard.mu.Lock()
	w.shard.tally.add(t)
	w.shard.mu.Unlock()
	return nil
}

// ping adds a ping to out, whose pong is for all messages in front of it.
func (w *worker) ping(now time.Duration) (err error) {
	w.out, err = w.proto.AppendPing(w.out, binary.BigEndian.AppendUint64(nil, w.pings))
	w.flights[(w.oldest+w.inFlight)%len(w.flights)] = flight{since: now, count: w.behind}
	w.inFlight++
	w.pings++
	w.behind, w.bytes, w.pinged = 0, 0, now
	return err
}

// next is when there is something to do even if nothing comes: a message is due, or a
// ping, or a pong is overdue.
func (w *worker) next(now time.Duration) time.Duration {
	next := now + w.load.patience
	if w.inFlight > 0 {
		next = w.flights[w.oldest].since + w.load.patience
	}
	if !w.mayPing() {
		return next
	}
	if w.behind > 0 {
		next = min(next, w.pinged+pingEvery)
	}
	if w.load.interval > 0 && w.load.running() {
		next = min(next, w.due)
	}
	return next
}

// flush writes out.
func (w *worker) flush() error {
	inTime := w.load.running()
	w.conn.SetWriteDeadline(time.Now().Add(w.load.patience))
	_, err := w.conn.Write(w.out)
	if inTime {
		w.ready = w.load.now()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errNoAnswer
	}
	return err
}

// hear reads what comes until the connection ends, or nobody wants to know any more.
func (w *worker) hear() {
	defer close(w.heard)
	for {
		n, err := w.conn.Read(w.in)
		w.mu.Lock()
		if n > 0 && w.end == nil {
			w.end = w.take(w.in[:n])
		}
		if w.end == nil && err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			w.end = w.ended(err)
		}
		done := w.end != nil || w.finished
		if !done && err != nil {
			w.conn.SetReadDeadline(time.Time{}) // the end of the load interrupts readers; this one goes on
		}
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// taken notes what a pong says: that the server has taken the messages in front of its
// ping, and of those before, whose pongs it may leave out (RFC 6455, section 5.5.3).
func (w *worker) taken(now time.Duration, pong []byte, t *tally) {
	if len(pong) != 8 {
		return
	}
	last := binary.BigEndian.Uint64(pong)
	if last >= w.pings {
		return // it answers no ping of ours
	}
	for w.inFlight > 0 && w.pings-uint64(w.inFlight) <= last {
		t.received += int64(w.flights[w.oldest].count)
		record(w.shard.latency, now-w.flights[w.oldest].since)
		w.oldest = (w.oldest + 1) % len(w.flights)
		w.inFlight--
	}
}

// mode is what a load does with the messages.
type mode string

const (
	echoes      mode = ""        // each message is answered by one
	sendOnly    mode = "send"    // the server answers nothing, or not each message by one
	receiveOnly mode = "receive" // the server sends by itself
)

// subscribe sends the first message of a load that only receives, if there is one.
func (w *worker) subscribe() error {
	if !w.load.hello {
		return nil
	}
	out, err := w.proto.AppendMessage(w.out[:0], ws.OpText, w.message(0).payload)
	if err == nil {
		_, err = w.conn.Write(out)
	}
	return err
}
