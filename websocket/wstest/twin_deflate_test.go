package wstest

import (
	"slices"

	"github.com/wskit/wskit/ws"
)

// inflate undoes the compression of a whole message.
func (t *twin) inflate(p []byte) ([]byte, error) {
	in := &t.flate.in
	if t.is("bfinal-is-the-end") && len(p) > 0 && p[0]&1 == 1 {
		p = []byte{0}
	}
	history := in.history
	if t.is("forgets-window") {
		history = nil
	}
	d := inflater{
		in: append(slices.Clip(p), 0, 0, 0xff, 0xff), out: slices.Clone(history), start: len(history),
		window: 1 << 15, limit: t.limit,
	}
	if t.is("small-window") {
		d.window = in.window / 2
	}
	if t.is("no-limit") || t.is("limits-compressed") || t.parts > 1 && t.is("limits-single-frames") {
		d.limit = maxReceived
	}
	plain, err := d.run()
	switch {
	case err != nil && t.is("delivers-bad-data"):
		plain = d.out[d.start:]
	case t.is("limits-ratio") && len(plain) > 100*max(len(p), 100):
		return nil, twinFault{1009}
	case err != nil && len(d.out)-d.start > d.limit-300:
		return nil, twinFault{1009}
	case err != nil:
		return nil, twinFault{1002}
	}
	in.remember(plain)
	if len(plain) == 0 && t.is("empty-clears-window") {
		in.history = nil
	}
	if n := len(in.history); n == in.window && t.is("window-less-one") {
		in.history = in.history[1:]
	}
	return slices.Clone(plain), nil
}

// squeezed compresses a message if that is agreed.
func (t *twin) squeezed(f frame) frame {
	if t.flate == nil {
		return f
	}
	out := &t.flate.out
	switch {
	case t.is("compresses-over-window"):
		all := append(slices.Clone(out.history), f.payload...)
		f.payload = deflate(out.history, f.payload, 1<<15)
		if out.takeover {
			out.history = all[max(0, len(all)-1<<15):]
		}
	case t.is("keeps-window"):
		plain := f.payload
		f.payload = deflate(out.history, plain, out.window)
		out.takeover = true
		out.remember(plain)
	case t.is("compresses-empty-to-nothing") && len(f.payload) == 0:
	default:
		f.payload = t.flate.send(f.payload)
	}
	if t.is("leaves-tail") {
		f.payload = append(f.payload, 0, 0, 0xff, 0xff)
	}
	if !t.is("forgets-rsv1") {
		f.rsv = ws.Rsv(true, false, false)
	}
	return f
}

// takeOffer answers an offer as a server does. "" declines.
func (t *twin) takeOffer(header string) string {
	for _, e := range parseExtensions(header) {
		if e.name != deflateName {
			continue
		}
		offer, err := parseDeflate(e, true)
		if err != nil && !t.is("takes-bad-params") {
			continue
		}
		d := offer
		d.clientBitsHint = false
		if offer.clientBitsHint {
			d.clientBits = 11
		}
		if t.is("shrinks-client-unasked") && d.clientBits == 0 {
			d.clientBits = 10
		}
		t.use(d)
		switch {
		case t.is("answers-without-value"):
			d.clientBits, d.clientBitsHint = 0, true
		case t.is("leaves-server-bits-away"):
			d.serverBits = 0
		case t.is("leaves-takeover-away"):
			d.serverNoTakeover = false
		}
		return d.String()
	}
	return ""
}

func (t *twin) use(d deflateParams) {
	p := &peer{client: t.client}
	p.use(d)
	t.flate = p.flate
	if t.is("keeps-received-window") {
		t.flate.in.takeover = true
	}
}
