package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/ws"
)

// The third way to drive a connection, --script: the worker executes the steps.
// Messages wait in its inbox until a step expects them.

// Limits of the inbox: above them the oldest messages are dropped.
const (
	maxInbox      = 1024
	maxInboxBytes = 1 << 20
)

// maxScriptMessage is the maximum size in bytes of a message that a script
// receives.
const maxScriptMessage = 16 << 20

// arrival is a message that has arrived.
type arrival struct {
	at      time.Duration
	payload []byte
}

// playing is the state of a worker with a script.
type playing struct {
	inbox      []arrival
	inboxBytes int
	waitsSince time.Duration // time of the send whose answer is measured; negative: none
}

// errOver reports that the load ended during a script, which is not a fault.
var errOver = errors.New("the load is over")

// stepError is the error that ended a script.
type stepError struct {
	step   *step
	kind   string
	missed int // expected messages that did not arrive
}

func (e *stepError) Error() string {
	return fmt.Sprintf("line %d: %s: %s", e.step.line, e.step.does, e.kind)
}

// play repeats the script until the load is over. A script that fails starts
// again after a pause, on a new connection.
func (w *worker) play(ctx context.Context) {
	const shortest, longest = 100 * time.Millisecond, 2 * time.Second
	pause := shortest
	for w.load.running() && w.load.mayPlay() {
		err := w.playSteps(ctx, w.load.script)
		if errors.Is(err, errOver) {
			w.leave(nil, ws.StatusNormalClosure)
			return
		}
		w.leave(err, ws.StatusNormalClosure)
		if failed, ok := errors.AsType[*stepError](err); ok {
			w.load.failed(failed.Error(), failed.missed)
			w.rest(pause)
			pause = min(2*pause, longest)
			continue
		}
		w.count(tally{scripts: 1})
		pause = shortest
	}
}

// mayPlay reports whether one more script may be started.
func (l *load) mayPlay() bool { return l.count == 0 || l.tickets.Add(-1) >= 0 }

// rest waits without a connection.
func (w *worker) rest(d time.Duration) error {
	select {
	case <-w.load.over:
		return errOver
	case <-time.After(d):
		return nil
	}
}

// count adds to the counts of the worker.
func (w *worker) count(t tally) {
	w.shard.mu.Lock()
	w.shard.tally.add(t)
	if t.received > 0 {
		w.shard.last = w.load.now()
	}
	w.shard.mu.Unlock()
}

// playSteps executes steps. Its error is errOver or a stepError.
func (w *worker) playSteps(ctx context.Context, steps []step) error {
	for i := range steps {
		s := &steps[i]
		if !w.load.running() {
			return errOver
		}
		err := w.playStep(ctx, s)
		if err == nil || errors.Is(err, errOver) {
			if err != nil {
				return err
			}
			continue
		}
		if _, ok := errors.AsType[*stepError](err); ok {
			return err
		}
		failed := &stepError{step: s, kind: w.kind(err)}
		if s.does == "expect" {
			failed.missed = 1
		}
		return failed
	}
	return nil
}

func (w *worker) playStep(ctx context.Context, s *step) error {
	switch s.does {
	case "connect":
		return w.playConnect(ctx, s)
	case "send":
		return w.playSend(s)
	case "expect":
		return w.playExpect(s)
	case "wait":
		return w.playWait(s)
	case "repeat":
		for range s.times {
			if err := w.playSteps(ctx, s.steps); err != nil {
				return err
			}
		}
		return nil
	case "close":
		w.leave(nil, s.code)
		return nil
	}
	panic("unreachable: the parser knows all steps")
}

func (w *worker) playConnect(ctx context.Context, s *step) error {
	conn, hs, err := w.load.connect(ctx, w.index)
	if err != nil {
		if ctx.Err() != nil || !w.load.running() {
			return errOver
		}
		return &stepError{step: s, kind: connect.Kind(err)}
	}
	w.begin(conn, hs)
	w.inbox, w.inboxBytes, w.waitsSince = nil, 0, -1
	return nil
}

func (w *worker) playSend(s *step) (err error) {
	w.advance()
	m := &w.made[0]
	m.payload = s.text.append(m.payload[:0], &w.values)
	if w.out, err = w.proto.AppendMessage(w.out[:0], w.load.mix.op, m.payload); err != nil {
		return err
	}
	w.count(tally{sent: 1, bytesSent: int64(len(w.out))})
	w.waitsSince = w.load.now()
	w.conn.SetWriteDeadline(time.Now().Add(w.load.patience))
	_, err = w.conn.Write(w.out)
	return err
}

// playExpect waits for a message, even if the load ends meanwhile.
func (w *worker) playExpect(s *step) error {
	want := s.text.append(nil, &w.values)
	within := cmp.Or(s.within, w.load.patience)
	until := w.load.now() + within
	for {
		for len(w.inbox) > 0 {
			a := w.take1()
			if s.regexp != nil && s.regexp.Match(a.payload) || s.regexp == nil && bytes.Contains(a.payload, want) {
				w.expected(a)
				return nil
			}
			w.count(tally{unsolicited: 1})
		}
		if w.load.now() >= until {
			return &stepError{step: s, kind: fmt.Sprintf("no matching message within %v", within), missed: 1}
		}
		if err := w.listen(until, w.load.interrupted); err != nil {
			return err
		}
	}
}

// take1 removes the oldest message from the inbox.
func (w *worker) take1() arrival {
	a := w.inbox[0]
	w.inbox = slices.Delete(w.inbox, 0, 1)
	w.inboxBytes -= len(a.payload)
	return a
}

// expected records that an expected message has arrived.
func (w *worker) expected(a arrival) {
	w.count(tally{received: 1})
	if w.waitsSince >= 0 {
		w.shard.mu.Lock()
		record(w.shard.latency, a.at-w.waitsSince)
		w.shard.mu.Unlock()
	}
	w.waitsSince = -1
}

func (w *worker) playWait(s *step) error {
	d := s.min
	if s.max > s.min {
		d += time.Duration(w.random.Int64N(int64(s.max-s.min) + 1))
	}
	if w.conn == nil {
		return w.rest(d)
	}
	for until := w.load.now() + d; w.load.now() < until; {
		if err := w.listen(until, func() bool { return !w.load.running() }); err != nil {
			return err
		}
	}
	return nil
}

// listen reads once, at most until a given time, and puts messages into the
// inbox.
func (w *worker) listen(until time.Duration, over func() bool) error {
	w.conn.SetReadDeadline(w.load.birth.Add(until))
	if over() { // the end of the load wakes only goroutines that are already reading
		return errOver
	}
	n, err := w.conn.Read(w.in)
	if n > 0 {
		if err := w.collect(w.in[:n]); err != nil {
			return err
		}
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return w.ended(err)
	case over():
		return errOver
	}
	return nil
}

// collect puts the messages in p into the inbox, and answers control frames.
func (w *worker) collect(p []byte) error {
	now := w.load.now()
	w.count(tally{bytesReceived: int64(len(p))})
	w.replies = w.replies[:0]
	var fault error
	for len(p) > 0 && fault == nil {
		ev, n, err := w.proto.NextMessage(p)
		if err != nil {
			fault = err
			break
		}
		p = p[n:]
		if ev.OpCode.IsControl() {
			w.replies = w.proto.AppendReply(w.replies, ev)
			continue
		}
		w.keep(arrival{now, bytes.Clone(ev.Payload)})
	}
	if len(w.replies) > 0 {
		w.conn.SetWriteDeadline(time.Now().Add(w.load.patience))
		if _, err := w.conn.Write(w.replies); err != nil && fault == nil {
			fault = err
		}
	}
	if errors.Is(fault, io.ErrUnexpectedEOF) {
		return nil
	}
	return fault
}

// keep puts a message into the inbox, and drops the oldest ones if that is
// full.
func (w *worker) keep(a arrival) {
	w.inbox = append(w.inbox, a)
	w.inboxBytes += len(a.payload)
	for len(w.inbox) > maxInbox || w.inboxBytes > maxInboxBytes && len(w.inbox) > 1 {
		w.take1()
		w.count(tally{unsolicited: 1})
	}
}

// leave ends the connection, if there is one, with a closing handshake unless
// it has failed.
func (w *worker) leave(err error, code ws.StatusCode) {
	if w.conn == nil {
		return
	}
	w.live.Store(nil)
	if n := len(w.inbox); n > 0 {
		w.count(tally{unsolicited: int64(n)})
		w.inbox, w.inboxBytes = nil, 0
	}
	if err == nil {
		w.sayGoodbye(code)
	}
	w.conn.Close()
	w.conn = nil
	w.load.open.Add(-1)
}
