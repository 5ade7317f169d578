package wstest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/wskit/wskit/ws"
)

// headerSplitCases are headers that arrive in two reads.
func headerSplitCases(l *list) {
	r := rule{
		section: "5.2", needs: needEcho,
		must:  "A frame's header may arrive in any pieces.",
		fault: "assumes that one read returns a whole header",
	}
	for _, c := range []struct{ n, header int }{{5, 6}, {200, 8}, {65536, 14}} {
		for at := 1; at <= c.header; at++ {
			l.add(r, fmt.Sprintf("length/split/%d-at-%d", c.n, at), int64(c.n), func(_ context.Context, p *peer) error {
				f := text(string(sample(c.n)))
				p.sendSplit(f, at)
				return worst(p.wantMessage(ws.OpText, f.payload), p.finish())
			})
		}
	}
	r.needs = 0
	for at := 1; at <= 6; at++ {
		l.add(r, fmt.Sprintf("length/split/ping-at-%d", at), 0, func(_ context.Context, p *peer) error {
			p.sendSplit(ping("split"), at)
			return worst(p.wantPong("split"), p.finish())
		})
	}
}

// splitPause is long enough for an idle peer to read only the first piece. A
// busy peer may read both at once, which is harmless if it conforms.
const splitPause = 5 * time.Millisecond

// sendSplit sends a frame in two pieces, with a pause after the first at bytes.
func (p *peer) sendSplit(f frame, at int) {
	b := f.append(nil, p.client)
	p.log.bytes("suite", fmt.Sprintf("%v, in two pieces of %d and %d bytes", f, at, len(b)-at), f.payload)
	p.expect(f)
	p.write(b[:at], 0)
	time.Sleep(splitPause)
	p.write(b[at:], 0)
}

// leftoverCases test that the state of one frame does not affect the next.
func leftoverCases(l *list) {
	r := rule{
		section: "8.1", needs: needEcho,
		must:  "Each text message is checked from its first byte.",
		fault: "continues the check of the previous message",
	}
	for _, bad := range []sequence{{"first-byte", "\xff bad"}, {"last-byte", "bad \xff"}, {"short", "\xe2\x82"}} {
		for _, first := range []frame{text("a good and longer text: €"), binaryOf([]byte("\xff\xfe\xe2\x82"))} {
			l.add(r, "utf8/then-invalid/"+first.op.String()+"-"+bad.name, 0, func(_ context.Context, p *peer) error {
				if err := p.echo(0, first); err != nil {
					return err
				}
				p.send(text(bad.bytes))
				return p.wantFailure(invalidPayload)
			})
		}
	}
	l.add(r, "utf8/then-valid/binary-cut", 0, func(_ context.Context, p *peer) error {
		return worst(worst(p.echo(0, binaryOf([]byte("\xe2\x82"))), p.echo(0, text("€"))), p.finish())
	})
	r = rule{
		section: "5.5.2",
		must:    "A pong has the payload of its ping.",
		fault:   "a pong contains a part of an earlier, longer ping",
	}
	l.add(r, "ping/shorter", 0, func(_ context.Context, p *peer) error {
		for _, s := range []string{string(sample(125)), "short", "", "x", strings.Repeat("y", 60), ""} {
			p.send(ping(s))
			if err := p.wantPong(s); err != nil {
				return err
			}
		}
		return p.finish()
	})
	r = rule{
		section: "5.4",
		must:    "A new message begins only when the one before has ended.",
		fault:   "a control frame resets the state of an open message",
	}
	for _, c := range []frame{ping(""), ping("x"), pong("x")} {
		for _, op := range dataOps {
			id := fmt.Sprintf("%s-behind-%s-%d", op.String(), c.op.String(), len(c.payload))
			l.add(r, "fragment/nested/"+id, 0, faulty(protocolError, text("hel").unfinished(), c, dataFrame(op, []byte("lo"))))
		}
	}
}

// takeoverCases test that the window survives frames between two messages (RFC
// 7692, section 7.2.2).
func takeoverCases(l *list) {
	r := rule{
		section: "RFC 7692, 7.2.2", needs: needRaw | needEcho,
		must:  "With takeover, a message is inflated with the window that earlier messages filled.",
		fault: "something between two messages clears the window, or shifts it",
	}
	first := sample(300)
	for _, c := range []struct {
		name    string
		between func(p *peer) error
	}{
		{"nothing", func(*peer) error { return nil }},
		{"empty", func(p *peer) error { return p.raw([]byte{0}, nil) }},
		{"plain", func(p *peer) error { return p.echo(0, text("plain")) }},
		{"plain-empty", func(p *peer) error { return p.echo(0, text("")) }},
		{"ping", func(p *peer) error { p.send(ping("between")); return p.wantPong("between") }},
	} {
		l.add(r, "deflate/takeover/"+c.name, 300, compressing(deflateParams{}, func(p *peer) error {
			if !p.flate.out.takeover {
				return skipped("the peer does not keep its window")
			}
			p.send(p.squeezed(binaryOf(first)))
			if err := p.wantMessage(ws.OpBinary, first); err != nil {
				return err
			}
			if err := c.between(p); err != nil {
				return err
			}
			return worst(p.raw(reach(100, 300), first[:100]), p.finish())
		}))
	}
	r.section, r.needs = "5.5.1", needRaw
	r.must = "A close frame may come between the fragments of a message, including a compressed one."
	r.fault = "a close frame inside a compressed message is not answered"
	l.add(r, "deflate/fragment/close", 0, compressing(deflateParams{}, func(p *peer) error {
		p.send(frame{op: ws.OpText, more: true, rsv: rsv1, payload: []byte{0xf2, 0x48}}, closing(1000, ""))
		return p.wantClose(true, 1000)
	}))
}

// reach is a message that is one match.
func reach(length, distance int) []byte {
	return made(func(e *deflater) {
		e.fixed(false)
		e.match(length, distance)
		e.symbol(endOfBlock)
	})
}
