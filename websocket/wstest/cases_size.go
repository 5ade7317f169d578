package wstest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/wskit/wskit/ws"
)

const mebi = 1 << 20

// large is the payload of large messages, generated once.
var large = sync.OnceValue(func() []byte { return sample(16 * mebi) })

// sizeCases are messages up to 16 MiB in frames and writes of many sizes.
func sizeCases(l *list) {
	r := rule{
		section: "5.4", needs: needEcho,
		must:  "A message may be of any size, in any number of frames, and arrive in any pieces.",
		fault: "a large message is cut, mixed up or refused",
	}
	for _, c := range []struct{ size, frame, chop int }{
		{64 << 10, 0, 1460}, {64 << 10, 64, 0}, {64 << 10, 1, 0}, {64 << 10, 1000, 333},
		{100_000, 0, 100}, {100_000, 50_000, 0}, {100_000, 4096, 4095},
		{256 << 10, 0, 0}, {256 << 10, 256, 0}, {256 << 10, 4096, 1460}, {256 << 10, 64 << 10, 0}, {256 << 10, 65537, 0},
		{mebi, 0, 0}, {mebi, 0, 1460}, {mebi, 1024, 0}, {mebi, 4096, 0}, {mebi, 65536, 65536},
		{4 * mebi, 0, 0}, {4 * mebi, 4096, 0}, {4 * mebi, 65536, 0}, {4 * mebi, mebi, 8192},
		{16 * mebi, 0, 0}, {16 * mebi, 65536, 0}, {16 * mebi, 4 * mebi, 0},
	} {
		for _, op := range dataOps {
			if op == ws.OpText && c.size > 4*mebi && c.frame > 0 {
				continue
			}
			r.needs = needEcho
			if c.size >= 4*mebi {
				r.needs |= needAlone
			}
			l.add(r, fmt.Sprintf("size/%s/%d-in-%d-by-%d", op.String(), c.size, c.frame, c.chop), int64(c.size), big(op, c.size, c.frame, c.chop))
		}
	}
	r.needs = needEcho | needAlone
	r.fault = "the number of frames in a message is limited to 65,536"
	for _, op := range dataOps { // cases 9.3.1 and 9.4.1 of the Autobahn testsuite
		l.add(r, "size/"+op.String()+"/4194304-in-64-then-empty", 4*mebi, bigThenEmpty(op, 4*mebi, 64))
	}
	r.needs = needEcho
	r.fault = "text that is not ASCII is cut in a character somewhere"
	for _, frame := range []int{0, 1000, 4096, 65536} {
		l.add(r, fmt.Sprintf("size/unicode/in-%d", frame), 3*100_000+1, func(_ context.Context, p *peer) error {
			all := bytes.Repeat([]byte("€"), 100_000)
			return worst(p.echo(0, pieces(ws.OpText, all, frame)...), p.finish())
		})
	}
	r.fault = "a connection fails after many messages"
	for _, c := range []struct{ n, size int }{{1000, 16}, {500, 1000}, {50, 60_000}} {
		l.add(r, fmt.Sprintf("size/many/%d-of-%d", c.n, c.size), int64(c.size), func(_ context.Context, p *peer) error {
			all := sample(c.size)
			for range c.n {
				if err := p.echo(0, binaryOf(all)); err != nil {
					return err
				}
			}
			return p.finish()
		})
	}
}

// pieces cuts a message into frames of n bytes. 0 means one frame.
func pieces(op ws.OpCode, all []byte, n int) []frame {
	if n == 0 {
		return []frame{dataFrame(op, all)}
	}
	var sizes []int
	for rest := len(all); rest > n; rest -= n {
		sizes = append(sizes, n)
	}
	return fragments(op, all, sizes...)
}

func big(op ws.OpCode, size, frame, chop int) script {
	return func(_ context.Context, p *peer) error {
		return echoFrames(p, chop, pieces(op, large()[:size], frame))
	}
}

// bigThenEmpty is a message of full frames and a final empty frame.
func bigThenEmpty(op ws.OpCode, size, frame int) script {
	return func(_ context.Context, p *peer) error {
		return echoFrames(p, 0, fragments(op, large()[:size], slices.Repeat([]int{frame}, size/frame)...))
	}
}

// echoFrames tolerates that the peer limits the number of frames in a message.
func echoFrames(p *peer, chop int, frames []frame) error {
	err := p.echo(chop, frames...)
	if err != nil && len(frames) > mostFrames && p.closed != nil && (p.closed.code == ws.StatusPolicyViolation || p.closed.code == ws.StatusMessageTooBig) {
		return tolerated("the peer bounds the frames of a message, as section 10.4 allows, at less than %d", len(frames))
	}
	return worst(err, p.finish())
}

// mostFrames is the number of frames in one message that every peer should
// accept.
const mostFrames = 10_000

// limitCases are messages around the declared limit.
func limitCases(l *list) {
	r := rule{
		section: "10.4 and 7.4.1", needs: needEcho | needLimit,
		must:  "A message up to the limit is accepted.",
		fault: "the limit is off by one, or applies to each frame",
	}
	l.add(r, "limit/exact", 0, limited(0, 0, false))
	l.add(r, "limit/exact-fragments", 0, limited(0, 3, false))
	l.add(r, "limit/again", 0, func(_ context.Context, p *peer) error {
		for range 3 {
			if err := p.echo(0, binaryOf(atLimit(p, 0))); err != nil {
				return err
			}
		}
		return p.finish()
	})
	r.needs = needLimit
	r.must = "A message over the limit fails the connection with 1009."
	r.fault = "the limit does not hold for all messages"
	l.add(r, "limit/over", 0, limited(1, 0, true))
	l.add(r, "limit/over-fragments", 0, limited(1, 3, true))
	l.add(r, "limit/over-many-fragments", 0, limited(1, 100, true))
	l.add(r, "limit/over-binary", 0, func(_ context.Context, p *peer) error {
		p.send(binaryOf(atLimit(p, 1)))
		return p.wantFailure(ws.StatusMessageTooBig)
	})
	l.add(r, "limit/over-by-far", 0, func(_ context.Context, p *peer) error {
		p.send(frame{op: ws.OpBinary, declared: uint64(p.opts.MaxMessage) * 4, lies: true, payload: []byte("hello")})
		return p.wantFailureInside(ws.StatusMessageTooBig)
	})
	l.add(r, "limit/over-at-header", 0, func(_ context.Context, p *peer) error {
		p.send(frame{op: ws.OpText, declared: uint64(p.opts.MaxMessage) + 1, lies: true})
		return p.wantFailureInside(ws.StatusMessageTooBig)
	})
}

func atLimit(p *peer, more int) []byte {
	return bytes.Repeat([]byte("x"), int(p.opts.MaxMessage)+more)
}

func limited(more, parts int, over bool) script {
	return func(_ context.Context, p *peer) error {
		all := atLimit(p, more)
		frames := []frame{text(string(all))}
		if parts > 0 {
			frames = fragments(ws.OpText, all, even(parts, len(all))...)
		}
		if over {
			p.send(frames...)
			return p.wantFailure(ws.StatusMessageTooBig)
		}
		return worst(p.echo(0, frames...), p.finish())
	}
}
