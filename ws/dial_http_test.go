package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
)

func TestNewRequest_RFC6455_4_1(t *testing.T) {
	for _, tt := range []struct {
		url, sent, host string
		with            Dialer
		more            http.Header
	}{
		{"ws://a.example", "http://a.example", "a.example", Dialer{}, nil},
		{"wss://a.example:443/x?y=z", "https://a.example:443/x?y=z", "a.example", Dialer{}, nil},
		{"http://a.example:81/", "http://a.example:81/", "a.example:81", Dialer{}, nil},
		{"https://[fe80::1%25eth0]:81/", "https://[fe80::1%25eth0]:81/", "[fe80::1]:81", Dialer{}, nil},
		{"ws://a.example/", "http://a.example/", "b.example", Dialer{Host: "b.example"}, nil},
		{"ws://user:pass@a.example/", "http://a.example/", "a.example", Dialer{}, http.Header{"Authorization": {"Basic dXNlcjpwYXNz"}}},
		{"ws://a.example/", "http://a.example/", "a.example", Dialer{
			Protocols:  []string{"chat", "wamp"},
			Extensions: []httphead.Option{httphead.NewOption("x", map[string]string{"y": "12"}), httphead.NewOption("z", nil)},
			Header:     HandshakeHeaderString("X-A: b\r\nX-A: c\r\n"),
		}, http.Header{"Sec-WebSocket-Protocol": {"chat, wamp"}, "Sec-WebSocket-Extensions": {"x; y=12, z"}, "X-A": {"b", "c"}}},
		{"ws://a.example/ü?q=ü d", "http://a.example/%C3%BC?q=%C3%BC%20d", "a.example", Dialer{}, nil},
		{"ws://a.example/", "http://a.example/", "a.example", Dialer{Header: HandshakeHeaderString("user-agent: me\r\n")}, http.Header{"User-Agent": {"me"}}},
		{"ws://a.example/", "http://a.example/", "a.example", Dialer{Header: HandshakeHeaderString("User-Agent:\r\n")}, http.Header{"User-Agent": {""}}},
	} {
		r, _, err := tt.with.NewRequest(t.Context(), tt.url)
		require.NoError(t, err, tt.url)
		require.Equal(t, t.Context(), r.Context())
		require.Equal(t, "GET", r.Method)
		require.Equal(t, tt.sent, r.URL.String())
		require.Equal(t, tt.host, r.Host)
		key := r.Header[fieldKey.String()]
		require.Len(t, key, 1)
		require.Len(t, key[0], keySize)
		delete(r.Header, fieldKey.String())
		want := http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-WebSocket-Version": {"13"}, "User-Agent": {userAgent}}
		for name, values := range tt.more {
			want[name] = values
		}
		require.Equal(t, want, r.Header)
	}
}

func TestNewRequestRefuses(t *testing.T) {
	for _, u := range []string{"", "a.example", "ftp://a.example", "ws://", "ws://a.example/#x", "ws://u:secret@ho st/"} {
		_, _, err := Dialer{}.NewRequest(t.Context(), u)
		require.ErrorContains(t, err, "ws: dial", "%q", u)
		require.NotContains(t, err.Error(), "secret")
	}
	_, _, err := Dialer{Header: HandshakeHeaderString("Sec-WebSocket-Protocol: x\r\n")}.NewRequest(t.Context(), "ws://a.example")
	require.ErrorContains(t, err, "the caller may not set field")
	_, _, err = Dialer{Header: HandshakeHeaderHTTP{"X": {"1\r\nX-Evil: 2"}}}.NewRequest(t.Context(), "ws://a.example")
	require.Error(t, err)
}

// Responses that a raw handshake refuses are refused by the same list.
func TestNewRequestChecksTheAnswer_RFC6455_4_1(t *testing.T) {
	var answer func(h http.Header)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
			"Sec-Websocket-Accept": {string(appendAccept(nil, []byte(r.Header.Get("Sec-WebSocket-Key"))))}}
		answer(h)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\n")
		h.Write(rw)
		io.WriteString(rw, "\r\n")
		rw.Flush()
	}))
	defer srv.Close()
	offer := Dialer{Protocols: []string{"chat"}, Extensions: []httphead.Option{httphead.NewOption("x", nil)}}
	for _, tt := range []struct {
		name, value string
		err         error
	}{
		{"X-Other", "x", nil},
		{"Upgrade", "h2c", ErrHandshakeBadUpgrade},
		{"Upgrade", "", ErrHandshakeBadUpgrade},
		{"Connection", "close", ErrHandshakeBadConnection},
		{"Sec-Websocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ErrHandshakeBadSecAccept},
		{"Sec-Websocket-Accept", "", ErrHandshakeBadSecAccept},
		{"Sec-Websocket-Protocol", "chat", nil},
		{"Sec-Websocket-Protocol", "wamp", ErrHandshakeBadSubProtocol},
		{"Sec-Websocket-Extensions", "x; a=b", nil},
		{"Sec-Websocket-Extensions", "z", ErrHandshakeBadExtensions},
	} {
		answer = func(h http.Header) { h.Set(tt.name, tt.value) }
		r, check, err := offer.NewRequest(t.Context(), srv.URL)
		require.NoError(t, err)
		resp, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		hs, err := check(resp, nil)
		resp.Body.Close()
		if tt.err != nil {
			require.ErrorIs(t, err, tt.err, "%s: %s", tt.name, tt.value)
			require.Zero(t, hs)
			continue
		}
		require.NoError(t, err, "%s: %s", tt.name, tt.value)
		require.Equal(t, tt.name == "Sec-Websocket-Protocol", hs.Protocol == "chat")
		require.Equal(t, tt.name == "Sec-Websocket-Extensions", len(hs.Extensions) == 1)
	}
}

func TestNewRequestRejected(t *testing.T) {
	_, check, err := Dialer{}.NewRequest(context.Background(), "ws://a.example")
	require.NoError(t, err)
	_, err = check(&http.Response{StatusCode: 401, ProtoMajor: 2, Header: http.Header{"Www-Authenticate": {"Basic"}}}, []byte("who?"))
	refusal, ok := errors.AsType[*ConnectionRejectedError](err)
	require.True(t, ok)
	require.Equal(t, 401, refusal.StatusCode())
	require.Equal(t, "who?", string(refusal.Body()))
	require.Equal(t, "Basic", refusal.Header().Get("WWW-Authenticate"))
	require.ErrorIs(t, err, ErrHandshakeBadStatus)
	status, ok := errors.AsType[StatusError](err)
	require.True(t, ok)
	require.Equal(t, StatusError(401), status)
}

func TestHTTPUpgraderChoosesAmongAll(t *testing.T) {
	for _, tt := range []struct {
		offered, chosen string
		fault           error
		status          int
	}{
		{"a, b", "b", nil, 101},
		{"a, b", "", nil, 101},
		{"a, b", "c", nil, 500},
		{"a, b", "", ErrHandshakeBadSubProtocol, 400},
		{"a, ,;", "a", nil, 400},
		{"", "c", nil, 101}, // not asked
	} {
		var seen []string
		u := HTTPUpgrader{ChooseProtocol: func(offered []string) (string, error) {
			seen = offered
			return tt.chosen, tt.fault
		}}
		got := make(chan Handshake, 1)
		dial := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, hs, err := u.Upgrade(r, w)
			if err == nil {
				conn.Close()
			}
			got <- hs
		}))
		change := []string{"Sec-WebSocket-Protocol", tt.offered}
		if tt.offered == "" {
			change = nil
		}
		resp, _ := answerOf(t, exchange(t, dial(), request(getLine, change...)))
		require.Equal(t, tt.status, resp.StatusCode, "%+v", tt)
		hs := <-got
		if tt.status == 101 && tt.offered != "" {
			require.Equal(t, tt.chosen, hs.Protocol)
			require.Equal(t, strings.Split(tt.offered, ", "), seen)
		} else {
			require.Empty(t, hs.Protocol)
		}
	}
}

func TestHTTPUpgraderOnRequest(t *testing.T) {
	calls := 0
	u := HTTPUpgrader{OnRequest: func(r *http.Request) error {
		calls++
		if r.Header.Get("X-Pass") == "" {
			return RejectConnectionError(RejectionStatus(401))
		}
		return nil
	}}
	dial := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, _, _, err := u.Upgrade(r, w); err == nil {
			conn.Close()
		}
	}))
	for _, tt := range []struct {
		change []string
		status int
		asked  int
	}{
		{nil, 401, 1},
		{[]string{"X-Pass", "yes"}, 101, 1},
		{[]string{"Sec-WebSocket-Version", "8", "X-Pass", "yes"}, 426, 0},
	} {
		calls = 0
		resp, _ := answerOf(t, exchange(t, dial(), request(getLine, tt.change...)))
		require.Equal(t, tt.status, resp.StatusCode)
		require.Equal(t, tt.asked, calls)
	}
}

func TestDetach(t *testing.T) {
	for name, read := range map[string]int{"all": 0, "the rest": 2} {
		t.Run(name, func(t *testing.T) {
			d := dialTo(t, func(conn net.Conn) {
				if req, err := readRequestText(conn); err == nil {
					io.WriteString(conn, strings.ReplaceAll(goodAnswer+"\r\nearly", "ACCEPT", acceptFor(req)))
				}
			})
			conn, br, _, err := d.Dial(t.Context(), "ws://a.example/")
			require.NoError(t, err)
			defer conn.Close()
			require.NotNil(t, br)
			_, err = io.ReadFull(conn, make([]byte, read))
			require.NoError(t, err)
			behind, received := Detach(conn, br)
			require.Equal(t, "early"[read:], string(received))
			require.NotSame(t, conn, behind)
			require.Zero(t, br.Buffered())
			same, none := Detach(behind, br)
			require.Same(t, behind, same)
			require.Empty(t, none)
			same, none = Detach(behind, nil)
			require.Same(t, behind, same)
			require.Empty(t, none)
		})
	}
}
