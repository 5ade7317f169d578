package httphead

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Nil arguments are errors, or empty, and none is a panic.
func TestNilArguments(t *testing.T) {
	for name, f := range map[string]func() error{
		"Request.Read":   func() error { return new(Request).Read(nil) },
		"Response.Read":  func() error { return new(Response).Read(nil) },
		"Request.Parse":  func() error { _, err := new(Request).Parse(nil); return err },
		"Response.Parse": func() error { _, err := new(Response).Parse(nil); return err },
		"AppendRequestLine": func() error {
			_, err := AppendRequestLine(nil, "", "")
			return err
		},
		"AppendStatusLine": func() error { _, err := AppendStatusLine(nil, 0, ""); return err },
		"AppendField":      func() error { _, err := AppendField(nil, []byte(nil), []byte(nil)); return err },
		"AppendOptions":    func() error { _, err := AppendOptions(nil, make([]Option, 1)); return err },
	} {
		require.Error(t, f(), name)
	}
	options, err := AppendOptions(nil, nil)
	require.NoError(t, err)
	require.Empty(t, options)
	fields, n, err := ParseFields(nil, nil, Limits{})
	require.NoError(t, err)
	require.Empty(t, fields)
	require.Zero(t, n)
	parsed, ok := ParseOptions(nil, nil)
	require.False(t, ok, "a list has a member")
	require.Empty(t, parsed)
	require.Equal(t, -1, End(nil, 0))
	require.Equal(t, -1, End(nil, 10))
	require.False(t, IsToken([]byte(nil)))
	Canonicalize(nil)
	for range Fields(nil).Cookies() {
		t.Error("a cookie")
	}
	for err := range (Fields{{Name: []byte("A"), Value: []byte("b")}}).ScanOptions("A", nil, OptionLimits{}) {
		require.NoError(t, err)
	}
}
