package words

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	for s, want := range map[string][]string{
		"":                 {},
		" a  b\tc\n":       {"a", "b", "c"},
		`sh -c 'a "b" \c'`: {"sh", "-c", `a "b" \c`},
		`a "b 'c' \"d\""`:  {"a", `b 'c' "d"`},
		`C:\dir\x.exe`:     {`C:\dir\x.exe`},
		`a\"b`:             {`a"b`},
		`''a ""`:           {"a", ""},
	} {
		got, err := Split(s)
		require.NoError(t, err)
		require.Equal(t, want, append([]string{}, got...), s)
	}
	for _, s := range []string{`'a`, `a "b`} {
		_, err := Split(s)
		require.EqualError(t, err, "a quote is not closed")
	}
}
