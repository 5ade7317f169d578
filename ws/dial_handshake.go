package ws

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/pool/pbufio"

	"github.com/wskit/wskit/httphead"
)

// Upgrade opens a WebSocket connection over conn, which leads to the server of
// the URL already (RFC 6455, section 4.1): it writes the request with one Write
// and reads the answer. br holds the bytes that were read behind the answer, and
// must be read before conn; it is nil if there are none. Upgrade closes nothing, and
// its errors are those of [Dialer.Dial]. It sets no deadline, but for an answer of
// another status than 101: for the body of that it waits a second, where conn has
// SetReadDeadline.
func (d Dialer) Upgrade(conn io.ReadWriter, u *url.URL) (br *bufio.Reader, hs Handshake, err error) {
	s := clientHandshakes.Get().(*clientHandshake)
	defer s.release()
	s.d = d

	if err = s.buildRequest(u); err != nil {
		return nil, Handshake{}, err
	}
	if err = writeWhole(conn, s.out); err != nil {
		return nil, Handshake{}, fmt.Errorf("write request: %w", err)
	}
	br = d.reader(conn)
	if err = s.readAnswer(conn, br); err != nil || br.Buffered() == 0 {
		pbufio.PutReader(br)
		br = nil
	}
	if err != nil {
		return nil, Handshake{}, err
	}
	return br, s.result, nil
}

// reader returns a reader of conn from the pool.
func (d *Dialer) reader(conn io.Reader) *bufio.Reader {
	return pbufio.GetReader(conn, max(16, cmp.Or(d.ReadBufferSize, DefaultClientReadBufferSize)))
}

// clientHandshake is one handshake on the client's side.
type clientHandshake struct {
	d      Dialer
	out    []byte // the request
	nonce  [16]byte
	key    [keySize]byte
	resp   httphead.Response // views into the buffer of the reader
	fields headFields        // those of resp
	result Handshake
}

var clientHandshakes = sync.Pool{New: func() any { return new(clientHandshake) }}

// release forgets all of this handshake but the memory of its buffers.
func (s *clientHandshake) release() {
	if cap(s.out) > keepMost {
		return
	}
	s.resp.Reset()
	*s = clientHandshake{out: s.out[:0], resp: s.resp}
	clientHandshakes.Put(s)
}

// buildRequest makes the request (RFC 6455, section 4.1).
func (s *clientHandshake) buildRequest(u *url.URL) (err error) {
	host := cmp.Or(s.d.Host, hostField(u))
	if !validHost(host) {
		return fmt.Errorf("host %q cannot stand in a request; a name outside ASCII needs its xn-- form", host)
	}
	rand.Read(s.nonce[:])
	base64.StdEncoding.Encode(s.key[:], s.nonce[:])

	out := slices.Grow(s.out[:0], max(0, cmp.Or(s.d.WriteBufferSize, DefaultClientWriteBufferSize)))
	if out, err = httphead.AppendRequestLine(out, http.MethodGet, u.RequestURI()); err != nil {
		return err
	}
	out = append(append(out, "Host: "...), host...)
	out = append(out, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "...)
	out = append(append(out, s.key[:]...), "\r\n"...)
	if out, err = s.appendOffers(out); err != nil {
		return err
	}
	mark := len(out)
	if out, err = appendExtra(out, s.d.Header); err != nil {
		return err
	}
	out = appendAuthorization(out, mark, u.User)
	s.out = append(out, "\r\n"...)
	return nil
}

// appendOffers appends the fields that offer subprotocols and extensions.
func (s *clientHandshake) appendOffers(dst []byte) ([]byte, error) {
	for i, p := range s.d.Protocols {
		if !httphead.IsToken(p) || slices.Contains(s.d.Protocols[:i], p) {
			return dst, fmt.Errorf("ws: Dialer.Protocols: %q is not a token, or there twice", p)
		}
		if i == 0 {
			dst = append(append(dst, fieldProtocol.String()...), ": "...)
		} else {
			dst = append(dst, ", "...)
		}
		dst = append(dst, p...)
	}
	if len(s.d.Protocols) > 0 {
		dst = append(dst, "\r\n"...)
	}
	for i := range s.d.Extensions {
		if o := &s.d.Extensions[i]; !validExtension(o) {
			return dst, fmt.Errorf("ws: Dialer.Extensions: a parameter of %q has a value that is no token", o.Name)
		}
	}
	return appendAgreed(dst, Handshake{Extensions: s.d.Extensions})
}

// appendAuthorization appends the field for the user of a URL, unless the caller's
// fields, which begin at dst[mark], have one.
func appendAuthorization(dst []byte, mark int, user *url.Userinfo) []byte {
	if user == nil {
		return dst
	}
	fields, _ := parseFieldBlock(dst[mark:]) // checked when they were appended
	if fields.Count("Authorization") > 0 {
		return dst
	}
	return appendBasic(dst, "Authorization", user)
}

func appendBasic(dst []byte, field string, user *url.Userinfo) []byte {
	password, _ := user.Password()
	dst = append(append(dst, field...), ": Basic "...)
	dst = base64.StdEncoding.AppendEncode(dst, []byte(user.Username()+":"+password))
	return append(dst, "\r\n"...)
}

// answerChecks are the questions that decide whether an answer opens the
// connection, in the order of RFC 6455, section 4.1.
var answerChecks = [...]func(*clientHandshake) error{
	(*clientHandshake).checkProtocol,
	(*clientHandshake).checkUpgrade,
	(*clientHandshake).checkConnection,
	(*clientHandshake).checkAccept,
	(*clientHandshake).takeExtensions,
	(*clientHandshake).takeProtocol,
	(*clientHandshake).tellCaller,
}

func (s *clientHandshake) readAnswer(conn io.Reader, br *bufio.Reader) error {
	s.resp.Limits = s.d.HeadLimits
	if err := readFinal(br, &s.resp); err != nil {
		return err
	}
	if s.resp.Status != http.StatusSwitchingProtocols {
		return s.rejected(conn, br)
	}
	return s.checkAnswer()
}

// checkAnswer asks the questions of the answer of status 101 in s.resp.
func (s *clientHandshake) checkAnswer() error {
	s.fields = sortFields(s.resp.Fields)
	for _, check := range answerChecks {
		if err := check(s); err != nil {
			return err
		}
	}
	return nil
}

// readFinal reads the head of the final answer, or of 101. A few interim answers
// before it are passed over (RFC 9110, section 15.2).
func readFinal(br *bufio.Reader, resp *httphead.Response) error {
	for range 8 {
		err := resp.Read(br)
		if errors.Is(err, httphead.ErrVersion) {
			err = &answerError{ErrHandshakeBadProtocol, err.Error()}
			return fmt.Errorf("%w: %w", ErrMalformedResponse, err)
		}
		if _, malformed := errors.AsType[*httphead.Error](err); malformed {
			return fmt.Errorf("%w: %w", ErrMalformedResponse, err)
		}
		if err != nil {
			return fmt.Errorf("read response: %w", inside(err))
		}
		if resp.Status >= 200 || resp.Status == http.StatusSwitchingProtocols {
			return nil
		}
	}
	return fmt.Errorf("%w: too many interim answers", ErrMalformedResponse)
}

// answerError is a fault of an answer of status 101. errors.Is finds the value
// that names it; it does not unwrap to that, for what a server answers with when
// it refuses a request says nothing about an answer.
type answerError struct {
	kind   error
	detail string
}

func (e *answerError) Error() string { return "ws: bad answer of the server: " + e.detail }

func (e *answerError) Is(target error) bool { return target == e.kind }

func (s *clientHandshake) fault(kind error, field handshakeField) error {
	if s.fields.count[field] == 0 {
		return &answerError{kind, "no " + field.String()}
	}
	var values []string
	for v := range s.resp.Fields.Values(field.String()) {
		values = append(values, string(v))
	}
	return &answerError{kind, fmt.Sprintf("unexpected %s: %q", field, strings.Join(values, ", "))}
}

// checkProtocol: nothing can be upgraded in HTTP/1.0 (RFC 9110, section 7.8).
func (s *clientHandshake) checkProtocol() error {
	if s.resp.Minor < 1 {
		return &answerError{ErrHandshakeBadProtocol, "HTTP/1.0"}
	}
	return nil
}

func (s *clientHandshake) checkUpgrade() error {
	if value, ok := s.fields.once(fieldUpgrade); !ok || !bytes.EqualFold(value, []byte("websocket")) {
		return s.fault(ErrHandshakeBadUpgrade, fieldUpgrade)
	}
	return nil
}

func (s *clientHandshake) checkConnection() error {
	if !s.fields.connectionUpgrades() {
		return s.fault(ErrHandshakeBadConnection, fieldConnection)
	}
	return nil
}

func (s *clientHandshake) checkAccept() error {
	value, ok := s.fields.once(fieldAccept)
	want := appendAccept(s.out[:0], s.key[:]) // the request has been sent
	if !ok || !bytes.Equal(value, want) {
		return s.fault(ErrHandshakeBadSecAccept, fieldAccept)
	}
	return nil
}

func (s *clientHandshake) takeExtensions() error {
	for accepted, err := range s.resp.Fields.Options(fieldExtensions.String()) {
		named := func(o httphead.Option) bool { return bytes.Equal(o.Name, accepted.Name) }
		if err != nil || !validExtension(&accepted) || !slices.ContainsFunc(s.d.Extensions, named) || slices.ContainsFunc(s.result.Extensions, named) {
			return s.fault(ErrHandshakeBadExtensions, fieldExtensions)
		}
		s.result.Extensions = append(s.result.Extensions, accepted.Clone())
	}
	return nil
}

func (s *clientHandshake) takeProtocol() error {
	if s.fields.count[fieldProtocol] == 0 {
		return nil
	}
	value, once := s.fields.once(fieldProtocol)
	i := slices.IndexFunc(s.d.Protocols, func(p string) bool { return p == string(value) })
	if i < 0 || !once {
		return s.fault(ErrHandshakeBadSubProtocol, fieldProtocol)
	}
	s.result.Protocol = s.d.Protocols[i]
	return nil
}

func (s *clientHandshake) tellCaller() error { return s.fields.tell(s.d.OnHeader) }

// rejected makes the error for an answer of another status than 101, and shows
// it to the caller.
func (s *clientHandshake) rejected(conn io.Reader, br *bufio.Reader) error {
	var e *ConnectionRejectedError
	if s.d.OnStatusError != nil {
		e = rejectedBy(&s.resp)
		reason := bytes.Clone(s.resp.Reason) // the view ends with the next read of br
		s.d.OnStatusError(e.status, reason, io.MultiReader(bytes.NewReader(headOf(&s.resp)), br))
	} else {
		e = rejectedWithBody(&s.resp, conn, br)
	}
	e.causes = append(e.causes, ErrHandshakeBadStatus)
	return e
}

// rejectedBy returns the error that carries the head of resp.
func rejectedBy(resp *httphead.Response) *ConnectionRejectedError {
	status := StatusError(resp.Status)
	return &ConnectionRejectedError{
		received: true,
		status:   resp.Status,
		reason:   status.Error(),
		header:   HandshakeHeaderBytes(fieldLines(nil, resp)),
		body:     []byte{},
		causes:   []error{status},
	}
}

const (
	bodyMost    = 4 << 10     // how much of a body goes into a ConnectionRejectedError
	bodyTimeout = time.Second // how long it is waited for
)

// rejectedWithBody is rejectedBy with the first bytes of the body, or what of them
// arrives soon. br reads from conn, which is of no further use afterwards.
func rejectedWithBody(resp *httphead.Response, conn io.Reader, br *bufio.Reader) *ConnectionRejectedError {
	e, head := rejectedBy(resp), headOf(resp)
	rest := io.LimitReader(br, int64(br.Buffered()))
	if c, ok := conn.(interface{ SetReadDeadline(time.Time) error }); ok && c.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil {
		rest = br
	}
	if full, err := http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(head), rest)), nil); err == nil {
		e.body, _ = io.ReadAll(io.LimitReader(full.Body, bodyMost))
	}
	return e
}

// headOf returns the head of resp in memory of its own.
func headOf(resp *httphead.Response) []byte {
	head := fmt.Appendf(nil, "HTTP/%d.%d %d %s\r\n", resp.Major, resp.Minor, resp.Status, resp.Reason)
	return append(fieldLines(head, resp), "\r\n"...)
}

func fieldLines(dst []byte, resp *httphead.Response) []byte {
	for _, f := range resp.Fields {
		dst, _ = httphead.AppendField(dst, f.Name, f.Value) // parsed, and so valid
	}
	return dst
}
