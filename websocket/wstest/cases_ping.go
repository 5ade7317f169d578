package wstest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/wskit/wskit/ws"
)

// pingCases are RFC 6455, sections 5.5.2 and 5.5.3.
func pingCases(l *list) {
	r := rule{
		section: "5.5.3",
		must:    "A pong has the payload of the ping that it answers.",
		fault:   "does not answer a ping, or changes or cuts its payload",
	}
	for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 8, 16, 31, 63, 64, 100, 123, 124, 125} {
		l.add(r, fmt.Sprintf("ping/payload/%d", n), 0, pinging(0, string(sample(n))))
	}
	for _, n := range []int{0, 1, 8, 125} {
		l.add(r, fmt.Sprintf("ping/by-byte/%d", n), 0, pinging(1, string(sample(n))))
	}
	l.add(r, "ping/payload/not-utf8", 0, pinging(0, "\x00\xff\xfe\x80\xc0"))
	l.add(r, "ping/payload/zeros", 0, pinging(0, strings.Repeat("\x00", 125)))

	r.fault = "pongs come in another order than their pings, or are lost"
	for _, n := range []int{2, 10, 100, 1000} {
		l.add(r, fmt.Sprintf("ping/many/%d", n), 0, manyPings(n))
	}
	r.needs = needEcho
	r.fault = "a ping between two messages disturbs them"
	l.add(r, "ping/between-messages", 0, pingBetween)

	r = rule{
		section: "5.5.3",
		must:    "An unsolicited pong is not answered and does no harm.",
		fault:   "answers a pong, or fails the connection for one",
	}
	for _, n := range []int{0, 1, 5, 124, 125} {
		l.add(r, fmt.Sprintf("pong/unsolicited/%d", n), 0, unsolicited(1, string(sample(n))))
	}
	l.add(r, "pong/unsolicited/many", 0, unsolicited(100, "many"))
	l.add(r, "pong/unsolicited/not-utf8", 0, unsolicited(1, "\xff\x80"))

	r = rule{
		section: "5.5",
		must:    "A control frame has a payload of at most 125 bytes.",
		fault:   "accepts a control frame that is too long",
	}
	for _, n := range []int{126, 127, 128, 1000, 65535, 65536} {
		for _, op := range []ws.OpCode{ws.OpPing, ws.OpPong, ws.OpClose} {
			f := frame{op: op, payload: sample(n)}
			if op == ws.OpClose {
				f.payload = closeBody(1000, string(sample(n-2)))
			}
			l.add(r, fmt.Sprintf("control/too-long/%s-%d", op.String(), n), 0, faulty(protocolError, f))
		}
	}
	l.add(r, "control/too-long/ping-in-message", 0,
		faulty(protocolError, text("hel").unfinished(), ping(strings.Repeat("x", 126))))
}

func pinging(chop int, payload string) script {
	return func(_ context.Context, p *peer) error {
		p.sendIn(chop, ping(payload))
		return worst(p.wantPong(payload), p.finish())
	}
}

// manyPings sends pings in one write. The peer may answer only the latest ones,
// in order.
func manyPings(n int) script {
	return func(_ context.Context, p *peer) error {
		var frames []frame
		for i := range n {
			frames = append(frames, ping(fmt.Sprintf("%06d", i)))
		}
		p.send(frames...)
		last := ""
		seen := 0
		for want := fmt.Sprintf("%06d", n-1); last != want; seen++ {
			p.hurry(0)
			ev, err := p.next()
			switch {
			case err != nil:
				return err
			case ev.kind != ponged:
				return failed("expected the pong of ping %s, got %v", want, ev)
			case string(ev.payload) < last:
				return failed("the pong of ping %q came after that of %q", ev.payload, last)
			}
			last = string(ev.payload)
		}
		if seen != n {
			return worst(tolerated("%d pings got %d pongs", n, seen), p.finish())
		}
		return p.finish()
	}
}

func pingBetween(_ context.Context, p *peer) error {
	for i := range 5 {
		if err := p.echo(0, text("hello")); err != nil {
			return err
		}
		p.send(ping(fmt.Sprint(i)))
		if err := p.wantPong(fmt.Sprint(i)); err != nil {
			return err
		}
	}
	return p.finish()
}

func unsolicited(n int, payload string) script {
	return func(_ context.Context, p *peer) error {
		var frames []frame
		for range n {
			frames = append(frames, pong(payload))
		}
		p.send(append(frames, ping("after"))...)
		err := worst(p.wantPong("after"), p.finish())
		same := slices.Index(p.unasked, payload) >= 0
		switch {
		case same && len(payload) < 4: // an unsolicited pong may have any payload
			return worst(tolerated("a pong came that may be an answer to a pong"), err)
		case same:
			return worst(failed("the peer answers a pong"), err)
		}
		return err
	}
}
