package wstest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
)

// offerCases are offers to a server (RFC 7692, sections 5 and 7.1).
func offerCases(l *list) {
	r := rule{
		dir: Server, section: "RFC 7692, 7.1", needs: needRaw,
		must:  "The answer has what the offer asks for, and nothing that the offer does not allow.",
		fault: "answers an offer with parameters that do not fit it",
	}
	for _, params := range goodOffers() {
		l.add(r, "deflate/offer/good-"+cmp.Or(slug(params), "plain"), 0, offering(deflateName+params))
	}
	l.add(r, "deflate/offer/good-no-spaces", 0, offering(deflateName+";client_max_window_bits;server_max_window_bits=10"))
	l.add(r, "deflate/offer/good-more-spaces", 0, offering(deflateName+" ; client_max_window_bits ; server_max_window_bits=10"))
	r.must = "An offer with a parameter that is unknown, repeated or has a bad value is declined."
	r.fault = "accepts an invalid offer"
	for _, bad := range badParams() {
		l.add(r, "deflate/offer/bad-"+slug(bad), 0, declining(deflateName+"; "+bad, ""))
	}
	l.add(r, "deflate/offer/no-value", 0, declining(deflateName+"; server_max_window_bits", ""))
	r.must = "Of several offers the server accepts the first that it can, in the client's order."
	r.fault = "stops at the first offer that it cannot accept, or accepts two"
	for _, bad := range []string{"unknown", "server_max_window_bits=7", "client_max_window_bits=16", "server_no_context_takeover=1"} {
		l.add(r, "deflate/offer/fallback-after-"+slug(bad), 0, declining(deflateName+"; "+bad, deflateName))
	}
	l.add(r, "deflate/offer/fallback-unknown-extension", 0, declining("x-wstest-unknown; a=1", deflateName))
	l.add(r, "deflate/offer/two-good", 0, declining("", deflateName+"; client_max_window_bits, "+deflateName))
	l.add(r, "deflate/offer/twice-the-same", 0, declining("", deflateName+", "+deflateName))
}

// slug returns a name for parameters of permessage-deflate that consists of
// letters, digits, "-" and ".".
func slug(params string) string {
	s := strings.NewReplacer("_max_window_bits", "-bits", "_no_context_takeover", "-no-takeover",
		"=+", "-plus", "=-", "-minus", `=""`, "-empty", `="`, "-quoted-", `"`, "", "_", "-", "=", "-").Replace(params)
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ';' || r == ' ' }), "-")
}

// goodOffers are parameters that an offer may have.
func goodOffers() (list []string) {
	add := func(params string) { list = append(list, params) }
	for i := range 16 {
		s := ""
		for j, name := range []string{"server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits", "server_max_window_bits=15"} {
			if i>>j&1 == 1 {
				s += "; " + name
			}
		}
		add(s)
	}
	for n := 8; n <= 15; n++ {
		if n < 15 { // 15 is above
			add(fmt.Sprintf("; server_max_window_bits=%d", n))
		}
		add(fmt.Sprintf("; client_max_window_bits=%d", n))
	}
	add(`; server_max_window_bits="12"`)
	add(`; client_max_window_bits="12"`)
	add("; client_max_window_bits; server_max_window_bits=10; client_no_context_takeover; server_no_context_takeover")
	return list
}

// badParams are invalid in offers and in answers.
func badParams() (list []string) {
	for _, name := range []string{"server_max_window_bits", "client_max_window_bits"} {
		for _, v := range []string{"7", "16", "0", "08", "015", "+10", "-10", "10.0", "0xa", "x", "255", "264", "4294967306", "18446744073709551626"} {
			list = append(list, name+"="+v)
		}
		list = append(list, name+"=10; "+name+"=10", name+"=10; "+name+"=11")
	}
	for _, name := range []string{"server_no_context_takeover", "client_no_context_takeover"} {
		list = append(list, name+"=1", name+"=true", name+`="x"`, name+"; "+name)
	}
	return append(list, "unknown", "unknown=10", "server_no_context_takeover; unknown", "max_window_bits=10", "Server_Max_Window_Bits_=10")
}

// offering expects a valid answer to an offer, or none.
func offering(offer string) script {
	return func(_ context.Context, p *peer) error {
		answer, err := p.openWith(offer)
		if err != nil {
			return err
		}
		wanted, err := parseDeflate(parseExtensions(offer)[0], true)
		if err != nil {
			return err
		}
		got, err := p.agreement(wanted, answer)
		if err != nil {
			return err
		}
		if got == nil {
			return worst(p.noCompression("the server declines "+offer), p.finish())
		}
		if got.clientBits == 0 {
			got.clientBits = wanted.clientBits
		}
		p.use(*got)
		return p.exchange(text("hello, hello, hello"), text(strings.Repeat("hello ", 100)))
	}
}

// declining expects that bad is declined. good may be accepted or declined.
func declining(bad, good string) script {
	return func(_ context.Context, p *peer) error {
		q := p.newRequest()
		offers := strings.Trim(bad+", "+good, ", ")
		q.add("Sec-WebSocket-Extensions", offers)
		p.sendRequest(0, q)
		res, err := p.answer()
		switch {
		case err != nil:
			return err
		case res == nil:
			return tolerated("the server ended the connection without an answer")
		case res.StatusCode != http.StatusSwitchingProtocols:
			return tolerated("the server refuses the handshake instead of only the extension: %s", res.Status)
		}
		if err := checkAnswer(q, res); err != nil {
			return err
		}
		answer := strings.Join(res.Header["Sec-Websocket-Extensions"], ", ")
		if good == "" && answer != "" {
			return failed("the server answers %q with %q", offers, answer)
		}
		if answer != "" {
			got, err := p.agreement(deflateParams{clientBitsHint: strings.Contains(good, "client_max")}, answer)
			if err != nil {
				return err
			}
			p.use(*got)
		}
		return p.exchange(text("hello, hello, hello"))
	}
}

// agreementCases are answers that a client must refuse.
func agreementCases(l *list) {
	r := rule{
		dir: Client, section: "RFC 7692, 7.1", needs: needRaw,
		must:  "The client fails the connection after an answer with parameters that are unknown, repeated, bad or not allowed by its offer.",
		fault: "accepts an invalid answer",
	}
	refusing := func(value string) script {
		return refused(func(_ *peer, s *response) { s.add("Sec-WebSocket-Extensions", value) })
	}
	for _, bad := range badParams() {
		l.add(r, "deflate/answer/bad-"+slug(bad), 0, refusing(deflateName+"; "+bad))
	}
	for _, bad := range []string{"server_max_window_bits", "client_max_window_bits", "client_max_window_bits=\"\""} {
		l.add(r, "deflate/answer/no-value-"+slug(bad), 0, refusing(deflateName+"; "+bad))
	}
	l.add(r, "deflate/answer/twice", 0, refusing(deflateName+", "+deflateName))
	l.add(r, "deflate/answer/twice-in-two-lines", 0, refused(func(_ *peer, s *response) {
		s.add("Sec-WebSocket-Extensions", deflateName)
		s.add("Sec-WebSocket-Extensions", deflateName)
	}))
	r.fault = "accepts client_max_window_bits, which it did not offer"
	l.add(r, "deflate/answer/client-bits-not-offered", 0, func(ctx context.Context, p *peer) error {
		if strings.Contains(strings.Join(p.request.Header["Sec-Websocket-Extensions"], ","), "client_max_window_bits") {
			p.openPlain()
			p.finish()
			return skipped("the client offers client_max_window_bits")
		}
		return refusing(deflateName+"; client_max_window_bits=10")(ctx, p)
	})
}
