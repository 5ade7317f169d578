package ws

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
)

// FuzzUpgrade passes any bytes to the raw upgrade: the result does not depend
// on the reads, complete requests are answered, and nothing is read past an
// accepted request.
func FuzzUpgrade(f *testing.F) {
	for _, tt := range append(requestCases, rawCases...) {
		f.Add([]byte(tt.request))
	}
	f.Add(AppendFrame([]byte(chromeRequest), MaskFrame(NewTextFrame([]byte("early")))))
	u := Upgrader{
		Protocol:  func([]byte) bool { return true },
		Negotiate: func(o httphead.Option) (httphead.Option, error) { return o, nil },
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		steps := scripted(string(in))
		_, err := u.Upgrade(steps)

		br := bufio.NewReader(bytes.NewReader(in))
		var buffered bytes.Buffer
		_, errBuffered := u.Upgrade(bufio.NewReadWriter(br, bufio.NewWriter(&buffered)))
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(errBuffered, io.ErrUnexpectedEOF) {
			require.Error(t, err) // a fault may be found a little earlier or later
			require.Error(t, errBuffered)
			return
		}
		require.Equal(t, err == nil, errBuffered == nil, "%v, buffered %v", err, errBuffered)
		require.Equal(t, steps.String(), buffered.String())

		if err == nil {
			var req httphead.Request
			n, err := req.Parse(in)
			require.NoError(t, err)
			require.Equal(t, len(in)-n, steps.Reader.(*strings.Reader).Len())
			require.Equal(t, len(in)-n, br.Buffered())
		}
		if steps.Len() > 0 {
			resp, err := http.ReadResponse(bufio.NewReader(&steps.Buffer), nil)
			require.NoError(t, err)
			resp.Body.Close()
		}
	})
}

// FuzzDialerAnswer passes any response to the client: it accepts only the right
// one, and never panics.
func FuzzDialerAnswer(f *testing.F) {
	f.Add([]byte(goodAnswer + "\r\n"))
	f.Add([]byte(goodAnswer + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x; y=\"1\"\r\n\r\n\x81\x02hi"))
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"))
	d := Dialer{Protocols: []string{"chat"}, Extensions: []httphead.Option{httphead.NewOption("x", nil)}}
	f.Fuzz(func(t *testing.T, answer []byte) {
		br, hs, err := d.Upgrade(&fakeServer{answer: string(answer)}, target(t, "ws://a.example/"))
		if err != nil {
			require.Nil(t, br)
			return
		}
		require.Contains(t, string(answer), "ACCEPT")
		require.Contains(t, []string{"", "chat"}, hs.Protocol)
		require.LessOrEqual(t, len(hs.Extensions), 1)
	})
}
