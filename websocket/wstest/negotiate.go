package wstest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const deflateName = "permessage-deflate"

// extension is an element of Sec-WebSocket-Extensions.
type extension struct {
	name   string
	params []param
}

type param struct {
	name, value string
	valued      bool
}

// parseExtensions parses the field as far as this suite needs it. It does not
// support a comma or a semicolon in quotes.
func parseExtensions(s string) (list []extension) {
	for element := range strings.SplitSeq(s, ",") {
		parts := strings.Split(element, ";")
		e := extension{name: strings.TrimSpace(parts[0])}
		if e.name == "" {
			continue
		}
		for _, part := range parts[1:] {
			name, value, valued := strings.Cut(part, "=")
			e.params = append(e.params, param{strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"`), valued})
		}
		list = append(list, e)
	}
	return list
}

// deflateParams are the parameters of permessage-deflate (RFC 7692, section
// 7.1).
type deflateParams struct {
	serverNoTakeover, clientNoTakeover bool
	serverBits, clientBits             int  // 0: absent
	clientBitsHint                     bool // client_max_window_bits without a value, in an offer
}

func (d deflateParams) String() string {
	s := deflateName
	if d.serverNoTakeover {
		s += "; server_no_context_takeover"
	}
	if d.clientNoTakeover {
		s += "; client_no_context_takeover"
	}
	if d.serverBits > 0 {
		s += fmt.Sprintf("; server_max_window_bits=%d", d.serverBits)
	}
	switch {
	case d.clientBits > 0:
		s += fmt.Sprintf("; client_max_window_bits=%d", d.clientBits)
	case d.clientBitsHint:
		s += "; client_max_window_bits"
	}
	return s
}

// parseDeflate checks the parameters of an element.
func parseDeflate(e extension, offer bool) (d deflateParams, err error) {
	seen := map[string]bool{}
	for _, p := range e.params {
		if seen[p.name] {
			return d, fmt.Errorf("parameter %s is repeated", p.name)
		}
		seen[p.name] = true
		switch p.name {
		case "server_no_context_takeover":
			d.serverNoTakeover = true
			err = noValue(p)
		case "client_no_context_takeover":
			d.clientNoTakeover = true
			err = noValue(p)
		case "server_max_window_bits":
			d.serverBits, err = windowBits(p)
		case "client_max_window_bits":
			if d.clientBitsHint = offer && !p.valued; !d.clientBitsHint {
				d.clientBits, err = windowBits(p)
			}
		default:
			err = fmt.Errorf("unknown parameter %q", p.name)
		}
		if err != nil {
			return d, err
		}
	}
	return d, nil
}

func noValue(p param) error {
	if p.valued {
		return fmt.Errorf("parameter %s has a value", p.name)
	}
	return nil
}

func windowBits(p param) (int, error) {
	n, err := strconv.Atoi(p.value)
	if err != nil || n < 8 || n > 15 || strconv.Itoa(n) != p.value {
		return 0, fmt.Errorf("%s=%q", p.name, p.value)
	}
	return n, nil
}

// agreement returns the parameters in the answer to an offer. nil means no
// compression.
func (p *peer) agreement(offer deflateParams, answer string) (*deflateParams, error) {
	list := parseExtensions(answer)
	if len(list) == 0 {
		return nil, nil
	}
	if len(list) > 1 || list[0].name != deflateName {
		return nil, failed("the server agrees to %q", answer)
	}
	d, err := parseDeflate(list[0], false)
	switch {
	case err != nil:
		return nil, failed("the server agrees to %v", err)
	case offer.serverNoTakeover && !d.serverNoTakeover:
		return nil, failed("the server omits server_no_context_takeover, which was requested")
	case offer.serverBits > 0 && cmp.Or(d.serverBits, 15) > offer.serverBits:
		return nil, failed("the server answers server_max_window_bits=%d with %d", offer.serverBits, d.serverBits)
	case d.clientBits > 0 && offer.clientBits == 0 && !offer.clientBitsHint:
		return nil, failed("the server sets client_max_window_bits, which was not offered")
	case offer.clientBits > 0 && d.clientBits > offer.clientBits:
		return nil, failed("the server answers client_max_window_bits=%d with %d", offer.clientBits, d.clientBits)
	case offer.serverBits > 0 && d.serverBits == 0:
		p.tolerate("the server must include the server_max_window_bits=15 that it accepts (RFC 7692, section 7.1.2.1); leaving it out does no harm, since 15 is the maximum")
	}
	return &d, nil
}

// permits reports whether a server may answer offer with d.
func permits(offer, d deflateParams) bool {
	switch {
	case offer.serverNoTakeover && !d.serverNoTakeover,
		offer.serverBits > 0 && (d.serverBits == 0 || d.serverBits > offer.serverBits),
		d.clientBits > 0 && offer.clientBits == 0 && !offer.clientBitsHint,
		offer.clientBits > 0 && d.clientBits > offer.clientBits:
		return false
	}
	return true
}

// compress opens the connection with compression. It offers the parameters want
// to a server, or answers the offer of a client with them.
func (p *peer) compress(want deflateParams) error {
	if !p.client {
		return p.compressClient(want)
	}
	answer, err := p.openWith(want.String())
	if err != nil {
		return err
	}
	got, err := p.agreement(want, answer)
	if err != nil {
		return err
	}
	if got == nil {
		return p.noCompression("the server declines " + want.String())
	}
	if got.clientBits == 0 {
		got.clientBits = want.clientBits // the client is bound by its own offer
	}
	p.use(*got)
	return nil
}

func (p *peer) compressClient(want deflateParams) error {
	offers := parseExtensions(strings.Join(p.request.Header["Sec-Websocket-Extensions"], ","))
	ok := slices.ContainsFunc(offers, func(e extension) bool {
		offer, err := parseDeflate(e, true)
		if e.name != deflateName || err != nil {
			return false
		}
		if want == (deflateParams{}) { // any parameters are fine
			want.serverNoTakeover, want.serverBits = offer.serverNoTakeover, offer.serverBits
		}
		return permits(offer, want)
	})
	switch {
	case ok:
	case p.opts.RequireCompression && len(offers) == 0:
		return failed("the client offers no compression")
	default:
		p.openPlain()
		p.finish()
		return skipped("the client does not offer what allows %v", want)
	}
	p.use(want)
	return p.answerWith(want.String())
}

func (p *peer) noCompression(why string) error {
	if p.opts.RequireCompression {
		return failed("%s", why)
	}
	return skipped("%s", why)
}

// use turns compression on.
func (p *peer) use(d deflateParams) {
	server := side{window: window(d.serverBits), takeover: !d.serverNoTakeover}
	client := side{window: window(d.clientBits), takeover: !d.clientNoTakeover}
	p.flate = &flateState{in: server, out: client}
	if !p.client {
		p.flate = &flateState{in: client, out: server}
	}
}

func window(bits int) int {
	return 1 << cmp.Or(bits, 15)
}

// flateState is the compression of a connection, as seen from the suite.
type flateState struct{ in, out side }

// side is one direction.
type side struct {
	window   int
	takeover bool
	history  []byte
	used     int // messages
	far      int // the largest distance so far
}

// receive decodes a message of the peer and checks the distances in it.
func (f *flateState) receive(p []byte) ([]byte, error) {
	d := inflater{
		in: append(slices.Clip(p), 0, 0, 0xff, 0xff), out: slices.Clone(f.in.history), start: len(f.in.history),
		window: f.in.window, limit: maxReceived,
	}
	plain, err := d.run()
	if err != nil {
		return nil, err
	}
	f.in.used++
	f.in.far = max(f.in.far, d.far)
	f.in.remember(plain)
	return plain, nil
}

// send compresses a message for the peer.
func (f *flateState) send(plain []byte) []byte {
	p := deflate(f.out.history, plain, f.out.window)
	f.out.remember(plain)
	return p
}

// remember adds a message to the window, if there is takeover.
func (s *side) remember(plain []byte) {
	if !s.takeover {
		return
	}
	s.history = append(s.history, plain...)
	if over := len(s.history) - s.window; over > 0 {
		s.history = slices.Clone(s.history[over:])
	}
}
