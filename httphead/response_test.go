package httphead

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestResponseParse(t *testing.T) {
	var r Response
	n, err := r.Parse([]byte(switching + "\x81\x02hi"))
	require.NoError(t, err)
	require.Equal(t, len(switching), n)
	require.Equal(t, []int{1, 1, 101}, []int{r.Major, r.Minor, r.Status})
	require.Equal(t, "Switching Protocols", string(r.Reason))
	require.Len(t, r.Fields, 4)
	accept, _ := r.Fields.Value("sec-websocket-accept")
	require.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", string(accept))
}

func TestResponseStatusLine(t *testing.T) {
	for _, group := range []struct {
		section string
		want    error
		lines   []string
	}{
		{"RFC 9112 4, reason", nil, []string{
			"HTTP/1.1 200 OK", "HTTP/1.1 200 ", "HTTP/1.1 200", "HTTP/1.0 999 x", "HTTP/1.1 404 \tNot  Found ", "HTTP/1.1 500 caf\xc3\xa9 \xff",
		}},
		{"RFC 9112 4, status", ErrStatusLine, []string{
			"HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 +20 OK", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 OK",
		}},
		{"RFC 9112 4, line", ErrStatusLine, []string{
			"", " HTTP/1.1 200 OK", "http/1.1 200 OK", "HTTP/1.x 200 OK", "HTTP/1 200 OK", "ICY 200 OK", "200 OK", "HTTP/1.1 200 a\x00", "HTTP/1.1 200 a\x7f", "HTTP/1.1 200\tOK", "HTTP/1.1 200-OK",
		}},
		{"RFC 9112 2.3, version", ErrVersion, []string{"HTTP/2.0 200 OK", "HTTP/0.9 200 OK"}},
		{"RFC 9112 2.2, line end", ErrLineEnd, []string{"HTTP/1.1 200 OK\nA: b", "HTTP/1.1 200 O\rK", "HTTP/1.1 200\nA: b", "HTTP/1.1 200\rA: b"}},
	} {
		t.Run(group.section, func(t *testing.T) {
			for _, line := range group.lines {
				var r Response
				_, err := r.Parse([]byte(line + "\r\n\r\n"))
				require.Equal(t, group.want, err, "%q", line)
			}
		})
	}
}

// What a response says of its body is not this package's to judge.
func TestResponseMayAnnounceBody(t *testing.T) {
	for _, line := range []string{"Content-Length: 5", "Transfer-Encoding: chunked", "Content-Length: x"} {
		var r Response
		_, err := r.Parse([]byte("HTTP/1.1 403 Forbidden\r\n" + line + "\r\n\r\nhello"))
		require.NoError(t, err)
	}
}

func TestResponseReset(t *testing.T) {
	r := Response{Limits: Limits{MaxFields: 5}}
	_, err := r.Parse([]byte(switching))
	require.NoError(t, err)
	r.Reset()
	for _, f := range r.Fields[:cap(r.Fields)] {
		require.Equal(t, Field{}, f)
	}
	r.Fields = nil
	r.scratch = nil
	require.Equal(t, Response{}, r)
}
