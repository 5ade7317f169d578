package wsflate

import (
	"fmt"

	"github.com/wskit/wskit/httphead"
)

// Answer is what a server with the policy p answers to offers, the client's extensions in
// its order of preference (RFC 7692, sections 5 and 7.1). The first offer of
// permessage-deflate that is well formed is accepted; the others are declined, as is what
// is malformed. ok is false if there is none to accept, and the answer is then to
// be left out. agreed is what answer says.
//
// The policy is honoured as follows. A bound of p and one that was offered make the narrower one
// of both. The server gives up takeover if p or the client wants it, and the client has to if p
// says so or it offered to. A bound on a client that did not offer to be bounded may not be
// asked for: it has to give up takeover instead, so that it costs no more memory.
//
// The error is the caller's: p has window bits that do not exist.
func (p Parameters) Answer(offers []httphead.Option) (answer httphead.Option, agreed Parameters, ok bool, err error) {
	return p.answer(offers, true)
}

// answer is Answer, for a server that adapts what it sends to any offer or to none.
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

// accept returns what the policy p makes of an offer. There is none that we cannot honour.
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

// sends reports whether a server that sends as the policy p says gives the client what it asks
// for in an offer.
func (p Parameters) sends(offer Parameters) bool {
	return p.ServerMaxWindowBits.bits() <= offer.ServerMaxWindowBits.bits() &&
		(p.ServerNoContextTakeover || !offer.ServerNoContextTakeover)
}

// Confirm is for a client that has offered p: it checks the server's answer and returns what
// the two have agreed on (RFC 7692, section 7.1). A bound that we have offered for ourselves, and
// the offer to give up takeover, hold even where the server does not repeat them.
//
// A server that was offered server_no_context_takeover and does not repeat it is accepted, as
// servers in wide use behave so: agreed lacks the parameter then, and the client
// keeps a window of what it receives, up to 32 KiB, between messages.
//
// It returns a *[ParameterError] for an answer that does not fit the offer, and the client
// must fail the connection then. Other errors are the caller's: p has window bits that do not
// exist, or answer is that of another extension.
func (p Parameters) Confirm(answer httphead.Option) (agreed Parameters, err error) {
	if err := p.check(); err != nil {
		return agreed, err
	}
	if string(answer.Name) != ExtensionName {
		return agreed, fmt.Errorf("wsflate: answer is about extension %q", answer.Name)
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

// fits returns an error for an answer to the offer p that no server may give.
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

// Extension negotiates permessage-deflate for one connection of a server: its Negotiate is the
// callback of [ws.Upgrader] and [ws.HTTPUpgrader]. Each handshake needs an Extension of its own, or
// a Reset before it.
type Extension struct {
	// Parameters are the server's policy: see [Parameters.Answer].
	Parameters Parameters

	// Adapts says that what the server sends is what Accepted says, as that of a [Sender] is,
	// even where a client asks it for a narrower window than Parameters has, or to give up
	// takeover: set it if Accepted goes to [NewSender]. Without it such offers are declined (RFC
	// 7692, sections 7.1.1.1 and 7.1.2.1): a [Helper], and a [Writer] around a compressor of the
	// caller's, have one window.
	Adapts bool

	agreed   Parameters
	accepted bool
}

// Negotiate accepts or declines one offer, and declines all that follow once one is accepted. To
// decline is to return an option without a name. With Adapts it accepts what [Parameters.Answer]
// accepts, all but what is malformed (RFC 7692, section 7.1). Without, it also declines an offer
// of server_max_window_bits below what Parameters.ServerMaxWindowBits stands for, and one of
// server_no_context_takeover unless Parameters has it. It does not retain offer. The error is
// that of Answer.
func (e *Extension) Negotiate(offer httphead.Option) (accepted httphead.Option, err error) {
	if e.accepted {
		return httphead.Option{}, nil
	}
	offers := [1]httphead.Option{offer}
	accepted, e.agreed, e.accepted, err = e.Parameters.answer(offers[:], e.Adapts)
	return accepted, err
}

// Accepted returns what was agreed on, and whether there was an agreement.
func (e *Extension) Accepted() (Parameters, bool) { return e.agreed, e.accepted }

// Reset makes e ready for another handshake, with the same policy.
func (e *Extension) Reset() { *e = Extension{Parameters: e.Parameters, Adapts: e.Adapts} }
