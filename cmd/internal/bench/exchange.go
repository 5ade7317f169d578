package bench

import (
	"bytes"
	"errors"
	"io"
	"os"
	"time"

	"github.com/wskit/wskit/ws"
)

// drive sends and receives until the load is over, when it returns nil, or the
// connection ends.
func (w *worker) drive() error {
	for {
		now := w.load.now()
		if err := w.send(now); err != nil {
			return err
		}
		if !w.load.running() && (w.inFlight == 0 || w.load.interrupted()) {
			return nil
		}
		if err := w.wait(now); err != nil {
			return err
		}
		n, err := w.conn.Read(w.in)
		if n > 0 {
			if err := w.receive(w.in[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			w.deadline = 0
		} else if err != nil {
			return w.ended(err)
		}
	}
}

// send sends the messages that may be sent now, with one Write.
func (w *worker) send(now time.Duration) error {
	w.out = w.out[:0]
	var t tally
	for w.inFlight < len(w.flights) && len(w.out) < 1<<20 {
		since, ok := w.mayStart(now)
		if !ok {
			break
		}
		slot := (w.oldest + w.inFlight) % len(w.flights)
		m := w.message(slot)
		if err := w.append(m); err != nil {
			return err
		}
		w.flights[slot] = flight{since: since, sent: m, count: 1}
		w.inFlight++
		t.sent++
	}
	if t.sent == 0 {
		return nil
	}
	t.bytesSent = int64(len(w.out))
	w.shard.mu.Lock()
	w.shard.tally.add(t)
	w.shard.mu.Unlock()
	if len(w.out) > 64<<10 {
		w.conn.SetWriteDeadline(time.Now().Add(w.load.patience))
	}
	_, err := w.conn.Write(w.out)
	return err
}

// message returns the next message to send. A message made from a template is
// valid until its slot is reused.
func (w *worker) message(slot int) *message {
	m := &w.load.mix
	if m.template == nil {
		return m.next(w.random)
	}
	w.advance()
	w.made[slot].payload = m.template.append(w.made[slot].payload[:0], &w.values)
	return &w.made[slot]
}

// append appends the frame of m to the output.
func (w *worker) append(m *message) (err error) {
	if !w.compressed || m.compressed == nil {
		w.out, err = w.proto.AppendMessage(w.out, w.load.mix.op, m.payload)
		return err
	}
	h := ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: w.load.mix.op}
	w.out, err = w.proto.AppendFragment(w.out, h, m.compressed)
	return err
}

// timerSlack is how late the timers of the operating system and of Go may be.
const timerSlack = 2 * time.Millisecond

// mayStart reports whether the next message may be sent, and from when its
// latency is measured. With a rate, that is the time at which it was due, so
// that waiting for a slow server counts (coordinated omission). It is now if
// the connection was ready in time and only our own timer was a little late.
func (w *worker) mayStart(now time.Duration) (since time.Duration, ok bool) {
	l := w.load
	if !l.running() {
		return 0, false
	}
	if l.interval == 0 {
		return now, l.ticket()
	}
	if w.due < 0 {
		w.due = now + time.Duration(w.random.Int64N(int64(l.interval)+1))
		w.ready = now
	}
	if now < w.due || !l.ticket() {
		return 0, false
	}
	since = w.due
	if late := now - w.due; w.ready <= w.due {
		if late <= timerSlack {
			since = now
		}
		w.shard.mu.Lock()
		record(w.shard.lag, late)
		w.shard.mu.Unlock()
	}
	w.due += l.interval
	return since, true
}

// wait sets the read deadline to the time when the next message is due or the
// oldest answer is overdue. It returns an error if an answer is already
// overdue. An earlier deadline is harmless, and is kept if that saves a call.
func (w *worker) wait(now time.Duration) error {
	l := w.load
	next := time.Duration(-1)
	if w.inFlight > 0 {
		next = w.flights[w.oldest].since + l.patience
		if now >= next {
			return errNoAnswer
		}
	}
	if l.interval > 0 && w.inFlight < len(w.flights) && l.running() && (next < 0 || w.due < next) {
		next = w.due
	}
	if next < 0 {
		next = now + time.Hour
	}
	if w.deadline <= now || w.deadline > next {
		w.deadline = next
		w.conn.SetReadDeadline(l.birth.Add(next))
		if !l.running() && w.inFlight == 0 {
			w.conn.SetReadDeadline(past) // the load has ended meanwhile and no longer wakes this reader
		}
	}
	return nil
}

// past is a deadline that wakes a reader.
var past = time.Unix(1, 0)

var errNoAnswer = errors.New("no answer in time")

// receive processes what was read, and answers pings.
func (w *worker) receive(p []byte) error {
	w.replies = w.replies[:0]
	err := w.take(p)
	if err == nil && len(w.replies) > 0 {
		_, err = w.conn.Write(w.replies)
	}
	return err
}

// take processes the answers in p and appends to replies.
func (w *worker) take(p []byte) error {
	now := w.load.now()
	t := tally{bytesReceived: int64(len(p))}
	w.shard.mu.Lock()
	defer w.shard.mu.Unlock()
	defer func() {
		w.shard.tally.add(t)
		if t.received > 0 {
			w.shard.last = now
		}
	}()
	next := w.proto.Next
	if w.compressed && w.load.decodes() {
		next = w.proto.NextMessage // decompressed
	}
	for len(p) > 0 {
		ev, n, err := next(p)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p = p[n:]
		if ev.OpCode.IsControl() {
			w.replies = w.proto.AppendReply(w.replies, ev)
			if ev.OpCode == ws.OpPong && w.load.mode == sendOnly {
				w.taken(now, ev.Payload, &t)
			}
			continue
		}
		if w.load.verify {
			w.compare(ev.OpCode, ev.Payload, ev.Last())
		}
		if ev.Last() {
			w.came(now, &t)
		}
	}
	return nil
}

// came records that a whole message has arrived.
func (w *worker) came(now time.Duration, t *tally) {
	switch {
	case w.load.mode == receiveOnly:
		if w.load.ticket() {
			t.received++
		}
	case w.load.mode == sendOnly || w.inFlight == 0:
		t.unsolicited++
	default:
		w.answered(now, t)
	}
}

// compare checks that an answer, or a part of it, equals the message.
func (w *worker) compare(op ws.OpCode, p []byte, last bool) {
	if w.inFlight == 0 || w.matching < 0 {
		return
	}
	want := w.flights[w.oldest].sent.payload[w.matching:]
	if op != w.load.mix.op || !bytes.HasPrefix(want, p) || last && len(want) != len(p) {
		w.matching = -1
		return
	}
	w.matching += len(p)
}

// answered records the answer to the oldest message in flight.
func (w *worker) answered(now time.Duration, t *tally) {
	t.received++
	if w.matching < 0 {
		t.wrong++
	}
	w.matching = 0
	record(w.shard.latency, now-w.flights[w.oldest].since)
	if w.inFlight == len(w.flights) {
		w.ready = now
	}
	w.oldest = (w.oldest + 1) % len(w.flights)
	w.inFlight--
}
