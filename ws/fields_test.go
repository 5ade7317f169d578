package ws

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
)

// Each field is allowed in the same heads, for every way to set it.
func TestFieldsOfTheCaller(t *testing.T) {
	type may struct{ request, answer, refusal, connect bool }
	free, content, framing, handshake := may{true, true, true, true}, may{true, false, true, true}, may{}, may{false, false, true, true}
	for name, want := range map[string]may{
		"Cookie": free, "Origin": free, "X-Content-Length": free, "Sec-WebSocket-Other": free,
		"Content-Type": content, "Content-Encoding": content,
		"Content-Length": framing, "Transfer-Encoding": framing, "Trailer": framing,
		"Upgrade": handshake, "Sec-WebSocket-Key": handshake, "Sec-WebSocket-Version": handshake, "Sec-WebSocket-Protocol": handshake,
		"Sec-WebSocket-Extensions": handshake, "Sec-WebSocket-Accept": handshake,
		"Host": {refusal: true}, "Connection": {connect: true},
	} {
		for _, name := range []string{name, strings.ToUpper(name), strings.ToLower(name)} {
			h := http.Header{name: {"v"}}
			_, request := RequestHeader(h)[name]
			require.Equal(t, want.request, request, name)
			_, answer := AnswerHeader(h)[name]
			require.Equal(t, want.answer, answer, name)
			_, err := appendExtra(nil, HandshakeHeaderHTTP(h))
			require.Equal(t, want.request, err == nil, name)
			_, fields, _ := reject(RejectionHeader(HandshakeHeaderHTTP(h))).answer()
			refusal := slices.ContainsFunc(fields, func(f httphead.Field) bool { return string(f.Name) == name && string(f.Value) == "v" })
			require.Equal(t, want.refusal, refusal, name)
			_, connect := connectHeader(h, false)[name]
			require.Equal(t, want.connect, connect, name)
		}
	}
	h := http.Header{"A": {"1"}}
	RequestHeader(h)["A"][0] = "2"
	require.Equal(t, "1", h["A"][0], "it is a copy")
}
