package ws

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/race"
)

// chromeRequest is a request as a browser sends it: 14 fields, a cookie, an
// offer of compression.
const chromeRequest = "GET /chat?room=42 HTTP/1.1\r\n" +
	"Host: server.example.com:8080\r\n" +
	"Connection: Upgrade\r\n" +
	"Pragma: no-cache\r\n" +
	"Cache-Control: no-cache\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36\r\n" +
	"Upgrade: websocket\r\n" +
	"Origin: http://server.example.com:8080\r\n" +
	"Sec-WebSocket-Version: 13\r\n" +
	"Accept-Encoding: gzip, deflate\r\n" +
	"Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n" +
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; lang=en\r\n" +
	"DNT: 1\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
	"\r\n"

// sampleAnswer is the response to the key of RFC 6455, section 1.3, without
// subprotocol and extensions.
const sampleAnswer = "HTTP/1.1 101 Switching Protocols\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
	"\r\n"

// request returns the shortest valid request, with fields replaced, omitted
// (value "-") or added.
func request(line string, change ...string) string {
	fields := []string{"Host", "a.example", "Upgrade", "websocket", "Connection", "Upgrade",
		"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version", "13"}
	for i := 0; i < len(change); i += 2 {
		if at := slices.Index(fields, change[i]); at >= 0 {
			fields[at+1] = change[i+1]
		} else {
			fields = append(fields, change[i], change[i+1])
		}
	}
	var b strings.Builder
	b.WriteString(line + "\r\n")
	for i := 0; i < len(fields); i += 2 {
		if fields[i+1] != "-" {
			b.WriteString(fields[i] + ": " + fields[i+1] + "\r\n")
		}
	}
	b.WriteString("\r\n")
	return b.String()
}

const getLine = "GET / HTTP/1.1"

// script is a connection that reads given bytes and records written ones.
type script struct {
	io.Reader
	countingWriter
}

func (s *script) Read(p []byte) (int, error) { return s.Reader.Read(p) }

func scripted(in string) *script { return &script{Reader: strings.NewReader(in)} }

// answerOf parses written bytes as an HTTP response.
func answerOf(t *testing.T, written []byte) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(written)), nil)
	require.NoError(t, err, "%q", written)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

func TestUpgradeSample_RFC6455_1_3(t *testing.T) {
	for _, in := range []string{chromeRequest, request(getLine)} {
		conn := scripted(in)
		hs, err := Upgrade(conn)
		require.NoError(t, err)
		require.Equal(t, Handshake{}, hs)
		require.Equal(t, sampleAnswer, conn.String())
		require.Equal(t, 1, conn.writes)
	}
}

// The checks of section 4.2.1, by the raw upgrade and under net/http alike.
var requestCases = []struct {
	name    string
	request string
	status  int
	err     error
}{
	{"in order", request(getLine), 101, nil},
	{"names and tokens in any case", strings.NewReplacer("Upgrade: websocket", "uPGRADE: WebSocket", "Connection: Upgrade", "CONNECTION: uPgRaDe").Replace(request(getLine)), 101, nil},
	{"lists", request(getLine, "Upgrade", "h2c, websocket", "Connection", "keep-alive, Upgrade"), 101, nil},
	{"lists with empty elements", request(getLine, "Connection", "keep-alive, , Upgrade"), 101, nil},
	{"lists over several lines", request(getLine, "Connection", "keep-alive", "connection", "Upgrade"), 101, nil},
	{"absolute form", request("GET http://a.example/chat HTTP/1.1"), 101, nil},

	{"protocols with versions", request(getLine, "Upgrade", "h2c, foo/2, websocket"), 101, nil},

	{"Upgrade to a version", request(getLine, "Upgrade", "websocket/13"), 426, ErrHandshakeBadUpgrade},
	{"quoted value is no token", request(getLine, "Sec-WebSocket-Extensions", `a; b="1,2"`), 400, ErrHandshakeBadExtensions},
	{"empty value is no token", request(getLine, "Sec-WebSocket-Extensions", `a; b=""`), 400, ErrHandshakeBadExtensions},
	{"method POST", request("POST / HTTP/1.1"), 405, ErrHandshakeBadMethod},
	{"method get", request("get / HTTP/1.1"), 405, ErrHandshakeBadMethod},
	{"HTTP/1.0", request("GET / HTTP/1.0"), 505, ErrHandshakeBadProtocol},
	{"no Host", request(getLine, "Host", "-"), 400, ErrHandshakeBadHost},
	{"no Upgrade", request(getLine, "Upgrade", "-"), 426, ErrHandshakeBadUpgrade},
	{"other Upgrade", request(getLine, "Upgrade", "h2c"), 426, ErrHandshakeBadUpgrade},
	{"longer Upgrade", request(getLine, "Upgrade", "websockets"), 426, ErrHandshakeBadUpgrade},
	{"no Connection", request(getLine, "Connection", "-"), 426, ErrHandshakeBadConnection},
	{"other Connection", request(getLine, "Connection", "keep-alive"), 426, ErrHandshakeBadConnection},
	{"no key", request(getLine, "Sec-WebSocket-Key", "-"), 400, ErrHandshakeBadSecKey},
	{"empty key", request(getLine, "Sec-WebSocket-Key", ""), 400, ErrHandshakeBadSecKey},
	{"key of 15 bytes", request(getLine, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j"), 400, ErrHandshakeBadSecKey},
	{"key of 17 bytes", request(getLine, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQA="), 400, ErrHandshakeBadSecKey},
	{"key of 18 bytes", request(getLine, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQAA"), 400, ErrHandshakeBadSecKey},
	{"key not base64", request(getLine, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j*Q=="), 400, ErrHandshakeBadSecKey},
	{"key without padding", request(getLine, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), 400, ErrHandshakeBadSecKey},
	{"key twice", request(getLine, "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), 400, ErrHandshakeBadSecKey},
	{"no version", request(getLine, "Sec-WebSocket-Version", "-"), 426, ErrHandshakeBadSecVersion},
	{"empty version", request(getLine, "Sec-WebSocket-Version", ""), 426, ErrHandshakeUpgradeRequired},
	{"version 7", request(getLine, "Sec-WebSocket-Version", "7"), 426, ErrHandshakeUpgradeRequired},
	{"version 8", request(getLine, "Sec-WebSocket-Version", "8"), 426, ErrHandshakeUpgradeRequired},
	{"version 013", request(getLine, "Sec-WebSocket-Version", "013"), 426, ErrHandshakeUpgradeRequired},
	{"versions 13, 8", request(getLine, "Sec-WebSocket-Version", "13, 8"), 426, ErrHandshakeUpgradeRequired},
	{"version 13 twice", request(getLine, "sec-websocket-version", "13"), 101, nil},
	{"version 13 twice in one line", request(getLine, "Sec-WebSocket-Version", "13, 13"), 101, nil},
	{"empty subprotocols", request(getLine, "Sec-WebSocket-Protocol", ""), 101, nil},
	{"empty extensions", request(getLine, "Sec-WebSocket-Extensions", " "), 101, nil},
	{"empty lists beside good ones", request(getLine, "Sec-WebSocket-Extensions", "", "sec-websocket-extensions", "a", "Sec-WebSocket-Protocol", "b", "sec-websocket-protocol", ""), 101, nil},
	{"version twice", request(getLine, "sec-websocket-version", "8"), 426, ErrHandshakeUpgradeRequired},
	{"malformed subprotocols", request(getLine, "Sec-WebSocket-Protocol", "a b"), 400, ErrHandshakeBadSubProtocol},
	{"malformed extensions", request(getLine, "Sec-WebSocket-Extensions", "a; =b"), 400, ErrHandshakeBadExtensions},
	{"subprotocols of commas", request(getLine, "Sec-WebSocket-Protocol", strings.Repeat(",", 8000)), 400, ErrHandshakeBadSubProtocol},
	{"extensions of semicolons", request(getLine, "Sec-WebSocket-Extensions", strings.Repeat(";", 8000)), 400, ErrHandshakeBadExtensions},
	{"body by Content-Length", request(getLine, "Content-Length", "5"), 400, ErrMalformedRequest},
	{"body by Transfer-Encoding", request(getLine, "Transfer-Encoding", "chunked"), 400, ErrMalformedRequest},
}

// rawCases are refused by the parser of the head; net/http has its own.
var rawCases = []struct {
	name    string
	request string
	status  int
	err     error
}{
	{"bad escape in the path", request("GET /%zz HTTP/1.1"), 400, ErrMalformedRequest},
	{"bad escape in the host", request("GET http://exampl%.com/ HTTP/1.1"), 400, ErrMalformedRequest},
	{"Host is no address", request(getLine, "Host", "[1.2.3.4]"), 400, ErrHandshakeBadHost},
	{"Host with a zone", request(getLine, "Host", "[fe80::1%25eth0]"), 400, ErrHandshakeBadHost},
	{"absolute form without a Host", request("GET http://a.example/ HTTP/1.1", "Host", "-"), 400, ErrHandshakeBadHost},
	{"Host with a bad byte", request(getLine, "Host", "a b"), 400, ErrHandshakeBadHost},
	{"Host of brackets", request(getLine, "Host", "[[["), 400, ErrHandshakeBadHost},
	{"Host with a user", request(getLine, "Host", "a@b"), 400, ErrHandshakeBadHost},
	{"Host with a bad port", request(getLine, "Host", "a:8x"), 400, ErrHandshakeBadHost},
	{"Host is a port", request(getLine, "Host", ":80"), 400, ErrHandshakeBadHost},
	{"absolute form with a bad host", request("GET http://a@b/ HTTP/1.1"), 400, ErrHandshakeBadHost},
	{"Host empty", request(getLine, "Host", ""), 400, ErrHandshakeBadHost},
	{"Host twice", request(getLine, "host", "b.example"), 400, ErrMalformedRequest},
	{"HTTP/2.0", request("GET / HTTP/2.0"), 505, ErrHandshakeBadProtocol},
	{"no HTTP", request("GET /"), 400, ErrMalformedRequest},
	{"bare LF", strings.ReplaceAll(request(getLine), "\r\n", "\n"), 400, ErrMalformedRequest},
	{"space before the colon", request(getLine, "X-A ", "b"), 400, ErrMalformedRequest},
	{"obs-fold", request(getLine, "X-A", "b\r\n c"), 400, ErrMalformedRequest},
	{"NUL", request(getLine, "X-A", "b\x00c"), 400, ErrMalformedRequest},
	{"endless target", "GET /" + strings.Repeat("x", 20_000), 414, ErrMalformedRequest},
	{"endless field", getLine + "\r\nX-A: " + strings.Repeat("x", 20_000), 431, ErrMalformedRequest},
	{"too many fields", getLine + "\r\n" + strings.Repeat("X-A: b\r\n", 129) + "\r\n", 431, ErrMalformedRequest},
	{"TLS instead of HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, ErrMalformedRequest},
}

func TestUpgradeChecks_RFC6455_4_2_1(t *testing.T) {
	for _, tt := range append(slices.Clone(requestCases), rawCases...) {
		t.Run(tt.name, func(t *testing.T) {
			conn := scripted(tt.request)
			_, err := Upgrade(conn)
			resp, body := answerOf(t, conn.Bytes())
			require.Equal(t, tt.status, resp.StatusCode)
			require.Equal(t, 1, conn.writes)
			if tt.err == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, tt.err)
			var refusal *ConnectionRejectedError
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, tt.status, refusal.StatusCode())
			require.Equal(t, body, string(refusal.Body()))
			checkRefusal(t, conn.Bytes())
		})
	}
}

// checkRefusal checks the common properties of refusals.
func checkRefusal(t *testing.T, answer []byte) {
	t.Helper()
	resp, body := answerOf(t, answer)
	require.NotEmpty(t, body, "the answer says what was wrong")
	require.True(t, resp.Close, "nothing behind a refused request is read")
	require.Equal(t, "text/plain; charset=utf-8", resp.Header.Get("Content-Type"))
	switch resp.StatusCode {
	case 426:
		require.Equal(t, "13", resp.Header.Get("Sec-WebSocket-Version"))
		require.Equal(t, "websocket", resp.Header.Get("Upgrade"))
		require.Contains(t, string(answer), "\r\nConnection: Upgrade\r\n", "as RFC 9110, section 7.8 asks for")
	case 405:
		require.Equal(t, "GET", resp.Header.Get("Allow"))
	}
}

// A connection that ends early or fails gets no response, and its error is
// returned.
func TestUpgradeOfABrokenConnection(t *testing.T) {
	for n := range len(chromeRequest) {
		conn := scripted(chromeRequest[:n])
		_, err := Upgrade(conn)
		if n == 0 {
			require.ErrorIs(t, err, io.EOF)
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes", n)
		}
		require.Zero(t, conn.writes)
	}
	broken := errors.New("broken")
	conn := &script{Reader: io.MultiReader(strings.NewReader("GET"), iotest.ErrReader(broken))}
	_, err := Upgrade(conn)
	require.ErrorIs(t, err, broken)

	conn = scripted(chromeRequest)
	conn.failAt = 1
	_, err = Upgrade(conn)
	require.ErrorIs(t, err, errWrite)
}

// noProgress reads nothing and returns no error.
type noProgress struct{ io.Writer }

func (noProgress) Read([]byte) (int, error) { return 0, nil }

func TestUpgradeOfAReaderWithoutProgress(t *testing.T) {
	_, err := Upgrade(noProgress{io.Discard})
	require.ErrorIs(t, err, io.ErrNoProgress)
}

// Frames that the client sent right after its request are read from the
// connection, for any cut of the bytes and any order of the fields.
func TestUpgradeTakesNothingBehindTheRequest(t *testing.T) {
	frames := string(AppendFrame(nil, MaskFrame(NewTextFrame([]byte("early")))))
	reversed := func(s string) string {
		lines := strings.SplitAfter(strings.TrimSuffix(s, "\r\n"), "\r\n")
		slices.Reverse(lines[1 : len(lines)-1])
		return strings.Join(lines, "") + "\r\n"
	}
	requests := map[string]string{
		"browser": chromeRequest, "browser, reversed": reversed(chromeRequest),
		"least": request(getLine), "least, reversed": reversed(request(getLine)),
		"least of all":     "GET / HTTP/1.1\r\nHost:a\r\nUpgrade:websocket\r\nConnection:Upgrade\r\nSec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version:13\r\n\r\n",
		"similar names":    request(getLine, "Sec-WebSocket-Ke", "x", "Sec-WebSocket-Keys", "x", "Hos", "x", "Upgrad", "x"),
		"empty line first": "\r\n" + request(getLine),
	}
	for name, in := range requests {
		for cut := range len(in) {
			whole := in + frames
			r := io.MultiReader(strings.NewReader(whole[:cut]), strings.NewReader(whole[cut:]))
			conn := &script{Reader: r}
			_, err := Upgrade(conn)
			require.NoError(t, err, "%s, cut at %d", name, cut)
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, frames, string(rest), "%s, cut at %d", name, cut)
		}
		r := strings.NewReader(in + frames)
		_, err := Upgrade(&script{Reader: iotest.OneByteReader(r)})
		require.NoError(t, err, name)
		require.Equal(t, len(frames), r.Len(), name)

		br := bufio.NewReader(strings.NewReader(in + frames))
		var answer bytes.Buffer
		_, err = Upgrade(bufio.NewReadWriter(br, bufio.NewWriter(&answer)))
		require.NoError(t, err, name)
		require.Equal(t, sampleAnswer, answer.String(), "flushed")
		rest, err := io.ReadAll(br)
		require.NoError(t, err)
		require.Equal(t, frames, string(rest), name)
	}
}

// pair returns the two ends of a TCP connection on loopback.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no loopback network: ", err)
	}
	defer ln.Close()
	client, err = net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	server, err = ln.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestUpgradeOnASocketTakesNothingBehindTheRequest(t *testing.T) {
	frame := MaskFrame(NewTextFrame([]byte("early")))
	whole := AppendFrame([]byte(chromeRequest), frame)
	for _, cut := range []int{0, 1, 100, len(chromeRequest) - 4, len(chromeRequest) - 1, len(chromeRequest), len(chromeRequest) + 3} {
		client, server := pair(t)
		sent := make(chan error, 1)
		go func() {
			_, err := client.Write(whole[:cut])
			if err == nil {
				_, err = client.Write(whole[cut:])
			}
			sent <- err
		}()
		_, err := Upgrade(server)
		require.NoError(t, err)
		require.NoError(t, <-sent)
		got, err := ReadFrame(server)
		require.NoError(t, err)
		require.Equal(t, frame, got)
		answer := make([]byte, len(sampleAnswer))
		_, err = io.ReadFull(client, answer)
		require.NoError(t, err)
		require.Equal(t, sampleAnswer, string(answer))
	}
}

func TestUpgradeOnASocketThatEnds(t *testing.T) {
	for _, n := range []int{0, 1, 100, len(chromeRequest) - 1} {
		client, server := pair(t)
		_, err := io.WriteString(client, chromeRequest[:n])
		require.NoError(t, err)
		client.Close()
		_, err = Upgrade(server)
		if n == 0 {
			require.ErrorIs(t, err, io.EOF)
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	}
	client, server := pair(t)
	_, err := io.WriteString(client, "GET / HTTP/1.1\r\n"+strings.Repeat("X-A: b\r\n", 5000))
	require.NoError(t, err)
	_, err = Upgrade(server)
	var refusal *ConnectionRejectedError
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, 431, refusal.StatusCode())

	client, server = pair(t)
	require.NoError(t, server.SetReadDeadline(time.Unix(1, 0)))
	_, err = Upgrader{Timeout: -1}.Upgrade(server)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	client.Close()
}

// One byte every ten seconds does not hold a connection for longer than the
// timeout. A request in time is served, and no deadline is left.
func TestUpgradeTimeout(t *testing.T) {
	for bound, u := range map[time.Duration]Upgrader{30 * time.Second: {Timeout: 30 * time.Second}, DefaultHandshakeTimeout: {}, -1: {Timeout: -1}} {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			defer server.Close()
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				go io.Copy(io.Discard, client)
				for i := range len(chromeRequest) {
					if _, err := client.Write([]byte{chromeRequest[i]}); err != nil {
						return
					}
					time.Sleep(10 * time.Second)
				}
			}()
			began := time.Now()
			_, err := u.Upgrade(server)
			if u.Timeout < 0 {
				require.NoError(t, err, "no bound")
			} else {
				var timeout net.Error
				require.ErrorAs(t, err, &timeout)
				require.True(t, timeout.Timeout())
				require.Equal(t, bound, time.Since(began))
			}
			server.Close()
			<-gone
		})
	}
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		defer server.Close()
		go func() {
			io.WriteString(client, chromeRequest)
			io.ReadFull(client, make([]byte, len(sampleAnswer)))
			time.Sleep(time.Hour)
			client.Write(AppendFrame(nil, NewPingFrame(nil)))
		}()
		_, err := Upgrader{Timeout: 30 * time.Second}.Upgrade(server)
		require.NoError(t, err)
		_, err = ReadFrame(server)
		require.NoError(t, err, "the deadline was lifted")
	})
	_, err := Upgrader{Timeout: time.Second}.Upgrade(scripted(chromeRequest))
	require.ErrorContains(t, err, "SetDeadline", "a bound that cannot be kept is an error")
}

func TestUpgradeSubprotocol_RFC6455_4_2_2(t *testing.T) {
	in := request(getLine, "Sec-WebSocket-Protocol", "soap, wamp", "sec-websocket-protocol", "chat")
	for _, tt := range []struct {
		name   string
		u      Upgrader
		chosen string
		status int
	}{
		{"none asked for", Upgrader{}, "", 101},
		{"first match in the client's order", Upgrader{Protocol: SelectFromSliceBytes("chat", "wamp")}, "wamp", 101},
		{"on the second line", Upgrader{Protocol: SelectFromSliceBytes("chat")}, "chat", 101},
		{"no match", Upgrader{Protocol: SelectFromSliceBytes("mqtt")}, "", 101},
		{"custom", Upgrader{ProtocolCustom: func(v []byte) (string, bool) { return "wamp", true }}, "wamp", 101},
		{"custom, second value", Upgrader{ProtocolCustom: func(v []byte) (string, bool) {
			if string(v) == "chat" {
				return "chat", true
			}
			return "", true
		}}, "chat", 101},
		{"custom, none", Upgrader{ProtocolCustom: func(v []byte) (string, bool) { return "", true }}, "", 101},
		{"custom, malformed", Upgrader{ProtocolCustom: func(v []byte) (string, bool) { return "", false }}, "", 400},
		{"custom, list malformed behind it", Upgrader{ProtocolCustom: func(v []byte) (string, bool) { return "soap", true }}, "", 400},
		{"custom, not offered", Upgrader{ProtocolCustom: func(v []byte) (string, bool) { return "mqtt", true }}, "", 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn := scripted(in)
			if strings.Contains(tt.name, "malformed behind") {
				conn = scripted(request(getLine, "Sec-WebSocket-Protocol", "soap, a b"))
			}
			hs, err := tt.u.Upgrade(conn)
			resp, _ := answerOf(t, conn.Bytes())
			require.Equal(t, tt.status, resp.StatusCode)
			require.Equal(t, tt.status == 101, err == nil, "%v", err)
			require.Equal(t, tt.chosen, hs.Protocol)
			require.Equal(t, tt.chosen, resp.Header.Get("Sec-WebSocket-Protocol"))
			require.Equal(t, 1, conn.writes)
		})
	}
}

// SelectFromSliceBytes is SelectFromSlice for the raw upgrade.
func SelectFromSliceBytes(accept ...string) func([]byte) bool {
	choose := SelectFromSlice(accept)
	return func(p []byte) bool { return choose(string(p)) }
}

func TestSelect(t *testing.T) {
	require.True(t, SelectEqual("a")("a"))
	require.False(t, SelectEqual("a")("A"))
	for _, accept := range [][]string{nil, {"a"}, {"a", "b", "c"}, strings.Split("a b c d e f g h i j k l m n o p q r s t", " ")} {
		choose := SelectFromSlice(accept)
		for _, p := range append(accept, "z") {
			require.Equal(t, slices.Contains(accept, p), choose(p))
		}
	}
}

func TestUpgradeExtensions_RFC6455_9_1(t *testing.T) {
	in := request(getLine, "Sec-WebSocket-Extensions", `a; x="12"; y, b`, "sec-websocket-extensions", "c; z=3")
	var offered []string
	u := Upgrader{Negotiate: func(offer httphead.Option) (httphead.Option, error) {
		offered = append(offered, offer.String())
		if string(offer.Name) == "b" {
			return httphead.Option{}, nil // declined
		}
		return offer, nil
	}}
	conn := scripted(in)
	hs, err := u.Upgrade(conn)
	require.NoError(t, err)
	require.Len(t, offered, 3)
	require.Len(t, hs.Extensions, 2)
	value, _ := hs.Extensions[0].Parameters.Get("x")
	require.Equal(t, "12", string(value), "unquoted")
	require.Equal(t, "c", string(hs.Extensions[1].Name))
	resp, _ := answerOf(t, conn.Bytes())
	require.Equal(t, "a; x=12; y, c; z=3", resp.Header.Get("Sec-WebSocket-Extensions"))

	conn = scripted(in)
	refused := errors.New("not with me")
	_, err = Upgrader{Negotiate: func(httphead.Option) (httphead.Option, error) { return httphead.Option{}, refused }}.Upgrade(conn)
	require.ErrorIs(t, err, refused)
	resp, body := answerOf(t, conn.Bytes())
	require.Equal(t, 500, resp.StatusCode)
	require.Equal(t, "ws: internal server error", body, "the text stays on the server's side")

	custom := Upgrader{ExtensionCustom: func(value []byte, accepted []httphead.Option) ([]httphead.Option, bool) {
		offers := httphead.Fields{{Name: []byte("X"), Value: value}}
		for offer, err := range offers.Options("X") {
			if err != nil {
				return accepted, false
			}
			accepted = append(accepted, offer)
		}
		return accepted, true
	}}
	hs, err = custom.Upgrade(scripted(in))
	require.NoError(t, err)
	require.Len(t, hs.Extensions, 3)
	_, err = Upgrader{ExtensionCustom: func(_ []byte, a []httphead.Option) ([]httphead.Option, bool) { return a, false }}.Upgrade(scripted(in))
	require.ErrorIs(t, err, ErrHandshakeBadExtensions)
}

// The caller owns the result of a handshake.
func TestUpgradeResultsDoNotAlias(t *testing.T) {
	u := Upgrader{
		Protocol:  func([]byte) bool { return true },
		Negotiate: func(offer httphead.Option) (httphead.Option, error) { return offer, nil },
	}
	first, err := u.Upgrade(scripted(request(getLine, "Sec-WebSocket-Protocol", "first", "Sec-WebSocket-Extensions", "one; a=1")))
	require.NoError(t, err)
	for range 10 {
		_, err = u.Upgrade(scripted(request(getLine, "Sec-WebSocket-Protocol", "OTHER", "Sec-WebSocket-Extensions", "TWO; B=2")))
		require.NoError(t, err)
	}
	require.Equal(t, "first", first.Protocol)
	require.Equal(t, "one", string(first.Extensions[0].Name))
	value, _ := first.Extensions[0].Parameters.Get("a")
	require.Equal(t, "1", string(value))
}

func TestUpgradeCallbacks(t *testing.T) {
	var seen []string
	u := Upgrader{
		OnRequest: func(uri []byte) error { seen = append(seen, "request "+string(uri)); return nil },
		OnHost:    func(host []byte) error { seen = append(seen, "host "+string(host)); return nil },
		OnHeader:  func(k, v []byte) error { seen = append(seen, string(k)+"="+string(v)); return nil },
		OnBeforeUpgrade: func() (HandshakeHeader, error) {
			seen = append(seen, "before")
			return HandshakeHeaderString("X-B: 2\r\n"), nil
		},
		Header: HandshakeHeaderHTTP{"X-A": {"1"}},
	}
	conn := scripted(request("GET /chat?x=y HTTP/1.1", "x-TOKEN", "secret", "cookie", "a=b"))
	_, err := u.Upgrade(conn)
	require.NoError(t, err)
	require.Equal(t, []string{"request /chat?x=y", "host a.example", "X-Token=secret", "Cookie=a=b", "before"}, seen)
	resp, _ := answerOf(t, conn.Bytes())
	require.Equal(t, "1", resp.Header.Get("X-A"))
	require.Equal(t, "2", resp.Header.Get("X-B"))
	require.Equal(t, 1, conn.writes)
}

// The host of a target in absolute form overrides the Host field (RFC 9112,
// section 3.2.2).
func TestUpgradeAbsoluteForm(t *testing.T) {
	for target, want := range map[string]string{
		"http://inside.example/chat": "inside.example", "https://inside.example:444?x": "inside.example:444",
		"HTTP://[::1]": "[::1]", "ws://inside.example/chat": "inside.example", "WSS://inside.example:444": "inside.example:444", "/caf\u00e9": "a.example", "/http://not.this/": "a.example",
	} {
		var host string
		_, err := Upgrader{OnHost: func(h []byte) error { host = string(h); return nil }}.Upgrade(scripted(request("GET " + target + " HTTP/1.1")))
		require.NoError(t, err)
		require.Equal(t, want, host)
	}
}

// A refused HEAD gets only the head of the response.
func TestUpgradeRefusesHeadWithoutABody(t *testing.T) {
	conn := scripted(request("HEAD / HTTP/1.1"))
	_, err := Upgrade(conn)
	require.ErrorIs(t, err, ErrHandshakeBadMethod)
	require.True(t, strings.HasPrefix(conn.String(), "HTTP/1.1 405 "))
	require.True(t, strings.HasSuffix(conn.String(), "\r\n\r\n"))
}

func TestUpgradeRejectedByCallback(t *testing.T) {
	teapot := RejectConnectionError(RejectionStatus(418), RejectionReason("short and stout"), RejectionHeader(HandshakeHeaderString("X-Kind: pot\r\nContent-Length: 99\r\n")))
	plain := errors.New("plain")
	for name, tt := range map[string]struct {
		err    error
		status int
		body   string
		header string
	}{
		"error of a parser":         {fmt.Errorf("cookie: %w", httphead.ErrList), 500, "ws: internal server error", ""},
		"status, reason and fields": {teapot, 418, "short and stout", "pot"},
		"wrapped":                   {fmt.Errorf("because: %w", teapot), 418, "short and stout", "pot"},
		"any error":                 {plain, 500, "ws: internal server error", ""},
		"body of its own": {RejectConnectionError(RejectionStatus(403), RejectionReason("no"), RejectionBody([]byte(`{"no":1}`)),
			RejectionHeader(HandshakeHeaderHTTP{"Content-Type": {"application/json"}, "X-Kind": {"json"}})), 403, `{"no":1}`, "json"},
		"status that is none":   {RejectConnectionError(RejectionStatus(101)), 500, "", ""},
		"status without a body": {RejectConnectionError(RejectionStatus(304), RejectionReason("x")), 500, "x", ""},
		"fields of the message itself": {RejectConnectionError(RejectionStatus(403), RejectionReason("no"),
			RejectionHeader(HandshakeHeaderString("Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nX-Kind: own\r\n"))), 403, "no", "own"},
		"field that splits a line": {RejectConnectionError(RejectionStatus(403), RejectionHeader(HandshakeHeaderHTTP{"X-Kind": {"a\r\nX-Evil: b"}})), 500, "*", ""},
	} {
		callbacks := map[string]Upgrader{
			"OnRequest":       {OnRequest: func([]byte) error { return tt.err }},
			"OnHost":          {OnHost: func([]byte) error { return tt.err }},
			"OnHeader":        {OnHeader: func([]byte, []byte) error { return tt.err }},
			"OnBeforeUpgrade": {OnBeforeUpgrade: func() (HandshakeHeader, error) { return nil, tt.err }},
		}
		for callback, u := range callbacks {
			t.Run(name+"/"+callback, func(t *testing.T) {
				conn := scripted(request(getLine, "X-Any", "thing"))
				_, err := u.Upgrade(conn)
				require.True(t, err == tt.err, "the callback's own error: %v", err)
				resp, body := answerOf(t, conn.Bytes())
				require.Equal(t, tt.status, resp.StatusCode)
				if tt.body != "*" {
					require.Equal(t, tt.body, body)
				}
				require.Equal(t, tt.header, resp.Header.Get("X-Kind"))
				require.Empty(t, resp.Header.Get("X-Evil"))
				require.True(t, resp.Close)
			})
		}
	}
}

// Invalid fields of the caller, or fields of the handshake itself, make it fail
// with 500.
func TestUpgradeRefusesBadHeadersOfTheCaller(t *testing.T) {
	for name, h := range map[string]HandshakeHeader{
		"no line end":     HandshakeHeaderString("X-A: b"),
		"empty line":      HandshakeHeaderString("X-A: b\r\n\r\nHTTP/1.1 200 OK\r\n"),
		"bare LF":         HandshakeHeaderBytes("X-A: b\nX-C: d\r\n"),
		"no colon":        HandshakeHeaderString("X-A\r\n"),
		"NUL":             HandshakeHeaderString("X-A: \x00\r\n"),
		"CR LF in value":  HandshakeHeaderHTTP(http.Header{"X-A": {"b\r\nX-Evil: c"}}),
		"space in name":   HandshakeHeaderHTTP(http.Header{"X A": {"b"}}),
		"Upgrade":         HandshakeHeaderString("upgrade: h2c\r\n"),
		"Accept":          HandshakeHeaderString("Sec-WebSocket-Accept: x\r\n"),
		"Content-Length":  HandshakeHeaderString("Content-Length: 5\r\n"),
		"coding":          HandshakeHeaderString("Transfer-Encoding: chunked\r\n"),
		"writer's error":  HandshakeHeaderFunc(func(io.Writer) (int64, error) { return 0, errWrite }),
		"Sec-WS-Protocol": HandshakeHeaderHTTP(http.Header{"Sec-Websocket-Protocol": {"x"}}),
	} {
		t.Run(name, func(t *testing.T) {
			conn := scripted(request(getLine))
			_, err := Upgrader{Header: h}.Upgrade(conn)
			require.ErrorContains(t, err, "handshake header")
			resp, _ := answerOf(t, conn.Bytes())
			require.Equal(t, 500, resp.StatusCode)
			require.Empty(t, resp.Header.Get("X-Evil"))
		})
	}
}

func TestUpgradeHeadLimitsCanBeSet(t *testing.T) {
	many := getLine + "\r\n" + strings.Repeat("X-A: "+strings.Repeat("b", 100)+"\r\n", 300) + strings.TrimPrefix(request(getLine), getLine+"\r\n")
	_, err := Upgrade(scripted(many))
	require.ErrorIs(t, err, ErrMalformedRequest)
	conn := scripted(many + "behind")
	_, err = Upgrader{HeadLimits: httphead.Limits{MaxBytes: -1, MaxFields: -1}}.Upgrade(conn)
	require.NoError(t, err)
	rest, _ := io.ReadAll(conn.Reader)
	require.Equal(t, "behind", string(rest))
	_, err = Upgrader{HeadLimits: httphead.Limits{MaxBytes: 100}}.Upgrade(scripted(request(getLine)))
	require.ErrorIs(t, err, ErrMalformedRequest)
}

func TestUpgradeAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	r := strings.NewReader(chromeRequest)
	conn := struct {
		io.Reader
		io.Writer
	}{r, io.Discard}
	var rw io.ReadWriter = conn
	require.Zero(t, testing.AllocsPerRun(200, func() {
		r.Reset(chromeRequest)
		if _, err := Upgrade(rw); err != nil {
			t.Fatal(err)
		}
	}))
}

func TestAccept_RFC6455_4_2_2(t *testing.T) {
	require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", string(appendAccept(nil, []byte("dGhlIHNhbXBsZSBub25jZQ=="))))
}

func TestUpgradeWithMoreIsCheap(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	u := Upgrader{
		Protocol:  func([]byte) bool { return true },
		Negotiate: func(o httphead.Option) (httphead.Option, error) { return o, nil },
	}
	in := request(getLine, "Sec-WebSocket-Protocol", "chat", "Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
	conn := scripted(in)
	_, err := u.Upgrade(conn)
	require.NoError(t, err)
	require.LessOrEqual(t, conn.writes, 2)
	r := strings.NewReader(in)
	var rw io.ReadWriter = struct {
		io.Reader
		io.Writer
	}{r, io.Discard}
	require.LessOrEqual(t, testing.AllocsPerRun(200, func() {
		r.Reset(in)
		if _, err := u.Upgrade(rw); err != nil {
			t.Fatal(err)
		}
	}), 3.0, "the name, the list of extensions and the bytes of one")
}

// BenchmarkUpgradeBuffered is an upgrade on a bufio.ReadWriter.
func BenchmarkUpgradeBuffered(b *testing.B) {
	r := strings.NewReader("")
	rw := bufio.NewReadWriter(bufio.NewReader(r), bufio.NewWriter(io.Discard))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(chromeRequest)
		rw.Reader.Reset(r)
		if _, err := Upgrade(rw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpgrade has a connection from which a request is read in steps.
func BenchmarkUpgrade(b *testing.B) {
	for _, bench := range []struct {
		name, request string
		u             Upgrader
	}{
		{"browser", chromeRequest, Upgrader{}},
		{"least", request(getLine), Upgrader{}},
		{"subprotocol and extension", request(getLine, "Sec-WebSocket-Protocol", "chat", "Sec-WebSocket-Extensions", "permessage-deflate"), Upgrader{
			Protocol:  func([]byte) bool { return true },
			Negotiate: func(o httphead.Option) (httphead.Option, error) { return o, nil },
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := strings.NewReader("")
			var conn io.ReadWriter = struct {
				io.Reader
				io.Writer
			}{r, io.Discard}
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(bench.request)
				if _, err := bench.u.Upgrade(conn); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAccept is the reference for handshakes: SHA-1 and base64 of a key.
func BenchmarkAccept(b *testing.B) {
	key := []byte("dGhlIHNhbXBsZSBub25jZQ==")
	var out [28]byte
	b.ReportAllocs()
	for b.Loop() {
		appendAccept(out[:0], key)
	}
}

// noDeadlines is a connection that has SetDeadline, but no deadlines, as an
// os.File.
type noDeadlines struct {
	*script
	set int
	err error
}

func (c *noDeadlines) SetDeadline(time.Time) error { c.set++; return c.err }

func TestUpgradeTimeoutWithoutDeadlines(t *testing.T) {
	conn := &noDeadlines{script: scripted(chromeRequest), err: os.ErrNoDeadline}
	_, err := Upgrade(conn)
	require.NoError(t, err, "the default holds where it can")
	require.Equal(t, 1, conn.set)
	_, err = Upgrader{Timeout: time.Second}.Upgrade(conn)
	require.ErrorIs(t, err, os.ErrNoDeadline)

	conn = &noDeadlines{script: scripted(chromeRequest), err: net.ErrClosed}
	_, err = Upgrade(conn)
	require.ErrorIs(t, err, net.ErrClosed)

	conn = &noDeadlines{script: scripted(chromeRequest)}
	_, err = Upgrader{Timeout: -1}.Upgrade(conn)
	require.NoError(t, err)
	require.Zero(t, conn.set, "the caller's own deadlines stay")
}
