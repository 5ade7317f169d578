package httphead

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCanonicalize(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "host": "Host", "ORIGIN": "Origin", "x-custom-THING": "X-Custom-Thing",
		"sec-websocket-key": "Sec-Websocket-Key", "-a": "-A", "a--b": "A--B", "x_y-1z": "X_y-1z",
	} {
		name := []byte(in)
		Canonicalize(name)
		require.Equal(t, want, string(name))
	}
}

func TestProtocols_RFC9110_7_8(t *testing.T) {
	for value, want := range map[string]string{
		"websocket":                   "websocket",
		"h2c, foo/2, websocket":       "h2c|foo/2|websocket",
		"HTTP/2.0 ,\tSHTTP/1.3,IRC/6": "HTTP/2.0|SHTTP/1.3|IRC/6",
		"foo/":                        "!",
		"foo / 2":                     "!",
		"/2":                          "!",
		"a, foo/2/3":                  "a|!",
		"":                            "!",
	} {
		var got []string
		for p, err := range (Fields{{Name: []byte("upgrade"), Value: []byte(value)}}).Protocols("Upgrade") {
			if err != nil {
				require.Equal(t, ErrList, err)
				p = []byte("!")
			}
			got = append(got, string(p))
		}
		require.Equal(t, want, strings.Join(got, "|"), "%q", value)
	}
}

// A head out of the ordinary does not stay in memory when its Request goes back to
// a pool.
func TestResetLetsLargeMemoryGo(t *testing.T) {
	head := "GET / HTTP/1.1\r\n" + strings.Repeat("X-A: b\r\n", 100_000) + "\r\n"
	r := Request{Limits: Limits{MaxBytes: -1, MaxFields: -1}}
	require.NoError(t, r.Read(bufio.NewReader(strings.NewReader(head))))
	require.Len(t, r.Fields, 100_000)
	r.Reset()
	require.Zero(t, cap(r.Fields))
	require.Zero(t, cap(r.scratch))

	small := []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	_, err := r.Parse(small)
	require.NoError(t, err)
	r.Reset()
	require.NotZero(t, cap(r.Fields))
	require.Zero(t, r.Fields[:1][0], "no view stays")

	resp := Response{Limits: Limits{MaxBytes: -1, MaxFields: -1}}
	_, err = resp.Parse(bytes.Replace([]byte(head), []byte("GET / HTTP/1.1"), []byte("HTTP/1.1 200 OK"), 1))
	require.NoError(t, err)
	resp.Reset()
	require.Zero(t, cap(resp.Fields))
}

// A longer name is not a shorter one, nor the other way round.
func TestNamesAreWhole(t *testing.T) {
	f := Fields{{Name: []byte("Hos"), Value: []byte("1")}, {Name: []byte("Hosts"), Value: []byte("2")}}
	require.Zero(t, f.Count("Host"))
}
