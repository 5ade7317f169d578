package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// flight is a message that waits for its answer.
type flight struct {
	since time.Duration // when it was sent, or was due, since the load's beginning
	sent  *message
}

// worker is one connection of a load, which it opens again when it is lost.
type worker struct {
	load   *load
	shard  *shard
	index  int
	random *rand.Rand

	conn       net.Conn
	live       atomic.Pointer[net.Conn] // conn, for those who interrupt its Read
	proto      wsutil.Protocol
	compressed bool // compression was agreed on
	in, out    []byte

	flights  []flight // a ring of the messages in flight, the oldest first
	oldest   int
	inFlight int
	matching int // bytes of the oldest message's answer that were right so far, -1: it is wrong

	due      time.Duration // of the next message, when a rate is set
	ready    time.Duration // since when nothing but the schedule holds the next one back
	deadline time.Duration // what the connection's read deadline is
}

func newWorker(l *load, index int) *worker {
	return &worker{
		load:    l,
		shard:   &l.recorder.shards[index%len(l.recorder.shards)],
		index:   index,
		random:  rand.New(rand.NewPCG(uint64(index), 2)),
		flights: make([]flight, l.pipeline),
		due:     -1,
	}
}

// run drives connections until the load is over.
func (w *worker) run(ctx context.Context) {
	inLine := true
	leaveLine := func() {
		if inLine {
			inLine = false
			w.load.line.Done()
		}
	}
	defer leaveLine()
	defer w.countUnsent()
	if !w.load.rampUp(w.index) {
		return
	}
	for w.load.running() {
		if !w.open(ctx, leaveLine) {
			return
		}
		leaveLine()
		select {
		case <-w.load.start:
		case <-w.load.over:
		}
		err := w.drive()
		missed := w.hangUp(err)
		if err != nil {
			w.load.failed(w.kind(err), missed)
		}
	}
}

// countUnsent counts the messages that were due when the load's time was over, where the
// connection had as many in flight as it may have.
func (w *worker) countUnsent() {
	l := w.load
	late := l.overAt() - w.due
	full := w.inFlight == len(w.flights) || w.ready > l.overAt()
	if w.due >= 0 && late > 0 && full && !l.interrupted() {
		l.mu.Lock()
		l.unsent += 1 + int64(late/l.interval)
		l.mu.Unlock()
	}
}

// open connects, and tries again until that works or the load is over. It calls failed
// when it has not worked.
func (w *worker) open(ctx context.Context, failed func()) (ok bool) {
	for pause := 100 * time.Millisecond; w.load.running(); pause = min(2*pause, 2*time.Second) {
		conn, hs, err := w.load.connect(ctx, w.index)
		if err == nil {
			w.begin(conn, hs)
			return true
		}
		if ctx.Err() != nil || !w.load.running() {
			return false
		}
		w.load.failed("handshake: "+connect.Kind(err), 0)
		failed()
		select {
		case <-w.load.over:
		case <-time.After(pause):
		}
	}
	return false
}

// begin makes the worker ready for a new connection.
func (w *worker) begin(conn net.Conn, hs ws.Handshake) {
	w.conn = conn
	w.live.Store(&w.conn)
	config := wsutil.Config{State: ws.StateClientSide, MaxMessage: -1, MaxFragments: -1}
	w.compressed = len(hs.Extensions) > 0
	if w.compressed {
		config.State = config.State.Set(ws.StateRSV1)
	}
	w.proto.Reset(&config)
	w.oldest, w.inFlight, w.matching, w.deadline = 0, 0, 0, 0
	if w.in == nil {
		w.in = make([]byte, min(max(4<<10, w.load.mix.largest()+ws.MaxHeaderSize), 64<<10))
	}
}

// drive sends and receives until the load is over, which is nil, or the connection is.
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

// send sends what may be sent now, with one Write.
func (w *worker) send(now time.Duration) error {
	w.out = w.out[:0]
	var t tally
	for w.inFlight < len(w.flights) && len(w.out) < 1<<20 {
		since, ok := w.mayStart(now)
		if !ok {
			break
		}
		m := w.load.mix.next(w.random)
		if err := w.append(m); err != nil {
			return err
		}
		w.flights[(w.oldest+w.inFlight)%len(w.flights)] = flight{since, m}
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

// append adds the frame of m to what is to be sent.
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

// mayStart reports whether the next message may go out, and from when on its latency
// counts. When a rate is set that is the time at which it was due, so that waiting for a
// slow server is not left out (coordinated omission). Only when the connection was
// ready for it, and our own timer was a little late, it is now.
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
	if late := now - w.due; w.ready <= w.due && late <= timerSlack {
		since = now
		w.shard.mu.Lock()
		record(w.shard.lag, late)
		w.shard.mu.Unlock()
	}
	w.due += l.interval
	return since, true
}

// wait sets the read deadline: to when the next message is due, or to when the oldest
// answer is overdue, which is an error once it has passed. A deadline that is early is
// no harm, and so it is left as it is where that saves a call.
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
			w.conn.SetReadDeadline(past) // the load has ended since, and its end wakes us no more
		}
	}
	return nil
}

// past is a deadline that wakes who waits.
var past = time.Unix(1, 0)

var errNoAnswer = errors.New("no answer in time")

// receive takes what was read, and answers pings.
func (w *worker) receive(p []byte) error {
	w.out = w.out[:0]
	err := w.take(p)
	if err == nil && len(w.out) > 0 {
		_, err = w.conn.Write(w.out)
	}
	return err
}

// take notes the answers in p and appends replies to out.
func (w *worker) take(p []byte) error {
	now := w.load.now()
	t := tally{bytesReceived: int64(len(p))}
	w.shard.mu.Lock()
	defer w.shard.mu.Unlock()
	defer func() { w.shard.tally.add(t) }()
	for len(p) > 0 {
		ev, n, err := w.proto.Next(p)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		p = p[n:]
		if ev.OpCode.IsControl() {
			w.out = w.proto.AppendReply(w.out, ev)
			continue
		}
		if w.load.verify {
			w.compare(ev)
		}
		if ev.Last() {
			w.answered(now, &t)
		}
	}
	return nil
}

// compare looks whether an answer is what was sent.
func (w *worker) compare(ev wsutil.Event) {
	if w.inFlight == 0 || w.matching < 0 || ev.Rsv != 0 {
		return
	}
	want := w.flights[w.oldest].sent.payload[w.matching:]
	if ev.OpCode != w.load.mix.op || !bytes.HasPrefix(want, ev.Payload) || ev.Last() && len(want) != len(ev.Payload) {
		w.matching = -1
		return
	}
	w.matching += len(ev.Payload)
}

// answered notes that the oldest message in flight has its answer.
func (w *worker) answered(now time.Duration, t *tally) {
	if w.inFlight == 0 {
		t.unsolicited++
		return
	}
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

// ended returns what the end of the input makes of the connection.
func (w *worker) ended(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	return w.proto.EOF()
}

// hangUp ends the connection, well if nothing is wrong with it, and returns how many
// messages get no answer by that.
func (w *worker) hangUp(err error) (missed int) {
	w.live.Store(nil)
	if err == nil {
		w.sayGoodbye()
	} else {
		missed = w.inFlight
	}
	w.conn.Close()
	w.load.open.Add(-1)
	return missed
}

// sayGoodbye makes the closing handshake, for at most a second.
func (w *worker) sayGoodbye() {
	w.conn.SetDeadline(time.Now().Add(time.Second))
	out, err := w.proto.AppendClose(w.out[:0], ws.StatusNormalClosure, "")
	if err != nil {
		return
	}
	if _, err := w.conn.Write(out); err != nil {
		return
	}
	for !w.proto.Closing().Done() {
		n, err := w.conn.Read(w.in)
		for p := w.in[:n]; len(p) > 0; {
			_, n, err := w.proto.Next(p)
			if err != nil {
				break
			}
			p = p[n:]
		}
		if err != nil {
			return
		}
	}
}

// kind names the cause of an error, to count errors by.
func (w *worker) kind(err error) string {
	var closed wsutil.ClosedError
	var fault *ws.ProtocolError
	switch {
	case errors.Is(err, errNoAnswer):
		return fmt.Sprintf("no answer in %v", w.load.patience)
	case errors.As(err, &closed) && closed.Code == ws.StatusAbnormalClosure:
		return "connection lost"
	case errors.As(err, &closed):
		return fmt.Sprintf("closed with %d", closed.Code)
	case errors.As(err, &fault):
		return "protocol error: " + fault.Reason
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "connection lost"
	}
	return connect.Kind(err)
}
