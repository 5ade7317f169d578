package ws

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
)

// Nil arguments of the handshake are errors, not panics.
func TestNilArgumentsOfHandshakes(t *testing.T) {
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	url := target(t, "ws://a.example")
	for name, f := range map[string]func() error{
		"Upgrade":             func() error { _, err := Upgrade(nil); return err },
		"Upgrade of *TCPConn": func() error { _, err := Upgrade((*net.TCPConn)(nil)); return err },
		"Upgrade of half a ReadWriter": func() error {
			_, err := Upgrade(&bufio.ReadWriter{Reader: bufio.NewReader(scripted(chromeRequest))})
			return err
		},
		"Dialer.Upgrade of an empty ReadWriter": func() error {
			_, _, err := Dialer{}.Upgrade(new(bufio.ReadWriter), url)
			return err
		},
		"Upgrade of ReadWriter": func() error { _, err := Upgrade((*bufio.ReadWriter)(nil)); return err },
		"UpgradeHTTP, nil r":    func() error { _, _, _, err := UpgradeHTTP(nil, httptest.NewRecorder()); return err },
		"UpgradeHTTP, nil w":    func() error { _, _, _, err := UpgradeHTTP(request, nil); return err },
		"Dialer.Upgrade":        func() error { _, _, err := Dialer{}.Upgrade(nil, url); return err },
		"Dialer.Upgrade, nil URL": func() error {
			_, _, err := Dialer{}.Upgrade(scripted(""), nil)
			return err
		},
		"RoundTrip":                 func() error { _, err := Dialer{}.RoundTrip(nil); return err },
		"RoundTrip without a URL":   func() error { _, err := Dialer{}.RoundTrip(new(http.Request)); return err },
		"Offer":                     func() error { _, err := Dialer{}.Offer(nil); return err },
		"ProxyFromEnvironment":      func() error { _, err := ProxyFromEnvironment(nil); return err },
		"ProxyFromEnvironment, URL": func() error { _, err := ProxyFromEnvironment(new(http.Request)); return err },
		"AppendRequest":             func() error { _, err := AppendRequest(nil, nil); return err },
		"ParseResponse":             func() error { _, _, err := ParseResponse([]byte(sampleAnswer), nil); return err },
		"ResponseParser.Parse":      func() error { _, _, err := new(ResponseParser).Parse(nil, nil); return err },
		"CheckResponse, nil offer":  func() error { _, err := CheckResponse(new(httphead.Response), nil); return err },
		"CheckResponse, nil answer": func() error { _, err := CheckResponse(nil, new(Offer)); return err },
		"ParseRequest":              func() error { _, err := ParseRequest([]byte(chromeRequest), nil); return err },
		"Decide":                    func() error { _, err := new(Upgrader).Decide(nil); return err },
		"Decide of a nil Upgrader":  func() error { _, err := (*Upgrader)(nil).Decide(new(Request)); return err },
		"check of NewRequest": func() error {
			_, check, _ := Dialer{}.NewRequest(t.Context(), "ws://a.example")
			_, err := check(nil, nil)
			return err
		},
		"HandshakeHeaderFunc of nil": func() error {
			_, err := HandshakeHeaderFunc(nil).WriteTo(io.Discard)
			require.NoError(t, err)
			return errNilConn
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := f()
			require.ErrorContains(t, err, "nil ")
		})
	}
	require.Equal(t, "a", string(AppendResponse([]byte("a"), Agreement{})), "nothing was agreed on")
	refusal := AppendRefusal(nil, nil, ErrHandshakeBadSecKey)
	resp, body := answerOf(t, refusal)
	require.Equal(t, 400, resp.StatusCode)
	require.Equal(t, ErrHandshakeBadSecKey.Error(), body)
	require.Contains(t, string(AppendRefusal(nil, nil, nil)), " 500 ")
	conn, received := Detach(nil, nil)
	require.Nil(t, conn)
	require.Nil(t, received)
	require.Empty(t, AnswerHeader(nil))
	PutReader(nil)

	// A refusal without a writer sends no response.
	_, _, _, err := UpgradeHTTP(nil, nil)
	require.ErrorContains(t, err, "nil ")
	rec := httptest.NewRecorder()
	UpgradeHTTP(nil, rec)
	require.Equal(t, 500, rec.Code)
}
