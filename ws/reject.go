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

// ConnectionRejectedError reports that the server refused a handshake. On the
// server, it describes the response; callbacks return one from
// [RejectConnectionError] to choose the response. On the client, it holds the
// response of the server, and errors.As also finds a [StatusError] in it.
type ConnectionRejectedError struct {
	status int
	reason string
	header HandshakeHeader
	body   []byte
	causes []error // for errors.Is and errors.As

	received bool // by a client, from a server
}

// RejectOption sets one part of the response in [RejectConnectionError].
type RejectOption func(*ConnectionRejectedError)

// RejectionStatus sets the HTTP status. A code below 300, above 599, or 304,
// which has no body, becomes 500.
func RejectionStatus(code int) RejectOption {
	return func(e *ConnectionRejectedError) { e.status = code }
}

// RejectionReason sets the text of the error. It is also the body of the
// response unless [RejectionBody] sets another one.
func RejectionReason(reason string) RejectOption {
	return func(e *ConnectionRejectedError) { e.reason = reason }
}

// RejectionHeader sets additional fields of the response. Fields that affect
// how the response is sent, such as Connection, Content-Length and
// Transfer-Encoding, are omitted.
func RejectionHeader(h HandshakeHeader) RejectOption {
	return func(e *ConnectionRejectedError) { e.header = h }
}

// RejectionBody sets the body of the response. Its Content-Type is text/plain
// unless [RejectionHeader] sets another one. It does not copy body.
func RejectionBody(body []byte) RejectOption {
	return func(e *ConnectionRejectedError) { e.body = body }
}

// RejectConnectionError returns a *[ConnectionRejectedError] with which a
// callback of [Upgrader] or [HTTPUpgrader] refuses a handshake.
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

// rejection returns the response that err describes, or status 500. The text of
// other errors is not sent to the client. Neither is the response of another
// server that a callback has dialed, because it may hold cookies and secrets of
// that server.
func rejection(err error) *ConnectionRejectedError {
	if described, ok := errors.AsType[*ConnectionRejectedError](err); ok && !described.received {
		return described
	}
	return internalError
}

// RefusalStatus returns the HTTP status of the response of [Upgrader.Upgrade],
// [HTTPUpgrader.Upgrade] and [AppendRefusal] to a handshake that failed with
// err. That is 500 unless err wraps a *[ConnectionRejectedError] that was not
// received by a client. RefusalStatus returns 0 if err is nil. It also returns
// 0 for an error of the connection, which prevents a response.
func RefusalStatus(err error) int {
	if _, lost := errors.AsType[*connError](err); lost || err == nil {
		return 0
	}
	return rejection(err).StatusCode()
}

// connError is an error of the connection in a server's handshake.
type connError struct {
	op  string
	err error
}

func (e *connError) Error() string { return "ws: upgrade: " + e.op + ": " + e.err.Error() }

func (e *connError) Unwrap() error { return e.err }

var internalError = reject(RejectionReason("ws: internal server error"))

// StatusCode returns the HTTP status of the response.
func (e *ConnectionRejectedError) StatusCode() int {
	if e.received {
		return e.status
	}
	if e.status < 300 || e.status > 599 || e.status == http.StatusNotModified {
		return http.StatusInternalServerError
	}
	return e.status
}

// Error returns the reason, or the status text if the reason is empty.
func (e *ConnectionRejectedError) Error() string {
	if e.reason == "" {
		return "ws: handshake rejected: " + statusText(e.StatusCode())
	}
	return e.reason
}

// Unwrap returns the causes of the refusal.
func (e *ConnectionRejectedError) Unwrap() []error { return e.causes }

// Header returns the fields of [RejectionHeader]. On the client, it returns the
// fields of the server's response. The caller owns the map. It is nil if the
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

// Body returns the body of the response. On the client, it is cut to the first
// [MaxRefusalBody] bytes. The caller must not modify the slice.
func (e *ConnectionRejectedError) Body() []byte {
	if e.body == nil {
		return []byte(e.reason)
	}
	return e.body
}

// renderHeader returns the fields that h writes, in newly allocated memory.
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

// answer returns the response: its status, all fields except Content-Length,
// and body. If the header is not valid, the response is a plain 500. The
// response closes the connection, because data after a refused handshake must
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
		if fieldOf(f.Name) != fieldConnection && useOf(f.Name) != useFraming { // these fields are set here
			fields = append(fields, f)
		}
	}
	return e.StatusCode(), fields, e.Body()
}

// appendTo appends the response for a raw connection.
func (e *ConnectionRejectedError) appendTo(dst []byte, withBody bool) []byte {
	status, fields, body := e.answer()
	dst = append(dst, "HTTP/1.1 "+statusText(status)+"\r\n"...)
	for _, f := range fields {
		dst, _ = httphead.AppendField(dst, f.Name, f.Value) // valid, because it was parsed
	}
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	if withBody {
		dst = append(dst, body...)
	}
	return dst
}

// serve answers r through net/http. Names are spelled as on a raw connection,
// because net/http sends keys unchanged.
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
		// net/http reads the body of the request before it closes the
		// connection. The deadline limits that wait.
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyGrace))
	}
	w.WriteHeader(status)
	w.Write(body)
}

// ofConnection reports whether a field is specific to the connection. HTTP/2
// and HTTP/3 do not allow such fields (RFC 9113, section 8.2.2).
func ofConnection(name []byte) bool {
	f := fieldOf(name)
	return f == fieldUpgrade || f == fieldConnection
}

// bodyGrace is how long the server waits for the body of a refused request.
const bodyGrace = time.Second

func announcesBody(r *http.Request) bool {
	return r.ContentLength != 0 || len(r.TransferEncoding) > 0
}

// StatusError is the status of a server's response other than 101. Errors of a
// [Dialer] wrap it: use errors.As.
type StatusError int

// Error returns the status in words.
func (s StatusError) Error() string {
	return "ws: unexpected HTTP response status: " + statusText(int(s))
}

func statusText(code int) string {
	return fmt.Sprintf("%d %s", code, http.StatusText(code))
}

// HandshakeHeader writes additional fields of a handshake: complete lines of
// the form "Name: value" and CR LF, without an empty line. They are checked
// before they are sent. If they are not valid, the handshake fails.
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

// HandshakeHeaderFunc is a function that implements [HandshakeHeader].
type HandshakeHeaderFunc func(io.Writer) (int64, error)

// WriteTo calls f. A nil f writes nothing.
func (f HandshakeHeaderFunc) WriteTo(w io.Writer) (int64, error) {
	if f == nil {
		return 0, nil
	}
	return f(w)
}

// HandshakeHeaderHTTP is an [http.Header] that implements [HandshakeHeader].
type HandshakeHeaderHTTP http.Header

// WriteTo writes the fields of h to w, in no particular order. If a name or
// value is not valid, it returns an error and writes nothing.
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
