package trace

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHex(t *testing.T) {
	long := strings.Repeat("8101 61", 1<<15) // more than a buffer
	for _, test := range []struct{ name, text, want, fault string }{
		{"pairs", "81 05\n48", "\x81\x05H", ""},
		{"digits", "8105", "\x81\x05", ""},
		{"apart", "8 1 0 5", "\x81\x05", ""},
		{"C", "0x81,0X05", "\x81\x05", ""},
		{"string", `\x81\x05`, "\x81\x05", ""},
		{"colons and dashes", "81:05-aF", "\x81\x05\xaf", ""},
		{"zeros", "00 0x00 000x00", "\x00\x00\x00\x00", ""},
		{"comment", "81 # 05\n05#", "\x81\x05", ""},
		{"carriage return", "81\r\n05\r\n", "\x81\x05", ""},
		{"xxd", "00000000: 8105 61             ..a\n00000003: 62  b", "\x81\x05ab", ""},
		{"hexdump", "00000000  81 05 |..|\n00000002\n", "\x81\x05", ""},
		{"a long line", long, strings.Repeat("\x81\x01a", 1<<15), ""},
		{"half a byte", "81\n0\n", "\x81", "line 2 is not hexadecimal"},
		{"half at the end", "810", "\x81", "line 1 is not hexadecimal"},
		{"word", "81\nhello", "\x81", "line 2 is not hexadecimal"},
		{"x alone", "81 x05", "\x81", "line 1 is not hexadecimal"},
		{"x in a byte", "10x05", "\x10", "line 1 is not hexadecimal"},
		{"left out", "00000000  81 05\n*\n", "\x81\x05", "dump again with hexdump -v"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := io.ReadAll(newHexReader(bufio.NewReader(strings.NewReader(test.text))))
			require.Equal(t, test.want, string(got))
			if test.fault == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.fault)
		})
	}
}
