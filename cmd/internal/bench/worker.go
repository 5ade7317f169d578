package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// flight is a message that waits for its answer. With --send-only it is a ping
// that waits for its pong, with the messages before it.
type flight struct {
	since time.Duration // when it was sent or due, since the start of the load
	sent  *message
	count int // number of messages
}

// worker is one connection of a load, which it reopens after it was lost.
type worker struct {
	load   *load
	shard  *shard
	index  int
	values // the values for templates

	conn       net.Conn
	live       atomic.Pointer[net.Conn] // conn, for interrupting its Read
	proto      wsutil.Protocol
	compressed bool // compression was negotiated
	in, out    []byte
	replies    []byte // replies to control frames

	made     []message // messages made from a template: those in flight, whose memory is reused
	flights  []flight  // a ring of the messages in flight, the oldest first
	oldest   int
	inFlight int
	matching int // correct bytes of the oldest message's answer so far; -1: it is wrong

	playing                // for a script
	pouring                // for a load that only sends
	due      time.Duration // when the next message is due, with a rate
	ready    time.Duration // when the connection became ready for the next message
	deadline time.Duration // the read deadline of the connection
}

func newWorker(l *load, index int) *worker {
	return &worker{
		load:    l,
		shard:   &l.recorder.shards[index%len(l.recorder.shards)],
		index:   index,
		values:  values{conn: int64(index) + 1, row: l.mix.data.row(index), random: rand.New(rand.NewPCG(uint64(index), 2)), total: &l.made},
		made:    make([]message, max(1, l.pipeline)),
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
	if w.load.script != nil {
		leaveLine()
		select {
		case <-w.load.start:
		case <-w.load.over:
		}
		w.play(ctx)
		return
	}
	for w.load.running() {
		conn, hs, ok := w.reach(ctx, leaveLine)
		if !ok {
			return
		}
		w.begin(conn, hs)
		leaveLine()
		select {
		case <-w.load.start:
		case <-w.load.over:
		}
		err := w.talk()
		missed := w.hangUp(err)
		if err != nil {
			w.load.failed(w.kind(err), missed)
		}
	}
}

// countUnsent counts the messages that were due when the time of the load was
// over, but not sent because too many were in flight.
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

// reach connects, and retries until that succeeds or the load is over. It calls
// failed after each failure.
func (w *worker) reach(ctx context.Context, failed func()) (conn net.Conn, hs ws.Handshake, ok bool) {
	for pause := 100 * time.Millisecond; w.load.running(); pause = min(2*pause, 2*time.Second) {
		conn, hs, err := w.load.connect(ctx, w.index)
		if err == nil {
			return conn, hs, true
		}
		if ctx.Err() != nil || !w.load.running() {
			return nil, hs, false
		}
		w.load.failed("handshake: "+connect.Kind(err), 0)
		failed()
		select {
		case <-w.load.over:
		case <-time.After(pause):
		}
	}
	return nil, hs, false
}

// talk runs the load on the open connection.
func (w *worker) talk() error {
	switch w.load.mode {
	case sendOnly:
		return w.pour()
	case receiveOnly:
		if err := w.subscribe(); err != nil {
			return err
		}
	}
	return w.drive()
}

// begin prepares the worker for a new connection.
func (w *worker) begin(conn net.Conn, hs ws.Handshake) {
	w.conn = conn
	w.live.Store(&w.conn)
	config := wsutil.Config{State: ws.StateClientSide, MaxMessage: -1, MaxFragments: -1}
	if w.load.script != nil {
		config.MaxMessage = maxScriptMessage
	}
	w.compressed = len(hs.Extensions) > 0
	switch {
	case w.compressed && w.load.decodes():
		agreed, _ := offer.Confirm(hs.Extensions[0])
		config.Inflater = wsflate.NewReceiver(agreed, config.State)
		config.Deflater = wsflate.NewSender(agreed, config.State, nil)
	case w.compressed:
		config.State = config.State.Set(ws.StateRSV1)
	}
	w.proto.Reset(&config)
	w.oldest, w.inFlight, w.matching, w.deadline, w.behind = 0, 0, 0, 0, 0
	w.replies = w.replies[:0]
	if w.in == nil {
		w.in = make([]byte, min(max(4<<10, w.load.mix.largest()+ws.MaxHeaderSize), 64<<10))
	}
}

// ended returns the error of the connection at the end of the input.
func (w *worker) ended(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	return w.proto.EOF()
}

// hangUp ends the connection, with a closing handshake unless it has failed,
// and returns the number of messages that get no answer.
func (w *worker) hangUp(err error) (missed int) {
	w.live.Store(nil)
	if err == nil {
		w.sayGoodbye(ws.StatusNormalClosure)
	} else {
		missed = w.unanswered()
	}
	w.conn.Close()
	w.load.open.Add(-1)
	return missed
}

// unanswered returns the number of messages that wait for an answer.
func (w *worker) unanswered() int {
	n := w.behind
	for i := range w.inFlight {
		n += w.flights[(w.oldest+i)%len(w.flights)].count
	}
	return n
}

// sayGoodbye performs the closing handshake, for at most a second.
func (w *worker) sayGoodbye(code ws.StatusCode) {
	w.conn.SetDeadline(time.Now().Add(time.Second))
	out, err := w.proto.AppendClose(w.out[:0], code, "")
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

// kind returns the cause of an error, to count errors by.
func (w *worker) kind(err error) string {
	var closed wsutil.ClosedError
	var fault *ws.ProtocolError
	if code := w.proto.Closing().Received; code != 0 {
		return fmt.Sprintf("closed with %d", code) // whatever failed afterwards
	}
	switch {
	case errors.Is(err, errNoAnswer):
		return fmt.Sprintf("no answer within %v", w.load.patience)
	case errors.As(err, &closed) && closed.Code == ws.StatusAbnormalClosure:
		return "connection lost"
	case errors.As(err, &fault):
		return "protocol error: " + fault.Reason
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "connection lost"
	}
	return connect.Kind(err)
}
