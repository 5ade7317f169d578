package ws

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/peertext"
)

// DefaultHandshakeTimeout is the time limit of a handshake if the field Timeout
// of a [Dialer], an [Upgrader] or an [HTTPUpgrader] is 0.
const DefaultHandshakeTimeout = 10 * time.Second

// Handshake is the result of an opening handshake. The caller owns it.
type Handshake struct {
	Protocol   string            // the subprotocol, or ""
	Extensions []httphead.Option // accepted extensions, in the server's order
}

// handshakeField is a field of the opening handshake (RFC 6455, section 11.3).
type handshakeField int

const (
	fieldHost handshakeField = iota
	fieldUpgrade
	fieldConnection
	fieldKey
	fieldVersion
	fieldProtocol
	fieldExtensions
	fieldAccept
	handshakeFields // the number of fields, which stands for any other field
)

var fieldNames = [handshakeFields]string{
	"Host", "Upgrade", "Connection", "Sec-WebSocket-Key",
	"Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Sec-WebSocket-Accept",
}

func (f handshakeField) String() string { return fieldNames[f] }

// fieldBySize maps the size of a name to its field. All names have different
// sizes.
var fieldBySize = func() (by [len("Sec-WebSocket-Extensions") + 1]handshakeField) {
	for size := range by {
		by[size] = handshakeFields
	}
	for f, name := range fieldNames {
		by[len(name)] = handshakeField(f)
	}
	return by
}()

// fieldOf returns the field with this name. The handshake itself reads and
// writes these fields: OnHeader is not called for them, and a [HandshakeHeader]
// must not contain them.
func fieldOf(name []byte) handshakeField {
	if len(name) >= len(fieldBySize) {
		return handshakeFields
	}
	f := fieldBySize[len(name)]
	if f == handshakeFields || !isNamed(name, fieldNames[f]) {
		return handshakeFields
	}
	return f
}

// isNamed reports whether name, which is as long as want, equals want without
// regard to case. It compares the first letter first, because most names differ
// there.
func isNamed(name []byte, want string) bool {
	return name[0]|0x20 == want[0]|0x20 && (string(name) == want || bytes.EqualFold(name, []byte(want)))
}

// headFields are the fields of one head, sorted by name for the checks of the
// handshake.
type headFields struct {
	all   httphead.Fields
	index [handshakeFields]int // of the first field of each name
	count [handshakeFields]int
	size  int // of all fields of the handshake and of Origin, in bytes
}

func sortFields(fields httphead.Fields) (h headFields) {
	h.sort(fields)
	return h
}

// sort sets h to the content of fields.
func (h *headFields) sort(fields httphead.Fields) {
	*h = headFields{}
	h.all = fields
	for i := range fields {
		name, value := fields[i].Name, fields[i].Value
		f := fieldOf(name)
		if f != handshakeFields {
			h.note(f, value, i)
		} else if len(name) != len(fieldOrigin) || !isNamed(name, fieldOrigin) {
			continue
		}
		h.size += fieldSize(name, value)
	}
}

// note records the field at index i. An empty list is treated as absent,
// because some programs always send the field.
func (h *headFields) note(f handshakeField, value []byte, i int) {
	if len(value) == 0 && (f == fieldProtocol || f == fieldExtensions) {
		return
	}
	if h.count[f]++; h.count[f] == 1 {
		h.index[f] = i
	}
}

// of returns a part of the fields that contains all fields named f.
func (h *headFields) of(f handshakeField) httphead.Fields {
	if i := h.index[f]; h.count[f] == 1 {
		return h.all[i : i+1]
	}
	return h.all
}

// fieldSize is the size of a field for [HandshakeLimits].MaxBytes.
func fieldSize[T string | []byte](name []byte, value T) int { return len(name) + len(value) }

// fieldOrigin counts toward [HandshakeLimits].MaxBytes, although only callers
// read it.
const fieldOrigin = "Origin"

// tell calls onHeader, if it is not nil, with the fields that are not part of
// the handshake, with names in canonical form.
func (h *headFields) tell(onHeader func(key, value []byte) error) error {
	if onHeader == nil {
		return nil
	}
	for _, f := range h.all {
		if fieldOf(f.Name) != handshakeFields {
			continue
		}
		httphead.Canonicalize(f.Name)
		if err := onHeader(f.Name, f.Value); err != nil {
			return err
		}
	}
	return nil
}

// once returns the value of a field that must appear exactly once.
func (h *headFields) once(f handshakeField) (value []byte, ok bool) {
	if h.count[f] != 1 {
		return nil, false
	}
	return h.all[h.index[f]].Value, true
}

// validExtension reports whether the values of an extension's parameters are
// tokens (RFC 6455, section 9.1). An empty value counts as no value, because a
// clone of an option does not distinguish them.
func validExtension(o *httphead.Option) bool {
	valid := true
	o.Parameters.ForEach(func(_, value []byte) bool {
		valid = len(value) == 0 || httphead.IsToken(value)
		return valid
	})
	return valid
}

// upgradeFields are in every response of status 426 (RFC 9110, section 15.5.22;
// RFC 6455, section 4.4).
const upgradeFields = HandshakeHeaderString("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")

// Errors of a server about a request. The comment of each has the status of the
// response. [ErrHandshakeBadProtocol], [ErrHandshakeBadUpgrade],
// [ErrHandshakeBadConnection], [ErrHandshakeBadSubProtocol] and
// [ErrHandshakeBadExtensions] are also errors of a client about a response. A
// text that is meant for the program, such as that of [ErrNotHijacker], is not
// sent in the response.
var (
	ErrHandshakeBadProtocol    error = reject(RejectionStatus(http.StatusHTTPVersionNotSupported), RejectionReason("ws: handshake needs HTTP/1.1"))                                                                                                                                      // 505
	ErrHandshakeBadMethod      error = reject(RejectionStatus(http.StatusMethodNotAllowed), RejectionReason("ws: handshake needs method GET"), RejectionHeader(HandshakeHeaderString("Allow: GET\r\n")))                                                                                 // 405
	ErrHandshakeBadHost        error = reject(RejectionStatus(http.StatusBadRequest), RejectionReason("ws: handshake needs one valid Host field"))                                                                                                                                       // 400
	ErrHandshakeBadUpgrade     error = reject(RejectionStatus(http.StatusUpgradeRequired), RejectionReason(`ws: handshake needs "websocket" in field Upgrade`), RejectionHeader(upgradeFields))                                                                                          // 426
	ErrHandshakeBadConnection  error = reject(RejectionStatus(http.StatusUpgradeRequired), RejectionReason(`ws: handshake needs "Upgrade" in field Connection`), RejectionHeader(upgradeFields))                                                                                         // 426
	ErrHandshakeBadSecKey      error = reject(RejectionStatus(http.StatusBadRequest), RejectionReason("ws: handshake needs one Sec-WebSocket-Key of 16 bytes in base64"))                                                                                                                // 400
	ErrHandshakeBadSecVersion  error = reject(RejectionStatus(http.StatusUpgradeRequired), RejectionReason("ws: handshake needs Sec-WebSocket-Version 13"), RejectionHeader(upgradeFields))                                                                                              // 426
	ErrHandshakeBadSubProtocol error = reject(RejectionStatus(http.StatusBadRequest), RejectionReason("ws: malformed or unexpected Sec-WebSocket-Protocol"))                                                                                                                             // 400
	ErrHandshakeBadExtensions  error = reject(RejectionStatus(http.StatusBadRequest), RejectionReason("ws: malformed or unexpected Sec-WebSocket-Extensions"))                                                                                                                           // 400
	ErrMalformedRequest        error = reject(RejectionStatus(http.StatusBadRequest), RejectionReason("ws: malformed HTTP request"))                                                                                                                                                     // 400, or the status of the wrapped [httphead.Error]
	ErrNotHijacker             error = reject(RejectionStatus(http.StatusInternalServerError), RejectionReason("ws: the http.ResponseWriter cannot hand over its connection (it is not an http.Hijacker: HTTP/2, or a middleware without Unwrap)"), RejectionBody(internalError.Body())) // 500

	// ErrHandshakeForeignHost refuses a host that is not in [Upgrader].Hosts,
	// with status 421. ErrHandshakeTooLarge refuses a request over
	// [HandshakeLimits], with status 431.
	ErrHandshakeForeignHost error = reject(RejectionStatus(http.StatusMisdirectedRequest), RejectionReason("ws: this server does not serve the requested host"))
	ErrHandshakeTooLarge    error = reject(RejectionStatus(http.StatusRequestHeaderFieldsTooLarge), RejectionReason("ws: handshake exceeds its limits"))

	// ErrHandshakeNoSubProtocol refuses a request without a subprotocol that
	// the server supports, with status 400: see [Upgrader].RequireProtocol.
	ErrHandshakeNoSubProtocol error = reject(RejectionStatus(http.StatusBadRequest), RejectionReason("ws: handshake needs a subprotocol of the server"))

	// ErrHandshakeUpgradeRequired is another name of
	// [ErrHandshakeBadSecVersion].
	ErrHandshakeUpgradeRequired = ErrHandshakeBadSecVersion
)

// Errors of a server about a request of HTTP/2 or HTTP/3 (RFC 8441, RFC 9220).
var (
	// errExtendedConnect refuses a valid extended CONNECT, because it has no
	// connection to take over.
	errExtendedConnect error = &ConnectionRejectedError{
		status: http.StatusNotImplemented,
		reason: "ws: an extended CONNECT (RFC 8441, RFC 9220) has no connection to take over: use websocket.Accept or ws.HTTPUpgrader.UpgradeStream",
		body:   []byte("ws: this handshake needs HTTP/1.1"),
		causes: []error{ErrHandshakeBadProtocol},
	}
	errNotFlusher = &ConnectionRejectedError{
		reason: "ws: the http.ResponseWriter cannot flush (it is not an http.Flusher: a middleware without Unwrap)",
		body:   internalError.Body(),
	}
	errNotConnect = &ConnectionRejectedError{
		status: http.StatusMethodNotAllowed,
		reason: "ws: handshake over HTTP/2 and HTTP/3 needs an extended CONNECT (RFC 8441, RFC 9220)",
		header: HandshakeHeaderString("Allow: CONNECT\r\n"),
		causes: []error{ErrHandshakeBadMethod},
	}
	errNoTunnel = &ConnectionRejectedError{
		status: http.StatusBadRequest,
		reason: "ws: CONNECT without :protocol asks for a tunnel; a handshake needs :protocol websocket (RFC 8441, section 4)",
		causes: []error{ErrHandshakeBadUpgrade},
	}
	errStrayProtocol = &ConnectionRejectedError{
		status: http.StatusBadRequest,
		reason: "ws: :protocol needs method CONNECT (RFC 8441, section 4)",
		causes: []error{ErrHandshakeBadMethod},
	}
	errNoPath = &ConnectionRejectedError{
		status: http.StatusBadRequest,
		reason: "ws: an extended CONNECT needs :scheme and :path (RFC 8441, section 4)",
		causes: []error{ErrMalformedRequest},
	}
	errStreamVersion = &ConnectionRejectedError{ // 426 would need the field Upgrade
		status: http.StatusBadRequest,
		reason: "ws: handshake needs Sec-WebSocket-Version 13",
		header: HandshakeHeaderString("Sec-WebSocket-Version: 13\r\n"),
		causes: []error{ErrHandshakeBadSecVersion},
	}
)

// Errors of a client about a response, in addition to the five named above.
var (
	ErrHandshakeBadStatus    = errors.New("ws: handshake response status is not 101")
	ErrHandshakeBadSecAccept = errors.New("ws: Sec-WebSocket-Accept is missing or does not match Sec-WebSocket-Key")
	ErrMalformedResponse     = errors.New("ws: malformed HTTP response")
)

// check decides whether r may open a WebSocket connection, in the order of RFC
// 6455, section 4.2.1, or RFC 8441, section 5. Every kind of upgrade calls it,
// and no other code makes these checks. The calls are direct, so that u and r
// need not be on the heap.
func (u *Upgrader) check(r *Request) error {
	upgrade := r.Major <= 1
	if err := r.checkStart(upgrade); err != nil {
		return err
	}
	if err := u.checkHost(r); err != nil {
		return err
	}
	switch h := &r.fields; {
	case !upgrade && !h.version13():
		return errStreamVersion
	case !upgrade: // Sec-WebSocket-Key is ignored
		return nil
	case !h.upgrades():
		return ErrHandshakeBadUpgrade
	case !h.connectionUpgrades():
		return ErrHandshakeBadConnection
	case !h.validKey():
		return ErrHandshakeBadSecKey
	case !h.version13():
		return ErrHandshakeBadSecVersion
	}
	return nil
}

// checkStart checks the version of HTTP and the method.
func (r *Request) checkStart(upgrade bool) error {
	switch {
	case !upgrade:
		return r.checkConnect()
	case r.Major < 1 || r.Minor < 1:
		return ErrHandshakeBadProtocol
	case string(r.Method) != http.MethodGet:
		return ErrHandshakeBadMethod
	}
	return nil
}

// checkConnect checks whether r is an extended CONNECT for a WebSocket (RFC
// 8441, section 4; RFC 9220, section 3).
func (r *Request) checkConnect() error {
	connect := string(r.Method) == http.MethodConnect
	switch {
	case !connect && len(r.Protocol) > 0:
		return errStrayProtocol
	case !connect:
		return errNotConnect
	case len(r.Protocol) == 0:
		return errNoTunnel
	case !bytes.EqualFold(r.Protocol, []byte("websocket")):
		return otherProtocol(r.Protocol)
	case len(r.Target) == 0:
		return errNoPath
	}
	return nil
}

// otherProtocol refuses a :protocol other than websocket (RFC 9220, section 3).
func otherProtocol(protocol []byte) error {
	return &ConnectionRejectedError{
		status: http.StatusNotImplemented,
		reason: fmt.Sprintf("ws: handshake needs :protocol websocket, not %q", peertext.Cut(string(protocol))),
		causes: []error{ErrHandshakeBadUpgrade},
	}
}

// checkHost checks the size of the fields and the host.
func (u *Upgrader) checkHost(r *Request) error {
	switch {
	case r.fields.size > u.Limits.bytes():
		return tooLarge("fields of the handshake", "MaxBytes")
	case !validHost(r.Host):
		return ErrHandshakeBadHost
	case len(u.Hosts) > 0:
		return u.checkHosts(r)
	}
	return nil
}

// checkHosts refuses a host that is not in Hosts. This protects against DNS
// rebinding: the name of a foreign site resolves to this server, so that pages
// of the site have the origin of the server.
func (u *Upgrader) checkHosts(r *Request) error {
	if err := u.Validate(); err != nil {
		return err
	}
	for _, allowed := range u.Hosts {
		if hostMatches(allowed, string(r.Host), r.secure) {
			return nil
		}
	}
	return ErrHandshakeForeignHost
}

// validAllowed reports whether an entry of [Upgrader].Hosts can match a host.
func validAllowed(allowed string) bool {
	name, wild := strings.CutPrefix(allowed, "*.")
	return validHost(name) && name[len(name)-1] != ':' && !strings.Contains(name, "*") && !(wild && name[0] == '[')
}

// hostMatches reports whether host, which is valid, matches allowed: see
// [Upgrader].Hosts.
func hostMatches(allowed, host string, secure bool) bool {
	allowed, want := splitPort(allowed)
	name, port := splitPort(host)
	switch {
	case want == "", want == port:
	case port != "", want != "443" && (secure || want != "80"):
		return false
	}
	if suffix, ok := strings.CutPrefix(allowed, "*."); ok {
		_, name, ok = strings.Cut(name, ".")
		return ok && strings.EqualFold(suffix, name)
	}
	return strings.EqualFold(allowed, name)
}

// splitPort splits a valid host into the name or the address in brackets, and
// the port, which may be empty.
func splitPort(host string) (name, port string) {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i], host[i+1:]
	}
	return host, ""
}

// hostByte holds true for each byte that a host may contain (RFC 3986, section
// 3.2.2).
var hostByte = func() (is [256]bool) {
	for c := byte('0'); c <= 'z'; c++ {
		is[c] = '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c
	}
	for _, c := range []byte("-._~%!$&'()*+,;=") {
		is[c] = true
	}
	return is
}()

// validHost reports whether host is a name or an address in brackets, with an
// optional colon and port (RFC 9110, section 7.2).
func validHost[T string | []byte](host T) bool {
	i := 0
	if len(host) > 0 && host[0] == '[' {
		if i = literalEnd(host); i < 0 {
			return false
		}
	}
	for i < len(host) && hostByte[host[i]] && host[0] != '[' {
		i++
	}
	if i == 0 {
		return false
	}
	if i < len(host) && host[i] == ':' {
		for i++; i < len(host) && '0' <= host[i] && host[i] <= '9'; i++ {
		}
	}
	return i == len(host)
}

// literalEnd returns the index after an IPv6 address in brackets at the start
// of host, or -1 if there is none. The address must not have a zone (RFC 3986,
// section 3.2.2).
func literalEnd[T string | []byte](host T) int {
	const longest = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
	for i := 1; i <= min(longest+1, len(host)-1); i++ {
		if host[i] == ']' {
			if addr, err := netip.ParseAddr(string(host[1:i])); err != nil || !addr.Is6() || addr.Zone() != "" {
				return -1
			}
			return i + 1
		}
	}
	return -1
}

// absoluteHost returns the host of a target in absolute form, which replaces
// the Host field (RFC 9112, section 3.2.2).
func absoluteHost(target []byte) (host []byte, ok bool) {
	if len(target) == 0 || target[0] == '/' {
		return nil, false
	}
	_, rest, ok := bytes.Cut(target, []byte("://"))
	if i := bytes.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[:i]
	}
	return rest, ok
}

// upgrades reports whether websocket is a member of Upgrade.
func (h *headFields) upgrades() bool {
	if value, ok := h.once(fieldUpgrade); ok && string(value) == "websocket" {
		return true // the most common form
	}
	for protocol, err := range h.of(fieldUpgrade).Protocols(fieldUpgrade.String()) {
		if err == nil && bytes.EqualFold(protocol, []byte("websocket")) {
			return true
		}
	}
	return false
}

// connectionUpgrades reports whether Upgrade is a member of Connection.
func (h *headFields) connectionUpgrades() bool {
	value, ok := h.once(fieldConnection)
	return ok && string(value) == "Upgrade" || h.of(fieldConnection).HasToken(fieldConnection.String(), "Upgrade")
}

// validKey reports whether the only Sec-WebSocket-Key is base64 of 16 bytes,
// without decoding it.
func (h *headFields) validKey() bool {
	key, ok := h.once(fieldKey)
	if !ok || len(key) != keySize || string(key[keySize-2:]) != "==" {
		return false
	}
	for _, c := range key[:keySize-2] {
		if !base64Byte[c] {
			return false
		}
	}
	return true
}

// base64Byte holds the alphabet of base64 (RFC 4648, section 4).
var base64Byte = func() (is [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		is[c] = true
	}
	return is
}()

// version13 reports whether Sec-WebSocket-Version is 13. It may appear twice.
func (h *headFields) version13() bool {
	if version, ok := h.once(fieldVersion); ok && string(version) == "13" {
		return true // the most common form
	}
	found := false
	for version, err := range h.of(fieldVersion).Tokens(fieldVersion.String()) {
		if found = err == nil && string(version) == "13"; !found {
			break
		}
	}
	return found
}

// The sizes of a Sec-WebSocket-Key and a Sec-WebSocket-Accept, which are 16 and
// 20 bytes in base64.
const (
	keySize    = 24
	acceptSize = 28
)

// appendAccept appends the value of Sec-WebSocket-Accept for key (RFC 6455,
// section 4.2.2, item 5). key has keySize bytes.
func appendAccept(dst, key []byte) []byte {
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	var b [keySize + len(guid)]byte
	copy(b[copy(b[:], key):], guid)
	sum := sha1.Sum(b[:])
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// appendExtra appends the fields that h writes. It returns an error if they are
// malformed or if the caller may not set them.
func appendExtra(dst []byte, h HandshakeHeader) ([]byte, error) {
	if h == nil {
		return dst, nil
	}
	b := bytes.NewBuffer(dst)
	if _, err := h.WriteTo(b); err != nil {
		return dst, fmt.Errorf("ws: handshake header: %w", err)
	}
	fields, err := parseFieldBlock(b.Bytes()[len(dst):])
	if err != nil {
		return dst, err
	}
	for _, f := range fields {
		if useOf(f.Name)&notInRequest != 0 {
			return dst, fmt.Errorf("ws: handshake header: the caller may not set field %s", f.Name)
		}
	}
	return b.Bytes(), nil
}

// parseFieldBlock parses the output of a HandshakeHeader.
func parseFieldBlock(p []byte) (httphead.Fields, error) {
	fields, n, err := httphead.ParseFields(p, nil, httphead.Limits{MaxBytes: -1, MaxFields: -1})
	if err == nil && n != len(p) {
		err = errors.New("unexpected empty line")
	}
	if err != nil {
		return nil, fmt.Errorf("ws: handshake header: %v", err) // the caller's fault, so it does not wrap the error of httphead
	}
	return fields, nil
}
