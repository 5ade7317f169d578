package httphead

import (
	"net/http"
	"strings"
	"testing"

	grammar "github.com/gobwas/httphead"
	"github.com/stretchr/testify/require"
)

func cookies(f Fields) string {
	var got []string
	for name, value := range f.Cookies() {
		got = append(got, string(name)+"=<"+string(value)+">")
	}
	return strings.Join(got, " ")
}

func TestCookies(t *testing.T) {
	for _, group := range []struct {
		section string
		values  map[string]string
	}{
		{"RFC 6265 4.2.1, pairs", map[string]string{
			"a=b": "a=<b>", "a=b; c=d": "a=<b> c=<d>", "a=": "a=<>", "a=b=c": "a=<b=c>", "a=1; a=2": "a=<1> a=<2>", `a="b"`: "a=<b>", `a=""`: "a=<>",
		}},
		{"as net/http reads them", map[string]string{
			"a=b;c=d": "a=<b> c=<d>", "a=b;  \tc=d ;": "a=<b> c=<d>", "a=b c,d": "a=<b c,d>", ";;a=b;": "a=<b>",
		}},
		{"malformed pairs are passed over", map[string]string{
			"": "", "a": "", "=b": "", "a; b=c": "b=<c>", "a b=c; d=e": "d=<e>", `a="; d=e`: "d=<e>", `a=\; d=e`: "d=<e>", "a=\xe9; d=e": "d=<e>", "a=\x01; d=e": "d=<e>", "a =b; d=e": "d=<e>",
		}},
	} {
		t.Run(group.section, func(t *testing.T) {
			for value, want := range group.values {
				require.Equal(t, want, cookies(fields("Cookie", value)), "%q", value)
			}
		})
	}
}

func TestCookiesOverSeveralFields(t *testing.T) {
	f := fields("Cookie", "a=1; b=2", "Host", "c=3", "COOKIE", "d=4")
	require.Equal(t, "a=<1> b=<2> d=<4>", cookies(f))
	for _, most := range []int{1, 2, 3} { // within a field, at its end, in the next
		n := 0
		for range f.Cookies() {
			if n++; n == most {
				break
			}
		}
		require.Equal(t, most, n)
	}
}

// Each cookie that we yield net/http yields too.
func TestCookiesAreThoseOfNetHTTP(t *testing.T) {
	const value = `session=6f1d; theme="dark"; empty=; x=a b,c; bad name=1; q="a"b"; last=1`
	r := http.Request{Header: http.Header{"Cookie": {value}}}
	var want []string
	for _, c := range r.Cookies() {
		want = append(want, c.Name+"=<"+c.Value+">")
	}
	require.Equal(t, strings.Join(want, " "), cookies(fields("Cookie", value)))
}

// The grammar's scanner takes a second space for a part of the name, and yields
// pairs without a name and without a value.
func TestCookiesWhereTheGrammarDiffers(t *testing.T) {
	scan := func(value string) (got []string) {
		grammar.ScanCookie([]byte(value), func(name, value []byte) bool {
			got = append(got, string(name)+"=<"+string(value)+">")
			return true
		})
		return got
	}
	require.Equal(t, []string{"a=<b>"}, scan("a=b;  c=d"))
	require.Equal(t, "a=<b> c=<d>", cookies(fields("Cookie", "a=b;  c=d")))
	require.Equal(t, []string{"=<b>", "c=<>"}, scan("=b; c"))
	require.Empty(t, cookies(fields("Cookie", "=b; c")))
}
