package wsloop

import (
	"sync/atomic"
	"time"
)

// Stats are the counters of a server, all since it began. Reading them costs the
// loops nothing.
type Stats struct {
	Conns    int    // connections now, those in a handshake or at their end included
	Accepted uint64 // connections that Serve has accepted
	Refused  uint64 // handshakes that were refused

	MessagesIn, MessagesOut uint64
	BytesIn, BytesOut       uint64 // of the transport; decrypted ones with TLS

	Waiting int64  // bytes that wait to be sent, as of half a second ago
	Behind  int64  // connections whose transport takes no more, as of half a second ago
	Dropped uint64 // messages that the policy of a queue has dropped

	Turns       uint64        // of all loops
	LongestTurn time.Duration // with all handlers that one turn has called
}

// counters are published by a loop at the end of a turn, or added to by anybody.
type counters struct {
	messagesIn, messagesOut atomic.Uint64
	bytesIn, bytesOut       atomic.Uint64
	dropped, turns          atomic.Uint64
	waiting, behind         atomic.Int64
	longest                 atomic.Int64
}

// tally is what a loop counts during a turn.
type tally struct {
	messagesIn, bytesIn uint64
	waiting, behind     int64
}

// publish publishes the counters of a turn.
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
	if d := int64(l.s.now() - l.now); d > l.longest.Load() {
		l.longest.Store(d)
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
