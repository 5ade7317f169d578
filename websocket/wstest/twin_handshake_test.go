package wstest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const twinLimit = 200_000

// twinServer serves until the test has ended and returns its URL.
func twinServer(t *testing.T, fault string, limit int) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	wait := make(chan struct{})
	go func() { defer close(wait); serveTwins(ln, fault, limit) }()
	t.Cleanup(func() { ln.Close(); <-wait })
	return "ws://" + ln.Addr().String() + "/chat"
}

// serveTwins serves each connection with a twin, until ln is closed and all
// have ended.
func serveTwins(ln net.Listener, fault string, limit int) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer conn.Close()
			tw := &twin{fault: fault, limit: limit, conn: conn, r: bufio.NewReader(conn)}
			if tw.upgrade() {
				tw.serve()
			}
		})
	}
}

// upgrade does the handshake of the server.
func (t *twin) upgrade() bool {
	head, err := t.readHead()
	status, answer := t.judgeRequest(head)
	if err != nil {
		status = 400
	}
	if status != 101 {
		s := "HTTP/1.1 " + statusLine(status) + "\r\nConnection: close\r\nContent-Length: 0\r\n"
		if status == 426 && !t.is("no-version-in-refusal") {
			s += "Sec-WebSocket-Version: 13\r\n"
		}
		t.conn.Write([]byte(s + "\r\n"))
		t.linger()
		return false
	}
	if t.is("loses-early-frames") {
		t.r.Discard(t.r.Buffered())
	}
	t.conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n" + answer + "\r\n"))
	return true
}

// readHead reads a head whose lines may also end in LF.
func (t *twin) readHead() (head []byte, err error) {
	if t.is("head-in-one-read") {
		t.r.Peek(1)
		if b, _ := t.r.Peek(t.r.Buffered()); !bytes.Contains(b, []byte("\r\n\r\n")) {
			return nil, io.ErrUnexpectedEOF
		}
	}
	for !bytes.HasSuffix(head, []byte("\n\r\n")) && !bytes.HasSuffix(head, []byte("\n\n")) {
		line, err := t.r.ReadSlice('\n')
		head = append(head, line...)
		if err != nil && !(err == bufio.ErrBufferFull && t.is("endless-head")) {
			return head, err
		}
		if len(head) > maxHead && !t.is("endless-head") {
			return head, errHeadTooBig
		}
	}
	return head, nil
}

func statusLine(n int) string {
	return strings.TrimSpace(string(rune('0'+n/100))+string(rune('0'+n/10%10))+string(rune('0'+n%10))) + " " + http.StatusText(n)
}

// wellFormed is a list of extensions (RFC 6455, section 9.1), or nothing.
var wellFormed = func() *regexp.Regexp {
	const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
	const element = `\s*` + token + `(\s*;\s*` + token + `(\s*=\s*(` + token + `|"` + token + `"))?)*\s*`
	return regexp.MustCompile(`^(` + element + `(,` + element + `)*)?$`)
}()

// parseHead reads a head strictly.
func (t *twin) parseHead(head []byte) (first string, h textproto.MIMEHeader, ok bool) {
	lenient := t.is("lenient-head")
	if lenient {
		head = bytes.ReplaceAll(bytes.ReplaceAll(head, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	}
	lines := strings.Split(strings.TrimSuffix(string(head), "\r\n\r\n"), "\r\n")
	if strings.Contains(strings.ReplaceAll(string(head), "\r\n", ""), "\n") {
		return "", nil, false
	}
	h = textproto.MIMEHeader{}
	for i, line := range lines[1:] {
		name, value, found := strings.Cut(line, ":")
		token := name != "" && strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
		switch {
		case lenient:
		case !found || !token || strings.ContainsAny(value, "\r\n\x00"),
			t.is("fields-in-order") && i == 0 && !strings.EqualFold(name, "Host") && !strings.EqualFold(name, "Upgrade"),
			t.is("knows-few-fields") && !strings.HasPrefix(name, "Sec-WebSocket-") && !slices.Contains([]string{"Host", "Upgrade", "Connection"}, name),
			t.is("names-case") && textproto.CanonicalMIMEHeaderKey(name) != strings.Replace(name, "WebSocket", "Websocket", 1):
			return "", nil, false
		}
		if !t.is("no-trim") {
			value = strings.Trim(value, " \t")
		}
		h.Add(name, strings.TrimPrefix(value, " "))
	}
	return lines[0], h, lenient || !strings.ContainsAny(lines[0], "\r\n\x00")
}

func (t *twin) judgeRequest(head []byte) (status int, answer string) {
	if t.is("takes-bare-lf") {
		head = bytes.ReplaceAll(bytes.ReplaceAll(head, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	}
	first, h, ok := t.parseHead(head)
	parts := strings.Split(first, " ")
	if t.is("lenient-head") && len(parts) > 1 {
		parts = []string{"GET", "/", parts[len(parts)-1]}
	}
	switch {
	case !ok || len(parts) != 3 || !strings.HasPrefix(parts[1], "/") && !strings.HasPrefix(parts[1], "http://"),
		t.is("paths-alone") && (parts[1][0] != '/' || strings.Contains(parts[1], "?")):
		return 400, ""
	}
	hosts, keys, versions := h["Host"], h["Sec-Websocket-Key"], h["Sec-Websocket-Version"]
	if t.is("takes-two-keys") && len(keys) > 1 {
		keys = keys[:1]
	}
	key := strings.Join(keys, "?")
	raw, err := base64.StdEncoding.Strict().DecodeString(key)
	switch {
	case parts[0] != "GET" && !t.is("any-method"):
		return 405, ""
	case parts[2] != "HTTP/1.1" && !(t.is("any-http-version") && strings.HasPrefix(parts[2], "HTTP/")) && !t.is("any-protocol"):
		return 400, ""
	case (len(hosts) != 1 || strings.Contains(hosts[0], " ")) && !t.is("no-host"):
		return 400, ""
	case h.Get("Content-Length") != "" || h.Get("Transfer-Encoding") != "":
		if !t.is("body-as-frames") {
			return 400, ""
		}
	case !t.is("no-upgrade-check") && !hasToken(http.Header(h), "Upgrade", "websocket"),
		t.is("upgrade-case") && h.Get("Upgrade") != "websocket":
		return 400, ""
	case !t.is("no-connection-check") && !t.upgradeAsked(h):
		return 400, ""
	case (err != nil || len(raw) != 16) && !t.is("no-key-check"):
		return 400, ""
	case !wellFormed.MatchString(strings.Join(h["Sec-Websocket-Extensions"], ",")) && !t.is("takes-malformed-lists"):
		return 400, ""
	case !slices.Equal(versions, []string{"13"}) && !t.is("no-version-check"):
		return 426, ""
	}
	return 101, t.answer(h, key)
}

func (t *twin) upgradeAsked(h textproto.MIMEHeader) bool {
	switch t.fault {
	case "connection-substring":
		return strings.Contains(strings.ToLower(strings.Join(h["Connection"], ",")), "upgrade")
	case "connection-whole":
		return strings.EqualFold(h.Get("Connection"), "upgrade")
	case "connection-case":
		return strings.Contains(strings.Join(h["Connection"], ","), "Upgrade")
	}
	return hasToken(http.Header(h), "Connection", "upgrade")
}

func (t *twin) answer(h textproto.MIMEHeader, key string) string {
	accept := acceptOf(key)
	if t.is("constant-accept") {
		accept = acceptOf("dGhlIHNhbXBsZSBub25jZQ==")
	}
	s := "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n"
	if t.is("no-upgrade-in-answer") {
		s = "Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + "\r\n"
	}
	offered := list1(h["Sec-Websocket-Protocol"])
	switch {
	case t.is("always-a-subprotocol"):
		s += "Sec-WebSocket-Protocol: chat2\r\n"
	case t.is("echoes-subprotocols") && len(offered) > 0:
		s += "Sec-WebSocket-Protocol: " + strings.Join(offered, ", ") + "\r\n"
	case slices.Contains(offered, "chat"):
		s += "Sec-WebSocket-Protocol: chat\r\n"
	}
	extensions := strings.Join(h["Sec-Websocket-Extensions"], ",")
	if t.is("echoes-extensions") && extensions != "" {
		return s + "Sec-WebSocket-Extensions: " + extensions + "\r\n"
	}
	if agreed := t.takeOffer(extensions); agreed != "" {
		s += "Sec-WebSocket-Extensions: " + agreed + "\r\n"
	}
	return s
}

// twinClient is a client for RunClient that dials as the options say.
func twinClient(fault string, limit int, o *Options) func(string) error {
	o = o.orDefaults()
	return func(base string) error {
		return drive(context.Background(), o, base, 16, func(ctx context.Context, raw string) error {
			u, err := url.Parse(raw)
			if err != nil {
				return err
			}
			conn, err := o.Dial(ctx, "tcp", u.Host)
			if err == nil {
				serveCase(conn, u, fault, limit)
			}
			return err
		})
	}
}

// serveCase is one case of a client.
func serveCase(conn net.Conn, u *url.URL, fault string, limit int) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	tw := &twin{fault: fault, client: true, limit: limit, conn: conn, r: bufio.NewReader(conn)}
	if tw.connect(u) {
		tw.serve()
	}
}

const twinOffer = deflateName + "; client_max_window_bits"

// connect does the handshake of the client.
func (t *twin) connect(u *url.URL) bool {
	key := newKey()
	version := "13"
	offer := twinOffer
	switch t.fault {
	case "takes-client-bits":
		offer = deflateName
	case "short-key":
		key = "c2hvcnQ="
	case "old-version":
		version = "8"
	}
	t.conn.Write([]byte("GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + key + "\r\nSec-WebSocket-Version: " + version + "\r\nSec-WebSocket-Protocol: chat\r\n" +
		"Sec-WebSocket-Extensions: " + offer + "\r\n\r\n"))
	if t.is("sends-early") {
		t.write(text("early"))
	}
	head, err := t.readHead()
	for err == nil && !t.is("takes-interim") && (bytes.HasPrefix(head, []byte("HTTP/1.1 100")) || bytes.HasPrefix(head, []byte("HTTP/1.1 102")) || bytes.HasPrefix(head, []byte("HTTP/1.1 103"))) {
		head, err = t.readHead()
	}
	if err != nil {
		t.hold()
		return false
	}
	if t.is("loses-early-frames") {
		t.r.Peek(1)
		t.r.Discard(t.r.Buffered())
	}
	return t.judgeAnswer(head, key)
}

func (t *twin) judgeAnswer(head []byte, key string) bool {
	first, h, ok := t.parseHead(head)
	status := strings.HasPrefix(first, "HTTP/1.1 101 ")
	if t.is("compares-reason") {
		status = first == "HTTP/1.1 101 Switching Protocols"
	}
	accept := h["Sec-Websocket-Accept"]
	protocols := h["Sec-Websocket-Protocol"]
	switch {
	case !ok,
		!status && !t.is("any-status"),
		!hasToken(http.Header(h), "Upgrade", "websocket") && !t.is("no-upgrade-check"),
		!t.upgradeAsked(h) && !t.is("no-connection-check"),
		t.is("upgrade-case") && h.Get("Upgrade") != "websocket", t.is("compares-accept-with-key") && h.Get("Sec-Websocket-Accept") != key,
		!slices.Equal(accept, []string{acceptOf(key)}) && !t.is("no-accept-check") && !(t.is("accept-case") && strings.EqualFold(strings.Join(accept, ""), acceptOf(key))) &&
			!(t.is("accept-begins") && len(accept) == 1 && accept[0] != "" && strings.HasPrefix(acceptOf(key), accept[0])),
		len(protocols) > 0 && !slices.Equal(protocols, []string{"chat"}) && !t.is("any-subprotocol"):
		return false
	}
	header := strings.Join(h["Sec-Websocket-Extensions"], ", ")
	list := parseExtensions(header)
	if header == "" || t.is("any-extension") && list[0].name != deflateName {
		return true
	}
	if len(list) > 1 && !t.is("any-extension") || list[0].name != deflateName {
		return false
	}
	d, err := parseDeflate(list[0], false)
	if err != nil && !t.is("takes-bad-params") {
		return false
	}
	t.use(d)
	return true
}
