package bench

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// The second way to drive a connection, --send-only. A separate goroutine
// (hear) reads and discards what the server sends, so that a server that sends
// much does not block. Pings follow the messages. A server processes its input
// in order, so its pong shows that it has received the messages before the
// ping. These messages count, not those that the kernel has buffered. The
// latency is that of the pings.

const (
	pingWindow = 16                     // maximum number of pings without a pong
	pingBytes  = 64 << 10               // bytes sent at once, and bytes between two pings
	pingEvery  = 100 * time.Millisecond // time between two pings
)

// pouring is the state of a worker that only sends.
type pouring struct {
	mu       sync.Mutex // guards proto, flights and the fields below
	behind   int        // messages after the last ping
	bytes    int        // of these messages
	pinged   time.Duration
	pings    uint64 // number of pings, which is the payload of the next one
	finished bool   // hear may end

	wake  chan struct{} // a pong has arrived, or a reply is due
	heard chan struct{} // closed when hear has ended
	end   error         // how it ended
}

// pour sends until the load is over and the server has received everything,
// when it returns nil, or until the connection ends.
func (w *worker) pour() error {
	w.pouring = pouring{wake: make(chan struct{}, 1), heard: make(chan struct{})}
	go w.hear()
	err := w.pourAll()
	if err != nil && !errors.Is(err, errNoAnswer) {
		select { // prefer the last error of the server
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

// fill appends to out what may be sent now. If that is nothing, next is the
// time of the next call, or negative if all is done.
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

// mayPing reports whether one more ping, with messages before it, may be sent.
// It returns false if the server is closing the connection.
func (w *worker) mayPing() bool {
	return w.inFlight < len(w.flights) && w.proto.Closing().Received == 0
}

// fillMessages appends messages to out.
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

// ping appends a ping to out. Its pong acknowledges all messages before it.
func (w *worker) ping(now time.Duration) (err error) {
	w.out, err = w.proto.AppendPing(w.out, binary.BigEndian.AppendUint64(nil, w.pings))
	w.flights[(w.oldest+w.inFlight)%len(w.flights)] = flight{since: now, count: w.behind}
	w.inFlight++
	w.pings++
	w.behind, w.bytes, w.pinged = 0, 0, now
	return err
}

// next returns the time of the next action if nothing arrives: a message or a
// ping is due, or a pong is overdue.
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

// hear reads until the connection ends or finished is set.
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
			w.conn.SetReadDeadline(time.Time{}) // the end of the load interrupts reads, but this one continues
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

// taken handles a pong: the server has received the messages before its ping,
// and those before earlier pings, whose pongs it may omit (RFC 6455, section
// 5.5.3).
func (w *worker) taken(now time.Duration, pong []byte, t *tally) {
	if len(pong) != 8 {
		return
	}
	last := binary.BigEndian.Uint64(pong)
	if last >= w.pings {
		return // it does not answer a ping of ours
	}
	for w.inFlight > 0 && w.pings-uint64(w.inFlight) <= last {
		t.received += int64(w.flights[w.oldest].count)
		record(w.shard.latency, now-w.flights[w.oldest].since)
		w.oldest = (w.oldest + 1) % len(w.flights)
		w.inFlight--
	}
}

// mode is how a load treats the messages.
type mode string

const (
	echoes      mode = ""        // the server answers each message with one message
	sendOnly    mode = "send"    // the server does not answer, or answers differently
	receiveOnly mode = "receive" // the server sends without being asked
)

// subscribe sends the first message of a load that only receives, if there is
// one.
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
