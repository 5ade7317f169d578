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

// flight is a message that waits for its answer, or, in a load that only sends, a ping
// that waits for its pong, and the messages in front of it.
type flight struct {
	since time.Duration // when it was sent, or was due, since the load's beginning
	sent  *message
	count int // of messages
}

// worker is one connection of a load, which it opens again when it is lost.
type worker struct {
	load   *load
	shard  *shard
	index  int
	values // what its messages are made from

	conn       net.Conn
	live       atomic.Pointer[net.Conn] // conn, for those who interrupt its Read
	proto      wsutil.Protocol
	compressed bool // compression was agreed on
	in, out    []byte
	replies    []byte // to control frames, to be sent

	made     []message // by a template: those of flights, whose memory is used again
	flights  []flight  // a ring of the messages in flight, the oldest first
	oldest   int
	inFlight int
	matching int // bytes of the oldest message's answer that were right so far, -1: it is wrong

	playing                // for a script
	pouring                // for a load that only sends
	due      time.Duration // of the next message, when a rate is set
	ready    time.Duration // since when nothing but the schedule holds the next one back
	deadline time.Duration // what the connection's read deadline is
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

// reach connects, and tries again until that works or the load is over. It calls failed
// when it has not worked.
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

// talk does what the load is about on the open connection.
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

// begin makes the worker ready for a new connection.
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
		w.sayGoodbye(ws.StatusNormalClosure)
	} else {
		missed = w.unanswered()
	}
	w.conn.Close()
	w.load.open.Add(-1)
	return missed
}

// unanswered is how many messages wait for an answer.
func (w *worker) unanswered() int {
	n := w.behind
	for i := range w.inFlight {
		n += w.flights[(w.oldest+i)%len(w.flights)].count
	}
	return n
}

// sayGoodbye makes the closing handshake, for at most a second.
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

// kind names the cause of an error, to count errors by.
func (w *worker) kind(err error) string {
	var closed wsutil.ClosedError
	var fault *ws.ProtocolError
	if code := w.proto.Closing().Received; code != 0 {
		return fmt.Sprintf("closed with %d", code) // whatever failed then
	}
	switch {
	case errors.Is(err, errNoAnswer):
		return fmt.Sprintf("no answer in %v", w.load.patience)
	case errors.As(err, &closed) && closed.Code == ws.StatusAbnormalClosure:
		return "connection lost"
	case errors.As(err, &fault):
		return "protocol error: " + fault.Reason
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "connection lost"
	}
	return connect.Kind(err)
}
