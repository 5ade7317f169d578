package httphead

import (
	"bufio"
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkNetHTTP requires that net/http takes the request that we took, and takes
// it for the same. There are two exceptions. It does not pass over an empty line
// in front of a request (RFC 9112, section 2.2, asks servers to). And it parses
// the host of a target, which we leave to the caller.
func checkNetHTTP(t *testing.T, head []byte, r *Request) {
	t.Helper()
	target := string(r.Target)
	if string(r.Method) == "CONNECT" {
		target = "http://" + target
	}
	if _, err := url.ParseRequestURI(target); err != nil && target[0] != '/' {
		return
	}
	theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(head, []byte("\r\n")))))
	require.NoError(t, err, "%q", head)
	require.Equal(t, string(r.Method), theirs.Method)
	require.Equal(t, string(r.Target), theirs.RequestURI)
	require.Equal(t, r.Minor, theirs.ProtoMinor)
	require.Zero(t, theirs.ContentLength)
	for _, f := range r.Fields {
		name := string(f.Name)
		switch http.CanonicalHeaderKey(name) {
		case "Host": // kept apart there
			if theirs.URL.Host == "" {
				require.Equal(t, string(f.Value), theirs.Host)
			}
			continue
		case "Content-Length": // several are made one there
			continue
		}
		var ours []string
		for value := range r.Fields.Values(name) {
			ours = append(ours, string(value))
		}
		require.True(t, slices.Equal(ours, theirs.Header.Values(name)), "%q: %q %q", name, ours, theirs.Header.Values(name))
	}
}

func TestNetHTTPTakesWhatWeTake(t *testing.T) {
	for _, in := range append(whole["request"],
		head("!#$%&'*+-.^_`|~: \x80\t\xff\r\nA:\r\na: 2\r\n"),
		"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET http://u/x HTTP/1.0\r\nHost: h\r\n\r\n",
		head("Content-Length: 0\r\nContent-Length: 0\r\n"),
	) {
		var r Request
		n, err := r.Parse([]byte(in))
		require.NoError(t, err)
		checkNetHTTP(t, []byte(in)[:n], &r)
	}
}

// net/http takes these, and we do not: each is read in another way somewhere.
func TestStricterThanNetHTTP(t *testing.T) {
	for in, want := range map[string]error{
		"GET / HTTP/1.1\nHost: h\n\n":                     ErrLineEnd,
		"GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n": ErrFold,
		head("Content-Length: 1\r\n"):                     ErrBody,
		head("Transfer-Encoding: chunked\r\n"):            ErrBody,
		"GET / HTTP/2.1\r\nHost: h\r\n\r\n":               ErrVersion,
	} {
		_, err := http.ReadRequest(bufio.NewReader(bytes.NewReader([]byte(in))))
		require.NoError(t, err, "%q", in)
		var r Request
		_, err = r.Parse([]byte(in))
		require.Equal(t, want, err, "%q", in)
	}
}
