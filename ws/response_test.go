package ws

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/peertext"
	"github.com/wskit/wskit/internal/race"
)

func chatOffer(t testing.TB) *Offer {
	o, err := Dialer{Protocols: []string{"chat"}, Extensions: []httphead.Option{httphead.NewOption("x", nil)}}.Offer(target(t, "ws://a.example/"))
	require.NoError(t, err)
	return &o
}

// answerTo returns a valid response to o, with more fields.
func answerTo(o *Offer, more string) string {
	key := o.key()
	return strings.ReplaceAll(goodAnswer, "ACCEPT", string(appendAccept(nil, key[:]))) + more + "\r\n"
}

// Every strict prefix of a response is incomplete, bytes after the response are
// not consumed, and the pieces in which it arrives do not matter.
func TestParseResponsePrefixes(t *testing.T) {
	o := chatOffer(t)
	for name, tt := range map[string]struct {
		answer string
		err    error
	}{
		"plain":    {answerTo(o, ""), nil},
		"agreed":   {answerTo(o, "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x; y=1\r\n"), nil},
		"interim":  {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answerTo(o, ""), nil},
		"large":    {answerTo(o, "X: "+strings.Repeat("x", 8000)+"\r\n"), nil},
		"refusal":  {"HTTP/1.1 403 Forbidden\r\nX: y\r\n\r\n", ErrHandshakeBadStatus},
		"bad":      {answerTo(o, "Sec-WebSocket-Protocol: other\r\n"), ErrHandshakeBadSubProtocol},
		"no value": {answerTo(o, "Sec-WebSocket-Protocol:\r\n"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			whole, n, err := ParseResponse([]byte(tt.answer+"\x81\x02hi"), o)
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, len(tt.answer), n+(len(tt.answer)-n)*btoi(tt.err != nil))
			var bytewise ResponseParser
			for i := range tt.answer {
				hs, n, err := ParseResponse([]byte(tt.answer[:i]), o)
				require.Equal(t, io.ErrUnexpectedEOF, err)
				require.Zero(t, n)
				require.Zero(t, hs)
				_, _, err = bytewise.Parse([]byte(tt.answer[:i]), o)
				require.Equal(t, io.ErrUnexpectedEOF, err, "%d bytes", i)
			}
			hs, n, err := bytewise.Parse([]byte(tt.answer+"\x81\x02hi"), o)
			require.ErrorIs(t, err, tt.err)
			if tt.err == nil {
				require.Equal(t, len(tt.answer), n)
			}
			require.Equal(t, whole, hs)
			hs, _, err = bytewise.Parse([]byte(tt.answer), o)
			require.ErrorIs(t, err, tt.err, "the next answer begins anew")
			require.Equal(t, whole, hs)
		})
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A fault is reported before the head is complete.
func TestParseResponseEarlyFault(t *testing.T) {
	o := chatOffer(t)
	for _, p := range []string{"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 101 x\nUp", "HTTP/2.0 101 x\r\n"} {
		_, _, err := ParseResponse([]byte(p), o)
		require.ErrorIs(t, err, ErrMalformedResponse, "%q", p)
	}
	var r ResponseParser
	endless := "HTTP/1.1 101 x\r\n" + strings.Repeat("X: y\r\n", 3000)
	for i := range endless {
		if _, _, err := r.Parse([]byte(endless[:i]), o); err != io.ErrUnexpectedEOF {
			require.ErrorIs(t, err, ErrMalformedResponse)
			require.LessOrEqual(t, i, httphead.DefaultMaxBytes)
			return
		}
	}
	t.Fatal("no limit")
}

// For a response that arrives byte by byte, the total of parsed bytes is at
// most three times its size, and each byte is searched once.
func TestParseResponseLooksAtEachByteOnce(t *testing.T) {
	p := []byte(answerTo(chatOffer(t), "X: "+strings.Repeat("x", 12_000)+"\r\n"))
	var r ResponseParser
	parsed := 0
	for i := 1; i <= len(p); i++ {
		searched := r.searched
		if head, ok := r.whole(p[:i]); ok {
			parsed += len(head)
		}
		require.GreaterOrEqual(t, r.searched, searched)
		if i < len(p) {
			require.Equal(t, i, r.searched)
		}
	}
	require.LessOrEqual(t, parsed, 3*len(p))
}

// Extended CONNECT has no key and no Sec-WebSocket-Accept, and a status of 2xx
// (RFC 8441, section 5).
func TestCheckResponse_RFC8441_5(t *testing.T) {
	field := func(name, value string) httphead.Field {
		return httphead.Field{Name: []byte(name), Value: []byte(value)}
	}
	for _, tt := range []struct {
		name   string
		status int
		fields httphead.Fields
		err    error
	}{
		{"accepted", 200, nil, nil},
		{"agreed", 200, httphead.Fields{field("sec-websocket-protocol", "chat"), field("sec-websocket-extensions", "x")}, nil},
		{"other subprotocol", 200, httphead.Fields{field("sec-websocket-protocol", "wamp")}, ErrHandshakeBadSubProtocol},
		{"other extension", 200, httphead.Fields{field("sec-websocket-extensions", "y")}, ErrHandshakeBadExtensions},
		{"status of HTTP/1.1", 101, nil, ErrHandshakeBadStatus},
		{"refused", 403, nil, ErrHandshakeBadStatus},
	} {
		for _, major := range []int{2, 3} {
			o := chatOffer(t)
			o.Major = major
			hs, err := CheckResponse(&httphead.Response{Major: major, Status: tt.status, Fields: tt.fields}, o)
			require.ErrorIs(t, err, tt.err, tt.name)
			require.Equal(t, tt.err == nil && len(tt.fields) > 0, hs.Protocol == "chat", tt.name)
		}
	}
	o := chatOffer(t)
	o.Major = 2
	_, err := AppendRequest(nil, o)
	require.ErrorContains(t, err, "HTTP/2")
}

// An offer that a request cannot carry is an error, and dst is unchanged.
func TestAppendRequestRefuses(t *testing.T) {
	for name, change := range map[string]func(o *Offer){
		"no host":     func(o *Offer) { o.Host = "" },
		"no target":   func(o *Offer) { o.Target = "" },
		"bad target":  func(o *Offer) { o.Target = "/a b" },
		"subprotocol": func(o *Offer) { o.Protocols = []string{"a,b"} },
		"header":      func(o *Offer) { o.Header = HandshakeHeaderString("Upgrade: x\r\n") },
	} {
		o := chatOffer(t)
		change(o)
		p, err := AppendRequest([]byte("dst"), o)
		require.ErrorContains(t, err, "ws: request: ", name)
		require.Equal(t, "dst", string(p))
	}
	_, err := Dialer{}.Offer(nil)
	require.EqualError(t, err, "ws: offer: nil URL")
	_, _, err = Dialer{}.Upgrade(&fakeServer{}, nil)
	require.ErrorIs(t, err, errNilURL)
}

// The cost of a response is a small multiple of its size, and has an upper
// limit.
func TestAnswerMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	offer := Dialer{Protocols: []string{"chat"}, Extensions: []httphead.Option{httphead.NewOption("x", nil)}}
	for name, more := range map[string]string{
		"parameters":             "Sec-WebSocket-Extensions: x" + strings.Repeat(";a", 7800) + "\r\n",
		"parameters, unknown":    "Sec-WebSocket-Extensions: z" + strings.Repeat(";a", 7800) + "\r\n",
		"options":                "Sec-WebSocket-Extensions: " + strings.Repeat("x,", 7800) + "\r\n",
		"empty options":          "Sec-WebSocket-Extensions: x" + strings.Repeat(",", 15_000) + "\r\n",
		"extension fields":       strings.Repeat("Sec-WebSocket-Extensions: x;a;b;c;d\r\n", 100),
		"subprotocols":           "Sec-WebSocket-Protocol: " + strings.Repeat("a,", 7800) + "\r\n",
		"subprotocol fields":     strings.Repeat("Sec-WebSocket-Protocol: chat\r\n", 100),
		"accept":                 "Sec-WebSocket-Accept: " + strings.Repeat("x", 15_000) + "\r\n",
		"10 MB of one field":     "Sec-WebSocket-Extensions: x" + strings.Repeat(";a", 5_000_000) + "\r\n",
		"10 MB of fields":        strings.Repeat("X: y\r\n", 1_600_000),
		"10 MB of interim heads": strings.Repeat("HTTP/1.1 103 x\r\nX: y\r\n\r\n", 400_000),
	} {
		t.Run(name, func(t *testing.T) {
			answer := goodAnswer + more + "\r\n"
			if strings.HasPrefix(more, "HTTP") {
				answer = more + goodAnswer + "\r\n"
			}
			srv := &streamingServer{answer: answer}
			u := target(t, "ws://a.example/")
			var err error
			_, _, err = offer.Upgrade(&fakeServer{answer: goodAnswer + "\r\n"}, u) // warms up
			require.NoError(t, err)
			cost := allocated(func() { _, _, err = offer.Upgrade(srv, u) })
			require.Equal(t, name == "empty options", err == nil, "%v", err) // a recipient skips empty members
			require.Less(t, len(fmt.Sprint(err)), 2*peertext.Max)
			require.Less(t, cost, uint64(8*min(len(answer), httphead.DefaultMaxBytes)+16<<10), "%d bytes", len(answer))
		})
	}
}

// streamingServer sends a prepared response in pieces.
type streamingServer struct {
	answer string
	io.Reader
}

func (s *streamingServer) Write(p []byte) (int, error) {
	head, tail, _ := strings.Cut(s.answer, "ACCEPT")
	s.Reader = io.MultiReader(strings.NewReader(head), strings.NewReader(acceptFor(string(p))), strings.NewReader(tail))
	return len(p), nil
}

// Data from the peer is cut in every error of the client.
func TestAnswerErrorsAreCut(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, field := range []handshakeField{fieldUpgrade, fieldConnection, fieldAccept, fieldProtocol, fieldExtensions} {
		for _, more := range []string{
			fmt.Sprintf("%s: %s\r\n", field, long),
			strings.Repeat(fmt.Sprintf("%s: %s\r\n", field, long[:100]), 100),
		} {
			answer := strings.Replace(goodAnswer, field.String()+": ", "X-Not: ", 1) + more + "\r\n"
			_, _, err := Dialer{}.Upgrade(&fakeServer{answer: answer}, target(t, "ws://a.example/"))
			require.ErrorContains(t, err, "unexpected "+field.String())
			require.ErrorContains(t, err, long[:90])
			require.Less(t, len(err.Error()), peertext.Max+100)
		}
	}
	_, _, err := Dialer{}.Upgrade(&fakeServer{answer: "HTTP/1.1 403 " + long + "\r\n\r\n"}, target(t, "ws://a.example/"))
	require.Less(t, len(err.Error()), peertext.Max+100)
	require.ErrorContains(t, err, "403 Forbidden")
}

// A proxy forwards the client's offer: a parameter without a value stays
// without a value.
func TestOfferOfClonedExtensions_RFC6455_9_1(t *testing.T) {
	const offered = "permessage-deflate; client_max_window_bits; server_max_window_bits=10"
	var d Dialer
	for o, err := range (httphead.Fields{{Name: []byte("X"), Value: []byte(offered)}}).Options("X") {
		require.NoError(t, err)
		d.Extensions = append(d.Extensions, o.Clone())
	}
	o, err := d.Offer(target(t, "ws://a.example/"))
	require.NoError(t, err)
	p, err := AppendRequest(nil, &o)
	require.NoError(t, err)
	require.Contains(t, string(p), "Sec-WebSocket-Extensions: "+offered+"\r\n")
}
