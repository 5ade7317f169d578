package httphead

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRequestParse(t *testing.T) {
	var r Request
	n, err := r.Parse([]byte(chromeRequest + "behind"))
	require.NoError(t, err)
	require.Equal(t, len(chromeRequest), n)
	require.Equal(t, "GET", string(r.Method))
	require.Equal(t, "/echo?room=42", string(r.Target))
	require.Equal(t, []int{1, 1}, []int{r.Major, r.Minor})
	require.Len(t, r.Fields, 14)
	require.Equal(t, "Host", string(r.Fields[0].Name))
	require.Equal(t, "ws.example.com", string(r.Fields[0].Value))
	require.Equal(t, "chat.v2, chat.v1", string(r.Fields[13].Value))
}

// head is a request with the given lines after its Host.
func head(lines string) string { return "GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n" }

func TestRequestFaults(t *testing.T) {
	for _, group := range []struct {
		section string
		want    error // nil: the head is well formed
		heads   []string
	}{
		{"RFC 9112 2.2, lines end in CRLF", ErrLineEnd, []string{
			"GET / HTTP/1.1\nHost: h\n\n",
			"GET / HTTP/1.1\nHost: h\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: h\n\r\n",
			"GET / HTTP/1.1\r\nHost: h\r\n\n",
			"GET / HTTP/1.1\r\n\n",
			"\nGET / HTTP/1.1\r\n\r\n",
			"GET\n/ HTTP/1.1\r\n\r\n",
			"GET /\nHTTP/1.1\r\n\r\n",
			"GET /\n\n",
			"\rGET / HTTP/1.1\r\n\r\n",
			"GET / HTTP/1.1\rHost: h\r\n\r\n",
			"GET / HTTP/1.1\r\r\n\r\n",
			head("A: b\rC: d\r\n"),
			head("A: b\r\r\n"),
			head("A: b\nC: d\r\n"),
			head("A: \r \n\r\n"),
			head("A\n"),
			head("\rA: b\r\n"),
		}},
		{"RFC 9112 2.2, one empty line in front", nil, []string{"\r\nGET / HTTP/1.1\r\n\r\n"}},
		{"RFC 9112 2.2, two empty lines in front", ErrRequestLine, []string{"\r\n\r\nGET / HTTP/1.1\r\n\r\n"}},
		{"RFC 9112 2.2, white space behind the start line", ErrFold, []string{
			"GET / HTTP/1.1\r\n Host: h\r\n\r\n", "GET / HTTP/1.1\r\n\tHost: h\r\n\r\n", "GET / HTTP/1.1\r\n \r\n\r\n",
		}},
		{"RFC 9112 2.3, version", ErrVersion, []string{
			"GET / HTTP/0.9\r\n\r\n", "GET / HTTP/2.0\r\n\r\n", "GET / HTTP/3.0\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		}},
		{"RFC 9112 2.3, version 1", nil, []string{"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.9\r\n\r\n"}},
		{"RFC 9112 3, request line", ErrRequestLine, []string{
			"GET / HTTP/1\r\n\r\n", "GET / HTTP/11\r\n\r\n", "GET / HTTP/1.\r\n\r\n", "GET / HTTP/1.x\r\n\r\n", "GET / HTTP/1.10\r\n\r\n",
			"GET / HTTP/x.1\r\n\r\n", "GET / http/1.1\r\n\r\n", "GET / HTTP 1.1\r\n\r\n", "GET / HTTPS/1.1\r\n\r\n", "GET / \r\n\r\n",
			"GET  / HTTP/1.1\r\n\r\n", "GET /  HTTP/1.1\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n", " GET / HTTP/1.1\r\n\r\n",
			"GET\t/ HTTP/1.1\r\n\r\n", "GET /\tHTTP/1.1\r\n\r\n", "GET / x HTTP/1.1\r\n\r\n", "GET /\r\n\r\n", "GET\r\n\r\n", "/ HTTP/1.1\r\n\r\n",
			"G(T / HTTP/1.1\r\n\r\n", "GET: / HTTP/1.1\r\n\r\n", "G\x00T / HTTP/1.1\r\n\r\n", "G\xc3T / HTTP/1.1\r\n\r\n",
			"GET /\x00 HTTP/1.1\r\n\r\n", "GET /\x7f HTTP/1.1\r\n\r\n",
			"GET / HTTP/1.1\x00\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		}},
		{"RFC 9112 3.2, target", ErrTarget, []string{
			"GET echo HTTP/1.1\r\n\r\n", "GET * HTTP/1.1\r\n\r\n", "GET h:80 HTTP/1.1\r\n\r\n", "GET ?q HTTP/1.1\r\n\r\n",
			"GET http:// HTTP/1.1\r\n\r\n", "GET ftp://h/ HTTP/1.1\r\n\r\n", "POST * HTTP/1.1\r\n\r\n", "OPTIONS ** HTTP/1.1\r\n\r\n",
			"CONNECT / HTTP/1.1\r\n\r\n", "CONNECT h HTTP/1.1\r\n\r\n", "CONNECT h: HTTP/1.1\r\n\r\n", "CONNECT :80 HTTP/1.1\r\n\r\n",
			"GET /%zz HTTP/1.1\r\n\r\n", "GET /a%2 HTTP/1.1\r\n\r\n", "GET /% HTTP/1.1\r\n\r\n", "GET /%20%2g?q HTTP/1.1\r\n\r\n", "GET /%2?20 HTTP/1.1\r\n\r\n",
			"GET http://exampl%.com/ HTTP/1.1\r\n\r\n", "GET http://h%41/ HTTP/1.1\r\n\r\n", "GET ws://h/%zz HTTP/1.1\r\n\r\n", "GET wss:// HTTP/1.1\r\n\r\n",
			"CONNECT h:80x HTTP/1.1\r\n\r\n", "CONNECT u@h:80 HTTP/1.1\r\n\r\n", "CONNECT http://h:80 HTTP/1.1\r\n\r\n", "connect h:80 HTTP/1.1\r\n\r\n",
		}},
		{"RFC 9112 3.2, target forms", nil, []string{
			"GET / HTTP/1.1\r\n\r\n", "GET /a%20b/c?d=e&f HTTP/1.1\r\n\r\n", "GET http://h HTTP/1.1\r\n\r\n", "GET HTTPS://h/x HTTP/1.1\r\n\r\n",
			"OPTIONS * HTTP/1.1\r\n\r\n", "CONNECT h:80 HTTP/1.1\r\n\r\n", "CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "M-SEARCH / HTTP/1.1\r\n\r\n",
			"GET ws://h/chat HTTP/1.1\r\n\r\n", "GET WSS://h?x HTTP/1.1\r\n\r\n", "GET http://h%C3%A9/ HTTP/1.1\r\n\r\n",
			"GET /?%zz HTTP/1.1\r\n\r\n", "GET /%41%c3%A9?% HTTP/1.1\r\n\r\n", "GET http://h?%zz HTTP/1.1\r\n\r\n",
		}},
		{"RFC 3986 2.1, bytes above ASCII, as net/http takes them", nil, []string{
			"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", "GET /12345678\x80?\xff HTTP/1.1\r\n\r\n",
		}},
		{"RFC 9112 3.2, Host", ErrHost, []string{head("Host: h\r\n"), head("hOST: other\r\n"), head("A: b\r\nHost:\r\n")}},
		{"RFC 9112 3.2, no Host is for the caller", nil, []string{"GET / HTTP/1.1\r\n\r\n"}},
		{"RFC 9112 5, colon", ErrNoColon, []string{head("Abc\r\n"), head("A\r\nB: c\r\n")}},
		{"RFC 9112 5.1, space before the colon", ErrNameSpace, []string{head("A : b\r\n"), head("A\t: b\r\n"), head("A b\r\n")}},
		{"RFC 9110 5.1, names are tokens", ErrFieldName, []string{
			head(": b\r\n"), head("A/B: c\r\n"), head("A\x00: b\r\n"), head("A(: b\r\n"), head("\"A\": b\r\n"), head("\xc3\xa9: b\r\n"), head("A\x7f: b\r\n"), head("=\r\n"),
		}},
		{"RFC 9110 5.1, names", nil, []string{head("!#$%&'*+-.^_`|~09azAZ: b\r\n")}},
		{"RFC 9112 5.2, folded lines", ErrFold, []string{head("A: b\r\n c\r\n"), head("A: b\r\n\tc\r\n"), head(" A: b\r\n")}},
		{"RFC 9110 5.5, control bytes", ErrFieldValue, []string{
			head("A: \x00\r\n"), head("A: b\x01c\r\n"), head("A: 12345678\x1f\r\n"), head("A: 1234567\x7f\r\n"), head("A: \xff\x00\r\n"), head("A:\x0b\r\n"), head("A: b\x0c\r\n"),
		}},
		{"RFC 9110 5.5, values", nil, []string{
			head("A:\r\n"), head("A: \r\n"), head("A:b\r\n"), head("A: \t b\tc \t\r\n"), head("A: \x80\xff caf\xc3\xa9\r\n"), head("A: : ; \" \\\r\n"),
		}},
		{"RFC 9110 8.6, Content-Length", ErrContentLength, []string{
			head("Content-Length:\r\n"), head("Content-Length: x\r\n"), head("Content-Length: +0\r\n"), head("Content-Length: -1\r\n"), head("Content-Length: 0x0\r\n"),
			head("Content-Length: 00\r\n"), head("Content-Length: 07\r\n"), head("Content-Length: 0, 0\r\n"), head("Content-Length: 0 0\r\n"), head("Content-Length: 1, 1\r\n"),
			head("Content-Length: 0\r\ncontent-length: zero\r\n"),
		}},
		{"RFC 9112 6, body", ErrBody, []string{
			head("Content-Length: 1\r\n"), head("content-length: 18446744073709551616\r\n"), head("Content-Length: 0\r\nContent-Length: 5\r\n"),
			head("Transfer-Encoding: chunked\r\n"), head("transfer-encoding: identity\r\n"), head("Transfer-Encoding:\r\n"), head("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
		}},
		{"RFC 9112 6, no body", nil, []string{head("Content-Length: 0\r\n"), head("Content-Length: 0\r\nContent-Length: 0\r\n"), head("X-Transfer-Encoding: x\r\n")}},
	} {
		t.Run(group.section, func(t *testing.T) {
			for _, in := range group.heads {
				var r Request
				n, err := r.Parse([]byte(in))
				require.Equal(t, group.want, err, "%q", in)
				if err == nil {
					require.Equal(t, len(in), n, "%q", in)
				}
			}
		})
	}
}

func TestRequestValuesLoseWhiteSpaceAround(t *testing.T) {
	var r Request
	_, err := r.Parse([]byte(head("A: \t b\tc d \t\r\nB:\r\nC: \t \r\n")))
	require.NoError(t, err)
	require.Equal(t, "b\tc d", string(r.Fields[1].Value))
	require.Empty(t, r.Fields[2].Value)
	require.Empty(t, r.Fields[3].Value)
}

// Every byte in every place of a line, against the grammar written down plainly.
func TestRequestEveryByteEverywhere(t *testing.T) {
	token := func(c byte) bool {
		return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
	}
	for c := range 256 {
		c := byte(c)
		for at := range 20 { // in each lane of a word and after it
			pad, rest := strings.Repeat("x", at), strings.Repeat("y", 20-at)
			for _, place := range []struct {
				in string
				ok bool
			}{
				{"G" + pad + string([]byte{c}) + rest + " / HTTP/1.1\r\n\r\n", token(c)},
				{"GET /" + pad + string([]byte{c}) + rest + " HTTP/1.1\r\n\r\n", 0x21 <= c && c != 0x7f && c != '%'},
				{head("A" + pad + string([]byte{c}) + rest + ": v\r\n"), token(c) || c == ':'},
				{head("A:" + pad + string([]byte{c}) + rest + "\r\n"), c >= 0x20 && c != 0x7f || c == '\t'},
			} {
				var r Request
				_, err := r.Parse([]byte(place.in))
				require.Equal(t, place.ok, err == nil, "%q: %v", place.in, err)
			}
		}
	}
}

func TestRequestViewsCannotGrowIntoEachOther(t *testing.T) {
	p := []byte(chromeRequest)
	var r Request
	_, err := r.Parse(p)
	require.NoError(t, err)
	for _, view := range append([][]byte{r.Method, r.Target}, r.Fields[3].Name, r.Fields[3].Value) {
		_ = append(view, "overwritten"...)
	}
	require.Equal(t, chromeRequest, string(p))

	p[len("GET ")] = '!' // a view shows what becomes of the bytes
	require.Equal(t, "!echo?room=42", string(r.Target))
}

func TestRequestReset(t *testing.T) {
	r := Request{Limits: Limits{MaxBytes: 1000}}
	_, err := r.Parse([]byte(chromeRequest))
	require.NoError(t, err)
	kept := cap(r.Fields)
	r.Reset()
	require.Equal(t, kept, cap(r.Fields))
	for _, f := range r.Fields[:kept] {
		require.Equal(t, Field{}, f)
	}
	r.Fields = nil
	r.scratch = nil
	require.Equal(t, Request{}, r)
}

func TestRequestAfterErrorIsAsNew(t *testing.T) {
	var r Request
	_, err := r.Parse([]byte("BAD"))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = r.Parse([]byte(head("Host: h\r\n")))
	require.ErrorIs(t, err, ErrHost)
	_, err = r.Parse([]byte(head("")))
	require.NoError(t, err)
	require.Len(t, r.Fields, 1)
}
