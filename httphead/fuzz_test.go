package httphead

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	grammar "github.com/gobwas/httphead"
	"github.com/stretchr/testify/require"
)

var unlimited = Limits{MaxBytes: -1, MaxFields: -1}

func FuzzRequest(f *testing.F) {
	for _, in := range whole["request"] {
		f.Add([]byte(in), 20)
	}
	for _, in := range []string{
		"GET / HTTP/1.1\nHost: x\n\n", head("A : b\r\n"), head("A: b\r\n c\r\n"), head("A: \x00\r\n"), head("Host: x\r\n"), head("Content-Length: 0\r\n"),
		"OPTIONS * HTTP/1.1\r\n\r\n", "CONNECT h:1 HTTP/1.1\r\n\r\n", "GET http://h/ HTTP/1.0\r\n\r\nbehind", "PRI * HTTP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
		"GET /%zz HTTP/1.1\r\n\r\n", head("Pragma: no-cache\r\nTrailer: x\r\n"),
	} {
		f.Add([]byte(in), len(in)/2)
	}
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		r := Request{Limits: unlimited}
		n, err := r.Parse(p)
		checkParse(t, p, cut, n, err, r.Fields, slowRequest, parsers["request"])
		for _, size := range []int{16, 4096} {
			again := Request{Limits: unlimited}
			checkRead(t, p, size, n, err, again.Read)
			if err == nil {
				require.Equal(t, r.Fields, again.Fields)
				require.Equal(t, r.Target, again.Target)
			}
		}
		if err != nil {
			return
		}
		checkNetHTTP(t, p[:n], &r)

		head, err := AppendRequestLine(nil, string(r.Method), string(r.Target))
		if visibleEnd(r.Target, 0) < len(r.Target) {
			require.Equal(t, ErrInvalidTarget, err) // we take it and do not send it
			return
		}
		require.NoError(t, err)
		again := Request{Limits: unlimited}
		_, err = again.Parse(appendHead(t, head, r.Fields))
		require.NoError(t, err)
		require.Equal(t, r.Method, again.Method)
		require.Equal(t, r.Target, again.Target)
		require.Equal(t, r.Fields, again.Fields)
	})
}

func FuzzResponse(f *testing.F) {
	for _, in := range whole["response"] {
		f.Add([]byte(in), 20)
	}
	for _, in := range []string{"HTTP/1.1 200 OK\nA: b\n\n", "HTTP/1.1 099 \r\n\r\n", "HTTP/1.1 200\r\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 200 a\x00\r\n\r\n"} {
		f.Add([]byte(in), len(in)/2)
	}
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		r := Response{Limits: unlimited}
		n, err := r.Parse(p)
		checkParse(t, p, cut, n, err, r.Fields, slowResponse, parsers["response"])
		for _, size := range []int{16, 4096} {
			again := Response{Limits: unlimited}
			checkRead(t, p, size, n, err, again.Read)
			if err == nil {
				require.Equal(t, r.Fields, again.Fields)
				require.Equal(t, r.Status, again.Status)
			}
		}
		if err != nil {
			return
		}

		head, err := AppendStatusLine(nil, r.Status, string(r.Reason))
		require.NoError(t, err)
		again := Response{Limits: unlimited}
		_, err = again.Parse(appendHead(t, head, r.Fields))
		require.NoError(t, err)
		require.Equal(t, r.Status, again.Status)
		require.Equal(t, string(r.Reason), string(again.Reason))
		require.Equal(t, r.Fields, again.Fields)
	})
}

func appendHead(t *testing.T, head []byte, f Fields) []byte {
	for i := range f {
		var err error
		head, err = AppendField(head, f[i].Name, f[i].Value)
		require.NoError(t, err)
	}
	return append(head, "\r\n"...)
}

// checkParse holds the outcome of Parse against the plain grammar, against what
// Parse says of a part of the same bytes, and against End.
func checkParse(t *testing.T, p []byte, cut, n int, err error, f Fields, plain *regexp.Regexp, parse func([]byte, Limits) (int, error)) {
	size, line, slow, ok := parseSlow(p, plain)
	if plain == slowRequest {
		ok = ok && acceptableSlow(line[0], line[1], slow)
	}
	require.Equal(t, ok, err == nil, "%q: %v", p, err)
	if ok {
		require.Equal(t, size, n)
		var got []string
		for i := range f {
			got = append(got, string(f[i].Name), string(f[i].Value))
		}
		require.Equal(t, slow, got)
	}

	part := p[:min(max(cut, 0), len(p))]
	m, partErr := parse(part, unlimited)
	if partErr != io.ErrUnexpectedEOF { // then more bytes change nothing
		require.Equal(t, err, partErr)
		require.Equal(t, n, m)
	}
	// Bytes after the limit are ignored.
	if len(part) > 0 {
		lim := Limits{MaxBytes: len(part), MaxFields: -1}
		_, partErr = parse(part, lim)
		_, wholeErr := parse(p, lim)
		require.Equal(t, wholeErr, partErr)
		require.NotEqual(t, io.ErrUnexpectedEOF, partErr)
	}

	end := End(p, 0)
	if end < 0 {
		require.Error(t, err)
		return
	}
	_, endErr := parse(p[:end], unlimited)
	require.Equal(t, err, endErr)
	require.NotEqual(t, io.ErrUnexpectedEOF, endErr)
	if err == nil {
		require.Equal(t, end, n)
	}
	if c := min(max(cut, 0), end-1); End(p[:c:c], 0) < 0 {
		require.Equal(t, end, End(p, c))
	}
}

// checkRead holds Read against the outcome of Parse.
func checkRead(t *testing.T, p []byte, size, n int, want error, read func(*bufio.Reader) error) {
	br := bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(p)), size)
	err := read(br)
	switch {
	case err == io.ErrUnexpectedEOF:
		require.True(t, want == err || End(p, 0) < 0, "%q", p) // the stream ended before anyone looked
	case err == io.EOF:
		require.Empty(t, p)
	default:
		require.Equal(t, want, err)
	}
	if err == nil {
		rest, _ := io.ReadAll(br)
		require.Equal(t, string(p[n:]), string(rest))
	}
}

func FuzzAppendField(f *testing.F) {
	f.Add("Host", []byte("example.com"))
	f.Add("X", []byte(" \ta\tb "))
	f.Add("X", []byte("a\r\nY: b"))
	f.Add("X\r\n", []byte("\x00"))
	f.Add("", []byte("\x7f"))
	f.Fuzz(func(t *testing.T, name string, value []byte) {
		dst := []byte("dst")
		got, err := AppendField(dst, name, value)
		if err != nil {
			require.Equal(t, "dst", string(got))
			control := bytes.ContainsFunc(value, func(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f })
			require.True(t, err == ErrInvalidName && !IsToken(name) || err == ErrInvalidValue && control)
			return
		}
		fields, n, err := ParseFields(got[len(dst):], nil, unlimited)
		require.NoError(t, err)
		require.Equal(t, len(got)-len(dst), n)
		require.Len(t, fields, 1)
		require.Equal(t, name, string(fields[0].Name))
		require.Equal(t, strings.Trim(string(value), " \t"), string(fields[0].Value))
	})
}

func FuzzOptions(f *testing.F) {
	for _, in := range []string{
		"permessage-deflate; client_max_window_bits", `a; b="c, d"; e="\"\\", f`, "a,, b;\tc = d", "a b", "a;", `a;b="`, "", "a;b=\"\xff\"", "a;1;2;3;4;5;6;7;8;9",
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		parsed, ok := ParseOptions(value, nil)
		for range (Fields{{[]byte("Cookie"), value}}).Cookies() {
		}
		checkTokens(t, value)
		if !ok {
			return
		}
		require.NotEmpty(t, parsed)
		again, ok := reparse(t, parsed)
		require.True(t, ok)
		requireSameOptions(t, parsed, again)

		// Without tabs and escapes the grammar's own scanner reads what we read.
		if !bytes.ContainsAny(value, "\t\\") {
			theirs, ok := grammar.ParseOptions(value, nil)
			require.True(t, ok)
			requireSameOptions(t, theirs, parsed)
		}
	})
}

func reparse(t *testing.T, options []Option) ([]Option, bool) {
	value, err := AppendOptions(nil, options)
	require.NoError(t, err)
	return ParseOptions(value, nil)
}

// requireSameOptions compares with the order of parameters. An empty value
// counts as none: so it is written.
func requireSameOptions(t *testing.T, want, got []Option) {
	shown := func(options []Option) (s []string) {
		for _, o := range options {
			s = append(s, strings.ReplaceAll(show(o), "=<>", ""))
		}
		return s
	}
	require.Equal(t, shown(want), shown(got))
}

// checkTokens holds Tokens against a plain split at commas.
func checkTokens(t *testing.T, value []byte) {
	var want []string
	for member := range bytes.SplitSeq(value, []byte{','}) {
		if member = bytes.Trim(member, " \t"); len(member) == 0 {
			continue
		}
		if !IsToken(member) {
			want = append(want, malformed)
			break
		}
		want = append(want, string(member))
	}
	if want == nil {
		want = []string{malformed}
	}
	f := Fields{{[]byte("A"), value}}
	require.Equal(t, want, tokens(f, "a"))
	require.Equal(t, want[0] != malformed, f.HasToken("A", want[0]))
}
