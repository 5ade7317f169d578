package wsloop

import (
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Stats are the counters of a server since its start. Reading them does not
// slow down the loops.
type Stats struct {
	Conns    int    // connections now, including those in an opening or closing handshake
	Accepted uint64 // connections that Serve has accepted
	Refused  uint64 // handshakes that were refused

	MessagesIn, MessagesOut uint64
	BytesIn, BytesOut       uint64 // of the transport; after decryption and before encryption with TLS

	Waiting int64  // bytes that wait to be sent, as of half a second ago
	Behind  int64  // connections whose transport is blocked, as of half a second ago
	Dropped uint64 // messages dropped by the policy of a queue

	Turns       uint64        // iterations of all loops
	LongestTurn time.Duration // including all handlers called in it
}

// counters are published by a loop at the end of each iteration, or incremented
// by any goroutine.
type counters struct {
	messagesIn, messagesOut atomic.Uint64
	bytesIn, bytesOut       atomic.Uint64
	dropped, turns          atomic.Uint64
	waiting, behind         atomic.Int64
	longest                 atomic.Int64
}

// tally holds the counts of one iteration.
type tally struct {
	messagesIn, bytesIn uint64
	waiting, behind     int64

	// For Config.Stats.
	messages, size, wire int64
}

// publish publishes the counts of one iteration.
func (l *loop) publish() {
	l.turns.Add(1)
	if l.tally.messagesIn > 0 {
		l.messagesIn.Add(l.tally.messagesIn)
		l.tally.messagesIn = 0
	}
	if l.tally.bytesIn > 0 {
		l.bytesIn.Add(l.tally.bytesIn)
		l.tally.bytesIn = 0
	}
	if t := &l.tally; t.messages > 0 {
		s := l.s.cfg.Stats
		s.MessagesRead.Add(t.messages)
		s.BytesRead.Add(t.size)
		s.WireBytesRead.Add(t.wire)
		t.messages, t.size, t.wire = 0, 0, 0
	}
	if d := int64(l.s.now() - l.now); d > l.longest.Load() {
		l.longest.Store(d)
	}
}

// countRead counts a message that is passed to the handler.
func (l *loop) countRead(c *Conn, ev *wsutil.Event) {
	l.tally.messagesIn++
	if l.s.cfg.Stats == nil {
		return
	}
	wire := int64(len(ev.Payload))
	if ev.Compressed() {
		wire = c.protocol.WireSize()
	}
	l.tally.messages++
	l.tally.size += int64(len(ev.Payload))
	l.tally.wire += wire
}

// countWritten counts a message that was encoded.
func (s *Server) countWritten(size, wire int) {
	if s.cfg.Stats != nil {
		s.cfg.Stats.CountWritten(size, wire)
	}
}

// countControl counts a ping or pong.
func (s *Server) countControl(op ws.OpCode, written bool) {
	if s.cfg.Stats != nil {
		s.cfg.Stats.CountControl(op, written, 0)
	}
}

// countRefused counts a handshake that has failed.
func (s *Server) countRefused(status int) {
	s.refused.Add(1)
	if s.cfg.Stats != nil {
		s.cfg.Stats.CountRefused(status)
	}
}

// countOpened counts a connection that was opened.
func (c *Conn) countOpened() {
	now := c.loop.now
	if s := c.loop.s.cfg.Stats; s != nil {
		s.Opened.Add(1)
		s.Open.Add(1)
		if c.flags&flagLimited != 0 { // attached connections have no known start of the handshake
			s.Handshakes.Add(now - c.began)
		}
	}
	c.began = now
}

// countEnd counts a connection that is over.
func (c *Conn) countEnd() {
	s := c.loop.s.cfg.Stats
	if s == nil {
		return
	}
	s.Open.Add(-1)
	s.Lifetimes.Add(c.loop.now - c.began)
	status := c.protocol.Status()
	if status.Received != 0 {
		s.CountControl(ws.OpClose, false, status.Received)
	}
	if status.Sent != 0 {
		s.CountControl(ws.OpClose, true, status.Sent)
	}
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	st := Stats{Conns: s.Conns(), Accepted: s.accepted.Load(), Refused: s.refused.Load()}
	for _, l := range s.loops {
		st.MessagesIn += l.messagesIn.Load()
		st.MessagesOut += l.messagesOut.Load()
		st.BytesIn += l.bytesIn.Load()
		st.BytesOut += l.bytesOut.Load()
		st.Waiting += l.waiting.Load()
		st.Behind += l.behind.Load()
		st.Dropped += l.dropped.Load()
		st.Turns += l.turns.Load()
		st.LongestTurn = max(st.LongestTurn, time.Duration(l.longest.Load()))
	}
	return st
}
