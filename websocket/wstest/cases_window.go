package wstest

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/wskit/wskit/ws"
)

// windowCases are all combinations of takeover and window bits (RFC 7692,
// section 7.1), checked on the wire.
func windowCases(l *list) {
	r := rule{
		section: "RFC 7692, 7.1", needs: needRaw | needEcho,
		must:  "No match reaches beyond the agreed window, or into an earlier message if there is no takeover. A receiver keeps the whole window.",
		fault: "uses matches beyond the agreed window, or forgets a part of its own window",
	}
	for sb := 8; sb <= 15; sb++ {
		for cb := 8; cb <= 15; cb++ {
			for i, takeover := range []string{"both", "client", "server", "none"} {
				d := deflateParams{serverBits: sb, clientBits: cb, serverNoTakeover: i&1 == 1, clientNoTakeover: i&2 == 2}
				id := fmt.Sprintf("window/server-%d/client-%d/takeover-%s", sb, cb, takeover)
				l.add(r, id, 50_000, compressing(d, func(p *peer) error { return p.stressWindow() }))
			}
		}
	}
	for sb := 8; sb <= 15; sb++ {
		for i, takeover := range []string{"both", "client", "server", "none"} {
			d := deflateParams{serverBits: sb, serverNoTakeover: i&1 == 1, clientNoTakeover: i&2 == 2}
			id := fmt.Sprintf("window/server-%d/client-default/takeover-%s", sb, takeover)
			l.add(r, id, 50_000, compressing(d, func(p *peer) error { return p.stressWindow() }))
			d = deflateParams{clientBits: sb, serverNoTakeover: i&1 == 1, clientNoTakeover: i&2 == 2}
			id = fmt.Sprintf("window/server-default/client-%d/takeover-%s", sb, takeover)
			l.add(r, id, 50_000, compressing(d, func(p *peer) error { return p.stressWindow() }))
		}
	}
	r.fault = "does not work with the default parameters"
	for i, takeover := range []string{"both", "client", "server", "none"} {
		d := deflateParams{serverNoTakeover: i&1 == 1, clientNoTakeover: i&2 == 2}
		l.add(r, "window/default/takeover-"+takeover, 50_000, compressing(d, func(p *peer) error { return p.stressWindow() }))
	}
}

// noise returns bytes that cannot be compressed.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// stressWindow sends messages for which compressors use distant matches, and
// matches at the maximum distance.
func (p *peer) stressWindow() error {
	w := p.flate.in.window
	far := noise(1, min(w+w/4+300, 24_000))
	for _, m := range [][]byte{
		bytes.Repeat(far, 2), // matches beyond the window, unless the message is smaller
		far[:200], far[len(far)-200:], far[len(far)-w/2-min(100, w/4):][:100],
		bytes.Repeat([]byte("again and again "), 50), bytes.Repeat([]byte("again and again "), 50),
	} {
		p.send(p.squeezed(binaryOf(m)))
		if err := p.wantMessage(ws.OpBinary, m); err != nil {
			return err
		}
	}
	if err := p.reachBack(); err != nil {
		return err
	}
	p.log.note("%d compressed messages came, matches reach back up to %d of %d", p.flate.in.used, p.flate.in.far, w)
	return p.finish()
}

// reachBack sends one match at the maximum distance of the suite's window.
func (p *peer) reachBack() error {
	w := p.flate.out.window
	start := noise(2, w)
	e := new(deflater)
	e.stored(start[:w/2], false)
	e.stored(start[w/2:], false)
	want := append([]byte(nil), start...)
	if p.flate.out.takeover {
		if err := p.raw(e.flush(), want); err != nil {
			return err
		}
		e, want = new(deflater), nil
	}
	e.fixed(false)
	e.match(50, w)
	e.symbol(endOfBlock)
	return p.raw(e.flush(), append(want, start[:50]...))
}

// raw sends bytes as a compressed message and expects the message plain.
func (p *peer) raw(b, plain []byte) error {
	p.send(frame{op: ws.OpBinary, rsv: rsv1, payload: b})
	p.flate.out.remember(plain)
	return p.wantMessage(ws.OpBinary, plain)
}
