package ws

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/wskit/wskit/httphead"
)

// ConnectionRejectedError is a handshake that the server refused. On the
// server's side it says how the refusal was answered; callbacks return one from
// [RejectConnectionError] to choose the answer. On the client's side it holds
// what the server answered, and errors.As finds a [StatusError] in it, too.
type ConnectionRejectedError struct {
	status int
	reason string
	header HandshakeHeader
	body   []byte
	causes []error // for errors.Is and errors.As

	received bool // by a client, as it came
}

// RejectOption sets one part of the answer in [RejectConnectionError].
type RejectOption func(*ConnectionRejectedError)

// RejectionStatus sets the HTTP status. Where it is none of a refusal, below 300 or
// above 599 or 304, which has no body, it is 500.
func RejectionStatus(code int) RejectOption {
	return func(e *ConnectionRejectedError) { e.status = code }
}

// RejectionReason sets the text of the error, which is also the body of the
// answer unless [RejectionBody] sets another one.
func RejectionReason(reason string) RejectOption {
	return func(e *ConnectionRejectedError) { e.reason = reason }
}

// RejectionHeader sets the additional fields of the answer. How the answer is sent
// is not theirs to say: Connection, Content-Length and Transfer-Encoding among them
// are left out.
func RejectionHeader(h HandshakeHeader) RejectOption {
	return func(e *ConnectionRejectedError) { e.header = h }
}

// RejectionBody sets the body of the answer. Its Content-Type is text/plain
// unless [RejectionHeader] says otherwise. It does not copy body.
func RejectionBody(body []byte) RejectOption {
	return func(e *ConnectionRejectedError) { e.body = body }
}

// RejectConnectionError returns a *[ConnectionRejectedError] for a callback of
// [Upgrader] or [HTTPUpgrader] to refuse a handshake with.
func RejectConnectionError(options ...RejectOption) error {
	return reject(options...)
}

func reject(options ...RejectOption) *ConnectionRejectedError {
	e := new(ConnectionRejectedError)
	for _, set := range options {
		set(e)
	}
	return e
}

// rejection returns the answer that err describes, or status 500. The text of any
// other error stays on the server, as does the answer of another server to which a
// callback has connected: it may hold cookies and secrets of that server.
func rejection(err error) *ConnectionRejectedError {
	if described, ok := errors.AsType[*ConnectionRejectedError](err); ok && !described.received {
		return described
	}
	return internalError
}

// RefusalStatus returns the HTTP status with which [Upgrader.Upgrade],
// [HTTPUpgrader.Upgrade] and [AppendRefusal] answer a handshake that failed with err: 500
// unless it wraps a *[ConnectionRejectedError] that no client has received. It returns 0
// for a nil err, and for an error of the connection, over which no refusal went out.
func RefusalStatus(err error) int {
	if _, lost := errors.AsType[*connError](err); lost || err == nil {
		return 0
	}
	return rejection(err).StatusCode()
}

// connError is an error of the connection in a handshake of a server.
type connError struct {
	op  string
	err error
}

func (e *connError) Error() string { return "ws: upgrade: " + e.op + ": " + e.err.Error() }

func (e *connError) Unwrap() error { return e.err }

var internalError = reject(RejectionReason("ws: internal server error"))

// StatusCode returns the HTTP status of the answer.
func (e *ConnectionRejectedError) StatusCode() int {
	if e.received {
		return e.status
	}
	if e.status < 300 || e.status > 599 || e.status == http.StatusNotModified {
		return http.StatusInternalServerError
	}
	return e.status
}

// Error returns the reason, or the status if there is none.
func (e *ConnectionRejectedError) Error() string {
	if e.reason == "" {
		return "ws: handshake rejected: " + statusText(e.StatusCode())
	}
	return e.reason
}

// Unwrap returns what lies behind the refusal, for errors.Is and errors.As.
func (e *ConnectionRejectedError) Unwrap() []error { return e.causes }

// Header returns the fields that [RejectionHeader] set, or on the client's side
// those of the server's answer, as a map of the caller's own. It is nil if the
// fields are malformed.
func (e *ConnectionRejectedError) Header() http.Header {
	fields, err := renderHeader(e.header)
	if err != nil {
		return nil
	}
	h := make(http.Header, len(fields))
	for _, f := range fields {
		h.Add(string(f.Name), string(f.Value))
	}
	return h
}

// Body returns the body of the answer, on the client's side at most its first
// [MaxRefusalBody] bytes. The slice must not be changed.
func (e *ConnectionRejectedError) Body() []byte {
	if e.body == nil {
		return []byte(e.reason)
	}
	return e.body
}

// renderHeader returns the fields that h writes, in memory of their own.
func renderHeader(h HandshakeHeader) (httphead.Fields, error) {
	if h == nil {
		return nil, nil
	}
	var b bytes.Buffer
	if _, err := h.WriteTo(&b); err != nil {
		return nil, err
	}
	return parseFieldBlock(b.Bytes())
}

// answer returns the answer as it goes out: status, all fields but
// Content-Length, body. A header that cannot be sent makes it a plain 500. It
// has the connection closed: what a client sent behind a refused handshake must
// not be read as a request.
func (e *ConnectionRejectedError) answer() (status int, fields httphead.Fields, body []byte) {
	own, err := renderHeader(e.header)
	if err != nil {
		return internalError.answer()
	}
	add := func(name, value string) {
		fields = append(fields, httphead.Field{Name: []byte(name), Value: []byte(value)})
	}
	add("Connection", "close")
	if own.Count("Upgrade") > 0 {
		add("Connection", "Upgrade") // RFC 9110, section 7.8
	}
	if own.Count("Content-Type") == 0 {
		add("Content-Type", "text/plain; charset=utf-8")
		add("X-Content-Type-Options", "nosniff")
	}
	for _, f := range own {
		if fieldOf(f.Name) != fieldConnection && useOf(f.Name) != useFraming { // how the answer is sent is decided here
			fields = append(fields, f)
		}
	}
	return e.StatusCode(), fields, e.Body()
}

// appendTo appends the answer as it goes to a raw connection.
func (e *ConnectionRejectedError) appendTo(dst []byte, withBody bool) []byte {
	status, fields, body := e.answer()
	dst = append(dst, "HTTP/1.1 "+statusText(status)+"\r\n"...)
	for _, f := range fields {
		dst, _ = httphead.AppendField(dst, f.Name, f.Value) // parsed, and so valid
	}
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	if withBody {
		dst = append(dst, body...)
	}
	return dst
}

// serve answers r through net/http. Names keep the spelling that they have on a raw
// connection: net/http sends keys as they are.
func (e *ConnectionRejectedError) serve(w http.ResponseWriter, r *http.Request) {
	status, fields, body := e.answer()
	h := w.Header()
	for name := range h {
		if fields.Count(name) > 0 || useOf([]byte(name)) == useFraming {
			delete(h, name)
		}
	}
	for _, f := range fields {
		if name := string(f.Name); r.ProtoMajor < 2 || !ofConnection(f.Name) {
			h[name] = append(h[name], string(f.Value))
		}
	}
	if announcesBody(r) {
		// net/http waits for the body before it closes the connection. What has
		// not arrived soon is not worth that.
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyGrace))
	}
	w.WriteHeader(status)
	w.Write(body)
}

// ofConnection reports whether a field is about the connection: HTTP/2 and HTTP/3
// have none of those (RFC 9113, section 8.2.2).
func ofConnection(name []byte) bool {
	f := fieldOf(name)
	return f == fieldUpgrade || f == fieldConnection
}

// bodyGrace is how long the body of a refused request may take to arrive.
const bodyGrace = time.Second

func announcesBody(r *http.Request) bool {
	return r.ContentLength != 0 || len(r.TransferEncoding) > 0
}

// StatusError is the status of a server's answer other than 101. It is found by
// errors.As in what a [Dialer] returns.
type StatusError int

// Error names the status.
func (s StatusError) Error() string {
	return "ws: unexpected HTTP response status: " + statusText(int(s))
}

func statusText(code int) string {
	return fmt.Sprintf("%d %s", code, http.StatusText(code))
}

// HandshakeHeader writes additional fields of a handshake: whole lines, each
// "Name: value" and CR LF, and no empty line. What it writes is checked before
// it is sent; a fault in it makes the handshake fail.
type HandshakeHeader interface {
	io.WriterTo
}

// HandshakeHeaderString is a [HandshakeHeader] of lines in a string.
type HandshakeHeaderString string

// WriteTo writes s to w.
func (s HandshakeHeaderString) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, string(s))
	return int64(n), err
}

// HandshakeHeaderBytes is a [HandshakeHeader] of lines in a slice.
type HandshakeHeaderBytes []byte

// WriteTo writes b to w.
func (b HandshakeHeaderBytes) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b)
	return int64(n), err
}

// HandshakeHeaderFunc is a [HandshakeHeader] that a function writes.
type HandshakeHeaderFunc func(io.Writer) (int64, error)

// WriteTo calls f. A nil f writes nothing.
func (f HandshakeHeaderFunc) WriteTo(w io.Writer) (int64, error) {
	if f == nil {
		return 0, nil
	}
	return f(w)
}

// HandshakeHeaderHTTP is a [HandshakeHeader] made of a header of net/http.
type HandshakeHeaderHTTP http.Header

// WriteTo writes the fields of h to w, in no particular order. A name or a value
// that would break the head is an error, and then nothing is written.
func (h HandshakeHeaderHTTP) WriteTo(w io.Writer) (int64, error) {
	var b []byte
	var err error
	for name, values := range h {
		for _, v := range values {
			if b, err = httphead.AppendField(b, name, v); err != nil {
				return 0, err
			}
		}
	}
	n, err := w.Write(b)
	return int64(n), err
}
