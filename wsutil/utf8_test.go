package wsutil

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestUTF8Reader(t *testing.T) {
	for _, tt := range []struct {
		text     string
		ok       bool
		accepted int // by a single Read
	}{
		{"", true, 0}, {"abc", true, 3}, {"κόσμε", true, 10}, {"😀", true, 4},
		{"a\xFFb", false, 1}, {"\xED\xA0\x80", false, 0}, {"é\xC3", false, 2}, {"\xF0\x9F\x98", false, 0},
	} {
		u := NewUTF8Reader(strings.NewReader(tt.text))
		n, err := u.Read(make([]byte, 100))
		require.Equal(t, tt.accepted, u.Accepted(), tt.text)
		if err == ErrInvalidUTF8 {
			require.Equal(t, tt.accepted, n)
		}
		for _, source := range sources[:4] {
			u.Reset(source.of(strings.NewReader(tt.text)))
			require.True(t, u.Valid(), "as new")
			got, err := io.ReadAll(u)
			require.Equal(t, tt.ok, err == nil && u.Valid(), "%q through %s", tt.text, source.name)
			require.True(t, strings.HasPrefix(tt.text, string(got)))
			if err != nil {
				require.Equal(t, ErrInvalidUTF8, err)
				u.Source = nil // is not asked again
				_, err = u.Read(make([]byte, 1))
				require.Equal(t, ErrInvalidUTF8, err)
				require.Zero(t, u.Accepted())
			}
		}
	}
}

// The text continues in another source, and errors of sources are returned.
func TestUTF8ReaderSources(t *testing.T) {
	boom := errors.New("boom")
	u := NewUTF8Reader(strings.NewReader("a\xF0\x9F"))
	_, err := io.ReadAll(u)
	require.NoError(t, err)
	require.False(t, u.Valid())
	u.Source = io.MultiReader(strings.NewReader("\x98\x80"), iotest.ErrReader(boom))
	_, err = io.ReadAll(u)
	require.Equal(t, boom, err)
	require.True(t, u.Valid())
}
