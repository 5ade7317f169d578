package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// fakeTransport answers extended CONNECT by hand, and keeps the requests.
type fakeTransport struct {
	requests []*http.Request
	answer   func(r *http.Request) (*http.Response, error)
	peer     net.Conn // of the stream opened last
}

func (t *fakeTransport) Connect(r *http.Request) (Stream, *http.Response, error) {
	t.requests = append(t.requests, r)
	resp, err := t.answer(r)
	if err != nil || resp.StatusCode/100 != 2 {
		return nil, resp, err
	}
	var stream net.Conn
	stream, t.peer = net.Pipe()
	return pipeStream{stream}, resp, nil
}

// pipeStream is a net.Pipe as a stream: its half-close is a close.
type pipeStream struct{ net.Conn }

func (s pipeStream) CloseWrite() error { return s.Close() }

// streamAnswer returns an answer of HTTP/2.
func streamAnswer(status int, body string, fields ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		h := make(http.Header)
		for i := 0; i < len(fields); i += 2 {
			h.Set(fields[i], fields[i+1])
		}
		return &http.Response{
			StatusCode: status, Proto: "HTTP/2.0", ProtoMajor: 2,
			Header: h, Body: io.NopCloser(strings.NewReader(body)),
		}, nil
	}
}

func TestDialStream_RFC8441_5(t *testing.T) {
	tr := &fakeTransport{answer: streamAnswer(200, "",
		"Sec-WebSocket-Protocol", "b", "Sec-WebSocket-Extensions", "permessage-deflate; client_no_context_takeover; server_no_context_takeover")}
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	opts := &DialOptions{
		Transport: tr, HTTPClient: &http.Client{Jar: jar}, Host: "b.example", Subprotocols: []string{"a", "b"},
		CompressionMode: CompressionNoContextTakeover, HTTPHeader: http.Header{"X-Own": {"1"}},
	}
	c, resp, err := Dial(t.Context(), "wss://user:pass@a.example/path?q=1", opts)
	require.NoError(t, err)
	defer c.CloseNow()
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "b", c.Subprotocol())

	r := tr.requests[0]
	require.Equal(t, http.MethodConnect, r.Method)
	require.Equal(t, []string{"websocket"}, r.Header[":protocol"])
	require.Equal(t, "https://a.example/path?q=1", r.URL.String())
	require.Equal(t, "b.example", r.Host)
	for _, name := range []string{"Upgrade", "Connection", "Sec-WebSocket-Key", "Host"} {
		require.NotContains(t, r.Header, name)
	}
	for name, want := range map[string]string{ // with the names of RFC 6455, as they are sent over HTTP/1.1
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "a, b", "Sec-WebSocket-Extensions": "permessage-deflate",
	} {
		require.Contains(t, strings.Join(r.Header[name], "|"), want)
	}
	require.Equal(t, "1", r.Header.Get("X-Own"))
	user, _, _ := r.BasicAuth()
	require.Equal(t, "user", user)

	server, err := NewConn(tr.peer, nil, ws.Handshake{}, ws.StateServerSide, nil)
	require.NoError(t, err)
	defer server.CloseNow()
	go server.Write(t.Context(), MessageText, []byte("over a stream"))
	_, p, err := c.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "over a stream", string(p))
}

func TestDialStreamRefuses(t *testing.T) {
	none := func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("h2: %w", ErrNoExtendedConnect)
	}
	for _, tt := range []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		want   string
	}{
		{"status", streamAnswer(403, "not you"), "403"},
		{"101 is no answer of HTTP/2", streamAnswer(101, ""), "101"},
		{"subprotocol nobody offered", streamAnswer(200, "", "Sec-WebSocket-Protocol", "x"), "Sec-WebSocket-Protocol"},
		{"extension nobody offered", streamAnswer(200, "", "Sec-WebSocket-Extensions", "x"), "Sec-WebSocket-Extensions"},
		{"not offered", none, ErrNoExtendedConnect.Error()},
		{"no answer", func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 500}, nil }, "500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := &fakeTransport{answer: tt.answer}
			_, resp, err := Dial(t.Context(), "wss://a.example", &DialOptions{Transport: tr})
			require.ErrorContains(t, err, tt.want)
			if tr.peer != nil {
				_, err := tr.peer.Read(make([]byte, 1))
				require.ErrorIs(t, err, io.EOF, "the stream is closed")
			}
			if tt.name == "status" {
				rejected, ok := errors.AsType[*ws.ConnectionRejectedError](err)
				require.True(t, ok)
				require.Equal(t, "not you", string(rejected.Body()))
				p, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Equal(t, "not you", string(p))
			}
		})
	}
}

func TestDialStreamFallsBack(t *testing.T) {
	srv := httptest.NewServer(echoing(nil))
	defer srv.Close()
	tr := &fakeTransport{answer: func(*http.Request) (*http.Response, error) { return nil, ErrNoExtendedConnect }}
	c, resp, err := Dial(t.Context(), srv.URL, &DialOptions{Transport: tr, Fallback: true})
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	requireEcho(t, c)
	require.NoError(t, c.Close(StatusNormalClosure, ""))

	broken := errors.New("broken")
	tr.answer = func(*http.Request) (*http.Response, error) { return nil, broken }
	_, _, err = Dial(t.Context(), srv.URL, &DialOptions{Transport: tr, Fallback: true})
	require.ErrorIs(t, err, broken, "only a server without extended CONNECT is asked again")
}

func TestDialStreamFollowsRedirects(t *testing.T) {
	tr := new(fakeTransport)
	tr.answer = func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/old" {
			return streamAnswer(307, "", "Location", "wss://c.example/new", "Set-Cookie", "a=1")(r)
		}
		return streamAnswer(200, "")(r)
	}
	c, _, err := Dial(t.Context(), "wss://user:pass@a.example/old", &DialOptions{Transport: tr})
	require.NoError(t, err)
	c.CloseNow()
	require.Len(t, tr.requests, 2)
	r := tr.requests[1]
	require.Equal(t, "https://c.example/new", r.URL.String())
	require.Equal(t, http.MethodConnect, r.Method)
	require.NotContains(t, r.Header, "Authorization", "another origin does not get the password")
}

// An answer of HTTP/2 to a request that was no extended CONNECT opens nothing.
func TestDial200IsNoUpgrade_RFC6455_4_1(t *testing.T) {
	rt := roundTripFunc(streamAnswer(200, "a page"))
	_, _, err := Dial(t.Context(), "wss://a.example", &DialOptions{HTTPClient: &http.Client{Transport: rt}})
	require.ErrorContains(t, err, "200")
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOpenStream(t *testing.T) {
	tr := &fakeTransport{answer: streamAnswer(200, "", "Sec-WebSocket-Protocol", "b", "X-Own", "1")}
	var own string
	d := ws.Dialer{Protocols: []string{"b"}, OnHeader: func(name, value []byte) error {
		own += string(name) + "=" + string(value)
		return nil
	}}
	s, hs, err := OpenStream(t.Context(), tr, d, "wss://a.example/x")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.Equal(t, "b", hs.Protocol)
	require.Equal(t, "X-Own=1", own)

	tr.answer = streamAnswer(403, "not you")
	_, _, err = OpenStream(t.Context(), tr, d, "wss://a.example/x")
	rejected, ok := errors.AsType[*ws.ConnectionRejectedError](err)
	require.True(t, ok)
	require.Equal(t, "not you", string(rejected.Body()))

	tr.answer = streamAnswer(200, "", "Sec-WebSocket-Protocol", "x")
	_, _, err = OpenStream(t.Context(), tr, d, "wss://a.example/x")
	require.ErrorIs(t, err, ws.ErrHandshakeBadSubProtocol)
	_, err = tr.peer.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the stream is closed")
}
