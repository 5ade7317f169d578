package httphead

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// parsers are the two kinds of heads behind one signature.
var parsers = map[string]func(p []byte, lim Limits) (int, error){
	"request": func(p []byte, lim Limits) (int, error) {
		r := Request{Limits: lim}
		return r.Parse(p)
	},
	"response": func(p []byte, lim Limits) (int, error) {
		r := Response{Limits: lim}
		return r.Parse(p)
	},
}

var whole = map[string][]string{
	"request":  {chromeRequest, "\r\n" + chromeRequest, "GET / HTTP/1.1\r\n\r\n", head("A:\r\nB: \t c\r\n")},
	"response": {switching, "HTTP/1.0 200 \r\n\r\n", "HTTP/1.1 200\r\n\r\n", "HTTP/1.1 404 Not Found\r\nA:\r\n\r\n"},
}

func TestEveryStrictPrefixIsShort(t *testing.T) {
	for kind, parse := range parsers {
		for _, in := range whole[kind] {
			for i := range in {
				n, err := parse([]byte(in[:i]), Limits{})
				require.Equal(t, io.ErrUnexpectedEOF, err, "%q", in[:i])
				require.Zero(t, n)
			}
			n, err := parse([]byte(in), Limits{})
			require.NoError(t, err)
			require.Equal(t, len(in), n)
		}
	}
}

func TestMaxBytesCountsTheWholeHead(t *testing.T) {
	for kind, parse := range parsers {
		for _, in := range whole[kind] {
			line := strings.Index(in[2:], "\r\n") + 4 // the start line with its end, after an empty line
			for most := 1; most <= len(in)+1; most++ {
				want := error(nil)
				switch {
				case most < line:
					want = ErrStartLineTooLong
				case most < len(in):
					want = ErrHeadTooLarge
				}
				lim := Limits{MaxBytes: most}
				_, err := parse([]byte(in), lim)
				require.Equal(t, want, err, "limit %d of %q", most, in)

				// The same is known as soon as that many bytes arrived.
				short := in[:min(most, len(in))]
				_, err = parse([]byte(short), lim)
				require.Equal(t, want, err, "limit %d of %q", most, short)
				require.True(t, want == nil || lim.Exceeded(len(short)))
				_, err = parse([]byte(in[:len(short)-1]), lim)
				require.Equal(t, io.ErrUnexpectedEOF, err)
			}
		}
	}
}

func TestLimitStatus(t *testing.T) {
	status := func(in string, lim Limits) int {
		_, err := parsers["request"]([]byte(in), lim)
		fault, ok := errors.AsType[*Error](err)
		require.True(t, ok)
		return fault.Status
	}
	long := strings.Repeat("x", DefaultMaxBytes)
	require.Equal(t, 414, status("GET /"+long, Limits{}), "RFC 9110 15.5.15")
	require.Equal(t, 414, status(long, Limits{}))
	require.Equal(t, 431, status(head("A: "+long), Limits{}), "RFC 6585 5")
	require.Equal(t, 431, status(head(long), Limits{}))
	require.Equal(t, 431, status(head(strings.Repeat("A:b\r\n", 128)), Limits{}))
	require.Equal(t, 400, status(head("A:b\n"+long), Limits{}), "a fault in front of the limit")
}

func TestMaxFields(t *testing.T) {
	lines := func(n int) []byte {
		return []byte("GET / HTTP/1.1\r\n" + strings.Repeat("A:b\r\n", n) + "\r\n")
	}
	for _, c := range []struct {
		set  int
		most int
	}{{0, DefaultMaxFields}, {1, 1}, {500, 500}} {
		_, err := parsers["request"](lines(c.most), Limits{MaxFields: c.set})
		require.NoError(t, err)
		_, err = parsers["request"](lines(c.most+1), Limits{MaxFields: c.set})
		require.Equal(t, ErrTooManyFields, err)
	}
}

func TestNegativeLimitsAreNone(t *testing.T) {
	lines := 1_000_000 // also: so many take linear time
	if testing.Short() {
		lines = 100_000
	}
	in := head(strings.Repeat("Abc: d\r\n", lines))
	_, err := parsers["request"]([]byte(in), Limits{})
	require.Equal(t, ErrTooManyFields, err)
	_, err = parsers["request"]([]byte(in), Limits{MaxFields: -1})
	require.Equal(t, ErrHeadTooLarge, err)
	_, err = parsers["request"]([]byte(in), Limits{MaxBytes: -1})
	require.Equal(t, ErrTooManyFields, err)
	n, err := parsers["request"]([]byte(in), Limits{MaxBytes: -1, MaxFields: -1})
	require.NoError(t, err)
	require.Equal(t, len(in), n)
}

func TestParseFields(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
		n    int
		err  error
	}{
		{"", nil, 0, nil},
		{"A: b\r\n", []string{"A=b"}, 6, nil},
		{"A: b\r\nC:d \r\n", []string{"A=b", "C=d"}, 12, nil},
		{"A: b\r\n\r\nC: d\r\n", []string{"A=b"}, 6, nil}, // stops in front of an empty line
		{"\r\n", nil, 0, nil},
		{"A: b\r\n\rC: d\r\n", []string{"A=b"}, 6, nil}, // n is not len(p): no block
		{"A: b", nil, 0, io.ErrUnexpectedEOF},
		{"A: b\r", nil, 0, io.ErrUnexpectedEOF},
		{"A: b\r\nC", []string{"A=b"}, 6, io.ErrUnexpectedEOF},
		{"A: b\r\nC\r\n", []string{"A=b"}, 6, ErrNoColon},
		{"A: b\r\n C: d\r\n", []string{"A=b"}, 6, ErrFold},
		{"A: b\nC: d\r\n", nil, 0, ErrLineEnd},
		{"Host: a\r\nHost: b\r\nContent-Length: 5\r\n", []string{"Host=a", "Host=b", "Content-Length=5"}, 37, nil},
	} {
		f, n, err := ParseFields([]byte(c.in), nil, Limits{})
		var got []string
		for _, field := range f {
			got = append(got, fmt.Sprintf("%s=%s", field.Name, field.Value))
		}
		require.Equal(t, c.want, got, "%q", c.in)
		require.Equal(t, c.n, n, "%q", c.in)
		require.Equal(t, c.err, err, "%q", c.in)
	}
}

func TestParseFieldsAppendsWithinLimits(t *testing.T) {
	p := []byte("A: b\r\nC: d\r\n")
	f, _, err := ParseFields(p, Fields{{Name: []byte("X")}}, Limits{MaxBytes: len(p), MaxFields: 3})
	require.NoError(t, err)
	require.Len(t, f, 3)
	require.Equal(t, "X", string(f[0].Name))

	_, _, err = ParseFields(p, Fields{{}, {}}, Limits{MaxFields: 3})
	require.Equal(t, ErrTooManyFields, err)
	for most := 1; most < len(p); most++ {
		_, _, err = ParseFields(p, nil, Limits{MaxBytes: most})
		require.Equal(t, ErrHeadTooLarge, err)
	}
}

func TestErrorsCarryStatusAndSection(t *testing.T) {
	fault, ok := errors.AsType[*Error](fmt.Errorf("handshake: %w", ErrNameSpace))
	require.True(t, ok)
	require.Equal(t, 400, fault.Status)
	require.Equal(t, "RFC 9112, section 5.1", fault.Section)
	require.EqualError(t, ErrNameSpace, "httphead: white space after a field name (RFC 9112, section 5.1)")
	require.NotErrorIs(t, ErrNameSpace, ErrFieldName)

	_, err := parsers["request"]([]byte("GET / HTTP/2.0\r\n\r\n"), Limits{})
	fault, _ = errors.AsType[*Error](err)
	require.Equal(t, 505, fault.Status)

	// Others make their own.
	var err405 error = &Error{Status: 405, Section: "RFC 6455, section 4.2.1", Reason: "method is not GET"}
	fault, _ = errors.AsType[*Error](err405)
	require.Equal(t, 405, fault.Status)
}
