package httphead

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Values of half a MiB, far over any limit: where work grows with the square of
// the size this takes minutes a value, and otherwise milliseconds.
func TestLinearTime(t *testing.T) {
	size := 512 << 10
	if testing.Short() { // as under an emulator
		size = 64 << 10
	}
	for _, unit := range []string{
		",", " ", "\t", ";", `"`, `\`, "=", "(", ")", "a",
		", ", " ,", "; ", ";,", "a,", "a ,", "a, ", "a;", "a;b,", "a;b=c,", ";b", ";b=c",
		`\"`, `"\`, `""`, `"a"`, `,"`, `"\"",`, `;b="\""`, "())", "a=b; ", "a=b;",
	} {
		for _, before := range []string{"", "a", `a;b="`, `a;b="\`, "("} {
			value := before + strings.Repeat(unit, (size-len(before))/len(unit))
			f := fields("Cookie", value)
			for range f.Tokens("Cookie") {
			}
			var o Option
			for range f.ScanOptions("Cookie", &o, OptionLimits{MaxOptions: -1, MaxParameters: -1}) {
			}
			for range f.Cookies() {
			}
			require.False(t, f.HasToken("Cookie", "b"))
		}
	}
}

// As many fields as lie in 1 MiB, and one value in each.
func TestLinearTimeOverFields(t *testing.T) {
	for _, line := range []string{":\r\n", "a:\r\n", "a:,\r\n", "a:b\r\n", "a: " + strings.Repeat(" ", 100) + "\r\n", "a:\"\r\n", "\r\n", "a\r\n", " \r\n"} {
		p := []byte("GET / HTTP/1.1\r\n" + strings.Repeat(line, 1<<20/len(line)) + "\r\n")
		r := Request{Limits: Limits{MaxBytes: -1, MaxFields: -1}}
		if _, err := r.Parse(p); err != nil {
			continue
		}
		for range r.Fields.Tokens("a") {
		}
		for range r.Fields.Options("a") {
		}
		require.Zero(t, r.Fields.Count("b"))
	}
}
