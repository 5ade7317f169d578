package ws

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/race"
)

// overBytes performs a server handshake over the bytes of in, which arrive step
// at a time. n is the size of the request.
func overBytes(u *Upgrader, in string, step int) (answer []byte, hs Handshake, n int, err error) {
	r := Request{HeadLimits: u.HeadLimits}
	err = io.ErrUnexpectedEOF
	for end := min(step, len(in)); err == io.ErrUnexpectedEOF; end = min(end+step, len(in)) {
		if n, err = ParseRequest([]byte(in[:end]), &r); err == io.ErrUnexpectedEOF && end == len(in) {
			return nil, hs, 0, err
		}
	}
	var a Agreement
	if err == nil {
		a, err = u.Decide(&r)
	}
	if err != nil {
		return AppendRefusal(nil, &r, err), hs, n, err
	}
	return AppendResponse(nil, a), a.Handshake, n, nil
}

// The functions over bytes and Upgrade give the same answer to each request,
// however its bytes arrive.
func TestRequestOverBytes_RFC6455_4_2_1(t *testing.T) {
	cases := append(append(requestCases[:0:0], requestCases...), rawCases...)
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			conn := scripted(tt.request)
			_, wantErr := Upgrade(conn)
			for _, step := range []int{1, 7, 100, len(tt.request)} {
				answer, _, n, err := overBytes(&DefaultUpgrader, tt.request+"behind", step)
				require.Equal(t, wantErr, err)
				require.Equal(t, conn.String(), string(answer))
				if err == nil {
					require.Equal(t, len(tt.request), n)
				}
			}
		})
	}
}

func TestParseRequestIsShort(t *testing.T) {
	for n := range len(chromeRequest) {
		var r Request
		_, err := ParseRequest([]byte(chromeRequest[:n]), &r)
		require.Equal(t, io.ErrUnexpectedEOF, err, "%d bytes", n)
		m, err := ParseRequest([]byte(chromeRequest), &r)
		require.NoError(t, err)
		require.Equal(t, len(chromeRequest), m)
		require.Equal(t, "server.example.com:8080", string(r.Host))
		require.Equal(t, "/chat?room=42", string(r.Target))
	}
}

// Reset makes a Request with an incomplete head reusable.
func TestRequestReset(t *testing.T) {
	var r Request
	r.HeadLimits.MaxBytes = 5000
	_, err := ParseRequest([]byte(chromeRequest[:100]), &r)
	require.Equal(t, io.ErrUnexpectedEOF, err)
	r.Reset()
	_, err = ParseRequest([]byte(request(getLine)), &r)
	require.NoError(t, err)
	_, err = DefaultUpgrader.Decide(&r)
	require.NoError(t, err)
	r.Reset()
	r.head, r.lines = httphead.Request{}, nil
	require.Equal(t, Request{}, r)
}

// A head that arrives byte by byte is parsed twice and searched once: at the
// limit, it costs no more than a few passes.
func TestParseRequestLooksAtEachByteOnce(t *testing.T) {
	in := []byte(getLine + "\r\n" + strings.Repeat("A: b\r\n", 100_000))
	r := Request{HeadLimits: httphead.Limits{MaxBytes: -1, MaxFields: -1}}
	for n := range len(in) { // quadratic, this would take minutes
		_, err := ParseRequest(in[:n], &r)
		require.Equal(t, io.ErrUnexpectedEOF, err)
	}
}

func TestRequestHost_RFC9112_3_2(t *testing.T) {
	for _, c := range []struct{ request, host string }{
		{request(getLine), "a.example"},
		{request(getLine, "Host", "-"), ""},
		{request("GET http://b.example/ HTTP/1.1"), "b.example"},
		{request("GET ws://b.example:81?x HTTP/1.1"), "b.example:81"},
		{request("GET http://b.example/ HTTP/1.1", "Host", "-"), ""},
		{request("GET http://b%C3%A9.example/ HTTP/1.1"), ""},
	} {
		var r Request
		_, err := ParseRequest([]byte(c.request), &r)
		require.NoError(t, err)
		require.Equal(t, c.host, string(r.Host), "%q", c.request)
	}
}

// A transport other than HTTP/1.1 sets the fields of a Request itself.
func TestDecideOnARequestMadeByHand(t *testing.T) {
	field := func(name, value string) httphead.Field {
		return httphead.Field{Name: []byte(name), Value: []byte(value)}
	}
	r := &Request{Method: []byte("GET"), Target: []byte("/"), Host: []byte("a.example"), Major: 1, Minor: 1, Fields: httphead.Fields{
		field("Upgrade", "websocket"), field("Connection", "Upgrade"),
		field("Sec-WebSocket-Version", "13"), field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), field("Sec-WebSocket-Protocol", "chat"),
	}}
	u := Upgrader{Protocol: func([]byte) bool { return true }}
	a, err := u.Decide(r)
	require.NoError(t, err)
	require.Equal(t, Agreement{Handshake: Handshake{Protocol: "chat"}, Status: 101, r: r}, a)

	r.Major, r.Minor, r.Method, r.Protocol = 2, 0, []byte("CONNECT"), []byte("websocket")
	a, err = u.Decide(r)
	require.NoError(t, err)
	require.Equal(t, Agreement{Handshake: Handshake{Protocol: "chat"}, Status: 200, r: r}, a)
	require.Empty(t, AppendResponse(nil, a), "it has no form in HTTP/1.1")
	require.NotContains(t, string(r.lines), "Accept")
}

// An Agreement is one for HTTP/1.1 bytes and for net/http.
func TestAgreementSetHeader_RFC6455_11_3(t *testing.T) {
	u := Upgrader{
		Protocol:  func([]byte) bool { return true },
		Negotiate: func(o httphead.Option) (httphead.Option, error) { return o, nil },
		Header:    HandshakeHeaderString("Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"),
	}
	var r Request
	_, err := ParseRequest([]byte(request(getLine, "Sec-WebSocket-Protocol", "chat", "Sec-WebSocket-Extensions", "x")), &r)
	require.NoError(t, err)
	_, err = u.Decide(&r)
	require.NoError(t, err)
	h := http.Header{"Set-Cookie": {"old"}, "Content-Length": {"5"}, "Sec-Websocket-Accept": {"bad"}, "X-Kept": {"1"}}
	require.NoError(t, r.setHeader(h))
	require.Equal(t, http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-WebSocket-Accept": {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		"Sec-WebSocket-Protocol": {"chat"}, "Sec-WebSocket-Extensions": {"x"}, "Set-Cookie": {"a=1", "b=2"}, "X-Kept": {"1"},
	}, h)
}

func TestRequestAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	in := []byte(chromeRequest)
	var r Request
	var out []byte
	require.Zero(t, testing.AllocsPerRun(200, func() {
		if _, err := ParseRequest(in, &r); err != nil {
			t.Fatal(err)
		}
		a, err := DefaultUpgrader.Decide(&r)
		if err != nil {
			t.Fatal(err)
		}
		out = AppendResponse(out[:0], a)
	}))
	require.Equal(t, sampleAnswer, string(out))
}

// FuzzParseRequest passes a request in two pieces: the cut does not change the
// result.
func FuzzParseRequest(f *testing.F) {
	for _, tt := range requestCases {
		f.Add([]byte(tt.request), len(tt.request)/2)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		want, _, n, wantErr := overBytes(&DefaultUpgrader, string(in), max(1, len(in)))
		got, _, m, err := overBytes(&DefaultUpgrader, string(in), min(max(cut, 1), max(1, len(in))))
		if err == io.ErrUnexpectedEOF { // a fault in what follows the first piece shows when the head has ended
			require.Negative(t, httphead.End(in, 0))
			return
		}
		require.Equal(t, wantErr, err)
		require.Equal(t, n, m)
		require.True(t, bytes.Equal(want, got))
	})
}
