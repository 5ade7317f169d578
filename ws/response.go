package ws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/peertext"
)

// ParseResponse parses the response at the start of p and compares it with the
// offer o (RFC 6455, section 4.1). p holds the bytes received since the request
// was sent. n is the size of the response in p; frames may follow it.
// ParseResponse returns [io.ErrUnexpectedEOF] if p holds only a part of a
// response. Use a [ResponseParser] to avoid parsing that part again.
//
// hs does not refer to p. A refusal is a *[ConnectionRejectedError] without a
// body; the body follows the n bytes in p. Other errors are ErrHandshake values
// and [ErrMalformedResponse]. The head is limited to 16 KiB and 128 fields.
func ParseResponse(p []byte, o *Offer) (hs Handshake, n int, err error) {
	return new(ResponseParser).Parse(p, o)
}

// ResponseParser parses a response that arrives in pieces. The zero value is
// ready to use. It must not be copied while a response is incomplete.
type ResponseParser struct {
	// Limits limits the head. The zero value means 16 KiB and 128 fields.
	Limits httphead.Limits

	begin    int // start of the current head, after interim ones
	searched int // bytes of it that were searched for its end
	tried    int // bytes of it that were parsed
	interim  int
	final    int               // start of the final head
	head     httphead.Response // views of the last parsed head
	answer   answer
}

// Parse is [ParseResponse] for a response in pieces. While it returns
// [io.ErrUnexpectedEOF], call it again with the same bytes and those that have
// arrived since. The total time of these calls is linear. p may be a different
// slice in each call. After any other result, the next call begins with another
// response.
func (r *ResponseParser) Parse(p []byte, o *Offer) (hs Handshake, n int, err error) {
	if o == nil {
		return Handshake{}, 0, errNilOffer
	}
	if n, err = r.parseHead(p); err != nil {
		return Handshake{}, 0, err
	}
	hs, err = r.answer.check(&r.head, o)
	r.answer = answer{}
	return hs, n, err
}

// maxInterim is the maximum number of interim responses that are skipped (RFC
// 9110, section 15.2).
const maxInterim = 7

// parseHead sets head to the head of the final response, or of status 101. n is
// its size with the interim responses before it.
func (r *ResponseParser) parseHead(p []byte) (n int, err error) {
	for {
		head, ok := r.whole(p[r.begin:])
		if !ok {
			return 0, io.ErrUnexpectedEOF
		}
		r.head.Limits = r.Limits
		n, err := r.head.Parse(head)
		switch {
		case err == io.ErrUnexpectedEOF:
			return 0, err
		case errors.Is(err, httphead.ErrVersion):
			err = fmt.Errorf("%w: %w", ErrMalformedResponse, &answerError{ErrHandshakeBadProtocol, err.Error()})
		case err != nil:
			err = fmt.Errorf("%w: %w", ErrMalformedResponse, err)
		case r.head.Status >= 200 || r.head.Status == http.StatusSwitchingProtocols:
			r.final = r.begin
			n += r.begin
		case r.interim == maxInterim:
			err = fmt.Errorf("%w: too many interim responses", ErrMalformedResponse)
		default:
			r.begin, r.searched, r.tried, r.interim = r.begin+n, 0, 0, r.interim+1
			continue
		}
		r.begin, r.searched, r.tried, r.interim = 0, 0, 0, 0
		return n, err
	}
}

// whole returns the part of p to parse: a complete head, or the first bytes of
// a head, which may already have a fault. It returns an incomplete head again
// only after its length has doubled.
func (r *ResponseParser) whole(p []byte) (head []byte, ok bool) {
	if len(p) == 0 {
		return nil, false
	}
	if r.tried > 0 {
		if end := httphead.End(p, r.searched); end >= 0 {
			return p[:end], true
		}
	}
	r.searched = len(p)
	if r.tried > 0 && len(p)/2 < r.tried && !r.Limits.Exceeded(len(p)) {
		return nil, false
	}
	r.tried = len(p)
	return p, true
}

// CheckResponse compares the head of a response with the offer and returns the
// agreement (RFC 6455, section 4.1). r may come from HTTP/2 or HTTP/3 (RFC
// 8441, RFC 9220): then it holds their status and fields. It does not retain r.
// The errors are those of [ParseResponse].
func CheckResponse(r *httphead.Response, o *Offer) (Handshake, error) {
	switch {
	case r == nil:
		return Handshake{}, errNilResponse
	case o == nil:
		return Handshake{}, errNilOffer
	}
	return new(answer).check(r, o)
}

// answer is the head of a response with the offer that it answers.
type answer struct {
	offer  *Offer
	head   *httphead.Response
	fields headFields // those of head
	result Handshake
}

// answerChecks decide whether a response opens the connection, in the order of
// RFC 6455, section 4.1.
var answerChecks = [...]struct {
	check func(*answer) error
	http1 bool // only for an upgrade
}{
	{(*answer).checkStatus, false},
	{(*answer).checkProtocol, true},
	{(*answer).checkUpgrade, true},
	{(*answer).checkConnection, true},
	{(*answer).checkAccept, true},
	{(*answer).takeExtensions, false},
	{(*answer).takeProtocol, false},
}

func (a *answer) check(head *httphead.Response, o *Offer) (Handshake, error) {
	a.offer, a.head, a.fields = o, head, sortFields(head.Fields)
	for i := range answerChecks {
		if c := &answerChecks[i]; o.http1() || !c.http1 {
			if err := c.check(a); err != nil {
				return Handshake{}, err
			}
		}
	}
	return a.result, nil
}

// answerError reports an invalid response. errors.Is finds its ErrHandshake
// value. It does not unwrap to that value, because that is a
// *ConnectionRejectedError of a server.
type answerError struct {
	kind   error
	detail string
}

func (e *answerError) Error() string { return "ws: bad response from the server: " + e.detail }

func (e *answerError) Is(target error) bool { return target == e.kind }

// fault returns an error with the name of the field and the first bytes of its
// value.
func (a *answer) fault(kind error, field handshakeField) error {
	if a.fields.count[field] == 0 {
		return &answerError{kind, "no " + field.String()}
	}
	var said []byte
	for v := range a.head.Fields.Values(field.String()) {
		if len(said) > 0 {
			said = append(said, ", "...)
		}
		if said = append(said, v[:min(len(v), peertext.Max+1)]...); len(said) > peertext.Max {
			break
		}
	}
	return &answerError{kind, fmt.Sprintf("unexpected %s: %q", field, peertext.Cut(said))}
}

func (a *answer) checkStatus() error {
	accepts := a.head.Status == http.StatusSwitchingProtocols
	if !a.offer.http1() {
		accepts = a.head.Status/100 == 2 // RFC 8441, section 5
	}
	if accepts {
		return nil
	}
	e := rejectedBy(a.head)
	e.causes = append(e.causes, ErrHandshakeBadStatus)
	return e
}

// checkProtocol refuses HTTP/1.0, which has no upgrade (RFC 9110, section 7.8).
func (a *answer) checkProtocol() error {
	if a.head.Major != 1 || a.head.Minor < 1 {
		return &answerError{ErrHandshakeBadProtocol, fmt.Sprintf("HTTP/%d.%d", a.head.Major, a.head.Minor)}
	}
	return nil
}

func (a *answer) checkUpgrade() error {
	if value, ok := a.fields.once(fieldUpgrade); !ok || !bytes.EqualFold(value, []byte("websocket")) {
		return a.fault(ErrHandshakeBadUpgrade, fieldUpgrade)
	}
	return nil
}

func (a *answer) checkConnection() error {
	if !a.fields.connectionUpgrades() {
		return a.fault(ErrHandshakeBadConnection, fieldConnection)
	}
	return nil
}

func (a *answer) checkAccept() error {
	var want [acceptSize]byte
	key := a.offer.key()
	value, ok := a.fields.once(fieldAccept)
	if !ok || !bytes.Equal(value, appendAccept(want[:0], key[:])) {
		return a.fault(ErrHandshakeBadSecAccept, fieldAccept)
	}
	return nil
}

func (a *answer) takeExtensions() error {
	if a.fields.count[fieldExtensions] == 0 {
		return nil
	}
	if len(a.offer.Extensions) == 0 { // nothing is stored
		return a.fault(ErrHandshakeBadExtensions, fieldExtensions)
	}
	var accepted httphead.Option
	for err := range a.head.Fields.ScanOptions(fieldExtensions.String(), &accepted, httphead.OptionLimits{TokenValues: true}) {
		named := func(o httphead.Option) bool { return bytes.Equal(o.Name, accepted.Name) }
		if err != nil || !slices.ContainsFunc(a.offer.Extensions, named) || slices.ContainsFunc(a.result.Extensions, named) {
			return a.fault(ErrHandshakeBadExtensions, fieldExtensions)
		}
		a.result.Extensions = append(a.result.Extensions, accepted.Clone())
	}
	return nil
}

func (a *answer) takeProtocol() error {
	if a.fields.count[fieldProtocol] == 0 {
		return nil
	}
	value, once := a.fields.once(fieldProtocol)
	i := slices.IndexFunc(a.offer.Protocols, func(p string) bool { return p == string(value) })
	if i < 0 || !once {
		return a.fault(ErrHandshakeBadSubProtocol, fieldProtocol)
	}
	a.result.Protocol = a.offer.Protocols[i]
	return nil
}

// rejectedBy returns the error for the head of a refusal.
func rejectedBy(head *httphead.Response) *ConnectionRejectedError {
	status := StatusError(head.Status)
	return &ConnectionRejectedError{
		received: true,
		status:   head.Status,
		reason:   status.Error(),
		header:   HandshakeHeaderBytes(fieldLines(nil, head)),
		body:     []byte{},
		causes:   []error{status},
	}
}

func fieldLines(dst []byte, head *httphead.Response) []byte {
	for _, f := range head.Fields {
		dst, _ = httphead.AppendField(dst, f.Name, f.Value) // valid, because it was parsed
	}
	return dst
}
