package websocket

import (
	"bytes"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTakeToken(t *testing.T) {
	for _, tt := range []struct {
		offers []string
		token  string
		ok     bool
		left   []string
	}{
		{nil, "", false, nil},
		{[]string{"chat"}, "", false, []string{"chat"}},
		{[]string{"chat, bearer.abc"}, "abc", true, []string{"chat"}},
		{[]string{"bearer.abc,chat\t,  v2"}, "abc", true, []string{"chat, v2"}},
		{[]string{"chat", "bearer.abc", "v2"}, "abc", true, []string{"chat, v2"}},
		{[]string{"bearer.abc"}, "abc", true, nil},
		{[]string{"bearer."}, "", true, nil},
		{[]string{"Bearer.abc"}, "", false, []string{"Bearer.abc"}},
		{[]string{"xbearer.abc, bearer"}, "", false, []string{"xbearer.abc, bearer"}},
		{[]string{"bearer.abc, chat, bearer.def"}, "", false, []string{"chat"}},
		{[]string{"bearer.abc", "bearer.abc"}, "", false, nil},
		{[]string{"chat,,bearer.a b"}, "a b", true, []string{"chat, "}}, // malformed: Accept refuses the rest
	} {
		r := &http.Request{Header: http.Header{}}
		if tt.offers != nil {
			r.Header["Sec-Websocket-Protocol"] = tt.offers
		}
		token, ok := TakeToken(r, "bearer.")
		require.Equal(t, tt.token, token, "%q", tt.offers)
		require.Equal(t, tt.ok, ok, "%q", tt.offers)
		require.Equal(t, tt.left, r.Header["Sec-Websocket-Protocol"], "%q", tt.offers)
	}
	_, ok := TakeToken(nil, "bearer.")
	require.False(t, ok)
	r := &http.Request{Header: http.Header{"Sec-WebSocket-Protocol": {"bearer.abc"}}} // as RFC 6455 spells it
	_, ok = TakeToken(r, "")
	require.False(t, ok)
	token, ok := TakeToken(r, "bearer.")
	require.True(t, ok)
	require.Equal(t, "abc", token)
	require.Empty(t, r.Header)
}

// Nothing that a server says or logs repeats a token that was taken out, whatever comes of
// the handshake.
func TestTokenIsNotRepeated(t *testing.T) {
	const secret = "s3cret"
	for name, tt := range map[string]struct {
		opts   AcceptOptions
		offers []string
		status int
	}{
		"chosen":         {AcceptOptions{Subprotocols: []string{"bearer." + secret, "chat"}}, []string{"bearer." + secret, "chat"}, 101},
		"none left":      {AcceptOptions{}, []string{"bearer." + secret}, 101},
		"none supported": {AcceptOptions{Subprotocols: []string{"other"}, RequireSubprotocol: true}, []string{"chat", "bearer." + secret}, 400},
		"two":            {AcceptOptions{Subprotocols: []string{"other"}, RequireSubprotocol: true}, []string{"bearer.x" + secret, "bearer." + secret}, 400},
		"callback": {AcceptOptions{OnHandshake: func(r *http.Request, answer http.Header) error {
			return fmt.Errorf("no: %v", r.Header)
		}}, []string{"bearer." + secret}, 500},
	} {
		var logged bytes.Buffer
		served := make(chan struct{}) // srv.Close does not wait for a connection that was taken over
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(served)
			TakeToken(r, "bearer.")
			c, err := Accept(w, r, &tt.opts)
			fmt.Fprintln(&logged, r.Header, err)
			if err == nil {
				c.CloseNow()
			}
		}))
		srv.Config.ErrorLog = log.New(&logged, "", 0)
		c, resp, _ := Dial(background, srv.URL, &DialOptions{Subprotocols: tt.offers})
		if c != nil {
			c.CloseNow()
		}
		<-served
		srv.Close()
		require.Equal(t, tt.status, resp.StatusCode, name)
		var answer strings.Builder
		resp.Write(&answer)
		require.NotContains(t, answer.String(), secret, name)
		require.NotContains(t, logged.String(), secret, name)
	}

	// A client with an invalid subprotocol does not repeat it in the error.
	_, _, err := Dial(background, "ws://a.example", &DialOptions{Subprotocols: []string{"chat", "bearer." + secret + "=="}})
	require.ErrorContains(t, err, "subprotocol 2 of 2 is not a token")
	require.NotContains(t, err.Error(), secret)
	_, _, err = Dial(background, "ws://a.example", &DialOptions{Subprotocols: []string{"bearer." + secret, "bearer." + secret}})
	require.ErrorContains(t, err, "subprotocol 2 of 2 is a duplicate")
	require.NotContains(t, err.Error(), secret)
}
