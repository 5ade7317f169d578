package wstest

import (
	"context"
	"fmt"
	"strings"

	"github.com/wskit/wskit/ws"
)

// fragments cuts a message into frames of the given sizes. The last frame has
// the rest.
func fragments(op ws.OpCode, p []byte, sizes ...int) (frames []frame) {
	for _, n := range sizes {
		frames = append(frames, frame{op: op, payload: p[:n], more: true})
		p, op = p[n:], ws.OpContinuation
	}
	return append(frames, frame{op: op, payload: p})
}

// even returns the sizes for n fragments of p.
func even(n, size int) (sizes []int) {
	for range n - 1 {
		sizes = append(sizes, size/n)
	}
	return sizes
}

// fragmentCases are good messages in fragments.
func fragmentCases(l *list) {
	r := rule{
		section: "5.4", needs: needEcho,
		must:  "A message is its fragments' payloads one after the other, of the type of the first one.",
		fault: "fragments are lost, or each one is treated as a message",
	}
	for _, op := range dataOps {
		for _, n := range []int{2, 3, 10, 100} {
			for _, chop := range []int{0, 1, 7} {
				l.add(r, fmt.Sprintf("fragment/%s/%d-by-%d", op.String(), n, chop), 1000,
					echoing(chop, fragments(op, sample(1000), even(n, 1000)...)...))
			}
		}
	}
	r.fault = "an empty fragment ends a message, or is refused"
	for _, c := range []struct {
		name  string
		sizes []int
		size  int
	}{
		{"first-empty", []int{0}, 5}, {"last-empty", []int{5}, 5}, {"middle-empty", []int{2, 0}, 5},
		{"all-empty", []int{0, 0}, 0}, {"many-empty", make([]int, 60), 5}, {"single-bytes", []int{1, 1, 1, 1}, 5},
	} {
		for _, op := range dataOps {
			l.add(r, "fragment/"+c.name+"/"+op.String(), 0, echoing(0, fragments(op, sample(c.size), c.sizes...)...))
		}
	}
	r.fault = "a fragment of one length encoding is taken for another"
	for _, n := range []int{125, 126, 65535, 65536} {
		l.add(r, fmt.Sprintf("fragment/length/%d", n), int64(2*n), echoing(0, fragments(ws.OpBinary, sample(2*n), n)...))
	}
	r.fault = "the state of one fragmented message is kept for the next one"
	l.add(r, "fragment/sequence", 1000, fragmentSequence)
}

func fragmentSequence(_ context.Context, p *peer) error {
	for i, op := range []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpText, ws.OpText, ws.OpBinary} {
		if err := p.echo(0, fragments(op, sample(100*(i+1)), 10, 20)...); err != nil {
			return err
		}
		if err := p.echo(0, dataFrame(op, sample(i))); err != nil {
			return err
		}
	}
	return p.finish()
}

// interleaveCases are control frames inside a fragmented message.
func interleaveCases(l *list) {
	r := rule{
		section: "5.4", needs: needEcho,
		must:  "Control frames may be between the fragments of a message, and are answered there.",
		fault: "a control frame inside a message breaks the message, or is answered only after it",
	}
	for _, op := range dataOps {
		for at := range 3 {
			for _, size := range []int{0, 5, 125} {
				id := fmt.Sprintf("interleave/ping/%s-%d-after-%d", op.String(), size, at+1)
				l.add(r, id, 100, interleaved(op, at, string(sample(size))))
			}
		}
		l.add(r, "interleave/pong/"+op.String(), 100, interleavedPongs(op))
		l.add(r, "interleave/pings/"+op.String(), 100, interleavedPings(op))
	}
	r.needs = 0
	r.must = "A close frame may be between the fragments of a message."
	r.fault = "a close frame inside a message is not answered"
	for _, op := range dataOps {
		l.add(r, "interleave/close/"+op.String(), 5, func(_ context.Context, p *peer) error {
			p.send(dataFrame(op, []byte("hello")).unfinished(), closing(1000, ""))
			return p.wantClose(true, 1000)
		})
	}
}

// interleaved sends a ping after fragment number at, and expects the pong
// before it continues.
func interleaved(op ws.OpCode, at int, payload string) script {
	return func(_ context.Context, p *peer) error {
		all := sample(100)
		for i, f := range fragments(op, all, 10, 20, 30) {
			p.send(f)
			if i != at {
				continue
			}
			p.send(ping(payload))
			if err := p.wantPong(payload); err != nil {
				return err
			}
		}
		if err := p.wantMessage(op, all); err != nil {
			return err
		}
		return p.finish()
	}
}

func interleavedPings(op ws.OpCode) script {
	return func(_ context.Context, p *peer) error {
		all := sample(100)
		for i, f := range fragments(op, all, even(10, 100)...) {
			p.send(f)
			if i == 9 {
				break
			}
			p.send(ping(fmt.Sprint(i)))
			if err := p.wantPong(fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return worst(p.wantMessage(op, all), p.finish())
	}
}

func interleavedPongs(op ws.OpCode) script {
	return func(_ context.Context, p *peer) error {
		f := fragments(op, sample(100), 10, 20)
		p.send(f[0], pong("x"), f[1], pong(""), f[2])
		return worst(p.wantMessage(op, sample(100)), p.finish())
	}
}

// fragmentFaultCases are frames that are not allowed at their position.
func fragmentFaultCases(l *list) {
	r := rule{
		section: "5.4",
		must:    "A continuation frame continues a message that has begun.",
		fault:   "accepts a continuation of nothing",
	}
	for _, n := range []int{0, 5, 126} {
		c := cont(strings.Repeat("x", n))
		l.add(r, fmt.Sprintf("fragment/no-start/%d", n), 0, faulty(protocolError, c))
		l.add(r, fmt.Sprintf("fragment/no-start/%d-not-final", n), 0, faulty(protocolError, c.unfinished()))
		after := r
		after.needs = needEcho
		l.add(after, fmt.Sprintf("fragment/no-start/%d-after-message", n), 0, afterEcho(c))
	}
	r.must = "A new message begins only when the one before has ended."
	r.fault = "accepts a data frame inside a fragmented message"
	for _, first := range dataOps {
		for _, second := range dataOps {
			for _, n := range []int{0, 5} {
				f := dataFrame(second, sample(n))
				id := fmt.Sprintf("fragment/nested/%s-in-%s-%d", second.String(), first.String(), n)
				l.add(r, id, 0, faulty(protocolError, dataFrame(first, sample(5)).unfinished(), f))
				l.add(r, id+"-not-final", 0, faulty(protocolError, dataFrame(first, sample(5)).unfinished(), f.unfinished()))
			}
		}
	}
	r.section = "5.5"
	r.must = "Control frames must not be fragmented."
	r.fault = "accepts a control frame without FIN"
	for _, f := range []frame{ping("hello"), ping(""), pong("hello"), pong(""), closing(1000, ""), {op: ws.OpClose}} {
		id := fmt.Sprintf("fragment/control/%s-%d", f.op.String(), len(f.payload))
		l.add(r, id, 0, faulty(protocolError, f.unfinished()))
		l.add(r, id+"-in-message", 0, faulty(protocolError, text("hel").unfinished(), f.unfinished()))
		l.add(r, id+"-continued", 0, faulty(protocolError, f.unfinished(), cont("")))
	}
}
