package ws

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The number of missing bytes never exceeds the rest of a valid request, at any
// point of it.
func TestMissingBytesIsNeverTooMuch(t *testing.T) {
	for _, in := range []string{
		chromeRequest,
		request(getLine),
		request(getLine, "Host", "-", "Sec-WebSocket-Version", "-", "Sec-WebSocket-V", "x", "Sec-WebSocket-Version", "13", "Host", "h"),
		"\r\n" + request(getLine),
		"GET / HTTP/1.1\r\nHost:a\r\nUpgrade:websocket\r\nConnection:Upgrade\r\nSec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version:13\r\n\r\n",
	} {
		o := newMissingBytes()
		for n := range in {
			least := o.least([]byte(in[:n]))
			require.Positive(t, least, "%q", in[:n])
			require.LessOrEqual(t, n+least, len(in), "%q", in[:n])
		}
		require.Zero(t, o.least([]byte(in)))
		o = newMissingBytes()
		require.GreaterOrEqual(t, o.least(nil), len("GET / HTTP/1.1\r\n\r\n")+100, "the first step is a long one")
	}
}

// After a malformed line, no more bytes are missing.
func TestMissingBytesEndsAtAMalformedLine(t *testing.T) {
	for _, in := range []string{"\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n", "\r\n\r\n\r\n"} {
		o := newMissingBytes()
		require.Positive(t, o.least([]byte(in[:len(in)-1])), "%q", in)
		require.Zero(t, o.least([]byte(in)), "%q", in)
	}
}

// The number of steps for a request is small compared with its size.
func TestMissingBytesTakesFewSteps(t *testing.T) {
	lines := strings.SplitAfter(strings.TrimSuffix(chromeRequest, "\r\n"), "\r\n")
	slices.Reverse(lines[1 : len(lines)-1])
	for _, in := range []string{chromeRequest, strings.Join(lines, "") + "\r\n"} {
		o := newMissingBytes()
		steps := 0
		for n := 0; n < len(in); steps++ {
			n += o.least([]byte(in[:n]))
		}
		require.Less(t, steps, len(in)/4)
		t.Logf("%d bytes in %d steps", len(in), steps)
	}
}
