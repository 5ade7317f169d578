package wsflate

import (
	"fmt"

	"github.com/wskit/wskit/httphead"
)

// Answer returns the answer of a server to a client's offers (RFC 7692,
// sections 5 and 7.1). p is the policy of the server. offers are the client's
// extensions in order of preference. Answer accepts the first well-formed offer
// of permessage-deflate and declines all others. If it accepts none, ok is
// false and the response must not contain an answer. agreed holds the
// parameters in answer.
//
// Each window has the narrower of the bounds in p and in the offer. The server
// disables takeover if p or the offer requires it. The client must disable
// takeover if p requires it or if the client offered it. A server may limit the
// client's window only if the client offered that. If it did not, and p has
// such a limit, Answer disables the client's takeover instead, so that the
// server does not hold a larger window.
//
// The error is the caller's fault: p has invalid window bits.
func (p Parameters) Answer(offers []httphead.Option) (answer httphead.Option, agreed Parameters, ok bool, err error) {
	return p.answer(offers, true)
}

// answer is Answer. adapts says whether the server can send with any
// parameters.
func (p Parameters) answer(offers []httphead.Option, adapts bool) (answer httphead.Option, agreed Parameters, ok bool, err error) {
	if err := p.check(); err != nil {
		return answer, agreed, false, err
	}
	for _, o := range offers {
		var offer Parameters
		if string(o.Name) != ExtensionName || offer.Parse(o) != nil || !adapts && !p.sends(offer) {
			continue
		}
		agreed = p.accept(offer)
		return agreed.Option(), agreed, true, nil
	}
	return answer, agreed, false, nil
}

// accept returns the agreement of the policy p with an offer. It never fails.
func (p Parameters) accept(offer Parameters) Parameters {
	agreed := Parameters{
		ServerNoContextTakeover: p.ServerNoContextTakeover || offer.ServerNoContextTakeover,
		ClientNoContextTakeover: p.ClientNoContextTakeover || offer.ClientNoContextTakeover,
		ServerMaxWindowBits:     narrower(p.ServerMaxWindowBits, offer.ServerMaxWindowBits),
	}
	switch {
	case offer.ClientMaxWindowBits.Defined():
		agreed.ClientMaxWindowBits = narrower(p.ClientMaxWindowBits, offer.ClientMaxWindowBits)
	case p.ClientMaxWindowBits.Bytes() < MaxLZ77WindowSize:
		agreed.ClientNoContextTakeover = true // section 7.1.2.2: no bound without an offer
	}
	return agreed
}

// sends reports whether a server that always compresses with the parameters p
// satisfies the offer.
func (p Parameters) sends(offer Parameters) bool {
	return p.ServerMaxWindowBits.bits() <= offer.ServerMaxWindowBits.bits() &&
		(p.ServerNoContextTakeover || !offer.ServerNoContextTakeover)
}

// Confirm checks the server's answer for a client that offered p, and returns
// the agreement (RFC 7692, section 7.1). A limit that the client offered for
// its own messages, and its offer to disable takeover, apply even if the server
// does not repeat them.
//
// Confirm accepts a server that does not repeat an offered
// server_no_context_takeover, because widely used servers do that. agreed then
// lacks the parameter, and the client keeps a window of received data, up to 32
// KiB, between messages.
//
// It returns a *[ParameterError] if the answer does not fit the offer; the
// client must then fail the connection. Other errors are the caller's fault: p
// has invalid window bits, or answer belongs to another extension.
func (p Parameters) Confirm(answer httphead.Option) (agreed Parameters, err error) {
	if err := p.check(); err != nil {
		return agreed, err
	}
	if string(answer.Name) != ExtensionName {
		return agreed, fmt.Errorf("wsflate: unexpected extension %q in the answer", answer.Name)
	}
	if err := agreed.Parse(answer); err != nil {
		return Parameters{}, err
	}
	if err := p.fits(agreed); err != nil {
		return Parameters{}, err
	}
	agreed.ClientNoContextTakeover = agreed.ClientNoContextTakeover || p.ClientNoContextTakeover
	agreed.ClientMaxWindowBits = narrower(agreed.ClientMaxWindowBits, p.ClientMaxWindowBits)
	return agreed, nil
}

// fits returns an error if a server may not give this answer to the offer p.
func (p Parameters) fits(answer Parameters) error {
	switch {
	case p.ServerMaxWindowBits.Defined() && !answer.ServerMaxWindowBits.Defined(): // section 7.1.2.1
		return &ParameterError{serverMaxWindowBits, "was offered and not accepted"}
	case answer.ServerMaxWindowBits.bits() > p.ServerMaxWindowBits.bits():
		return &ParameterError{serverMaxWindowBits, "is wider than offered"}
	case answer.ClientMaxWindowBits == AnyWindowBits: // section 7.1.2.2, from here on
		return &ParameterError{clientMaxWindowBits, "has no value"}
	case answer.ClientMaxWindowBits.Defined() && !p.ClientMaxWindowBits.Defined():
		return &ParameterError{clientMaxWindowBits, "was not offered"}
	case answer.ClientMaxWindowBits.Defined() && answer.ClientMaxWindowBits.bits() > p.ClientMaxWindowBits.bits():
		return &ParameterError{clientMaxWindowBits, "is wider than offered"}
	}
	return nil
}

// Extension negotiates permessage-deflate for one connection of a server. Its
// method Negotiate is a callback of [ws.Upgrader] and [ws.HTTPUpgrader]. Use a
// new Extension for each handshake, or call Reset before it.
type Extension struct {
	// Parameters are the server's policy: see [Parameters.Answer].
	Parameters Parameters

	// Adaptive says that the server compresses with the parameters of Accepted,
	// even if the client asks for a narrower window than that of Parameters, or
	// for no takeover. Set it if Accepted is passed to [NewSender]. Without it,
	// Negotiate declines such offers (RFC 7692, sections 7.1.1.1 and 7.1.2.1),
	// because a [Helper] and a [Writer] around the caller's compressor have a
	// fixed window.
	Adaptive bool

	agreed   Parameters
	accepted bool
}

// Negotiate accepts or declines one offer. It accepts at most one offer until
// Reset. If it declines an offer, it returns an option without a name. With
// Adaptive, it accepts every well-formed offer, as [Parameters.Answer] does
// (RFC 7692, section 7.1). Without Adaptive, it also declines an offer whose
// server_max_window_bits is below Parameters.ServerMaxWindowBits, and an offer
// of server_no_context_takeover unless Parameters has it. It does not retain
// offer. The errors are those of Answer.
func (e *Extension) Negotiate(offer httphead.Option) (accepted httphead.Option, err error) {
	if e.accepted {
		return httphead.Option{}, nil
	}
	offers := [1]httphead.Option{offer}
	accepted, e.agreed, e.accepted, err = e.Parameters.answer(offers[:], e.Adaptive)
	return accepted, err
}

// Accepted returns the agreed parameters, and whether an offer was accepted.
func (e *Extension) Accepted() (Parameters, bool) { return e.agreed, e.accepted }

// Reset makes e ready for another handshake, with the same policy.
func (e *Extension) Reset() { *e = Extension{Parameters: e.Parameters, Adaptive: e.Adaptive} }
