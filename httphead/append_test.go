package httphead

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendRequestLine(t *testing.T) {
	got, err := AppendRequestLine([]byte("dst|"), "GET", "/a?b")
	require.NoError(t, err)
	require.Equal(t, "dst|GET /a?b HTTP/1.1\r\n", string(got))

	for _, c := range []struct {
		method, target string
		want           error
	}{
		{"", "/", ErrInvalidName}, {"G T", "/", ErrInvalidName}, {"GET\r\n", "/", ErrInvalidName},
		{"GET", "", ErrInvalidTarget}, {"GET", "/ HTTP/1.1\r\nX: y\r\n", ErrInvalidTarget}, {"GET", "/a b", ErrInvalidTarget},
		{"GET", "/\n", ErrInvalidTarget}, {"GET", "/\xe9", ErrInvalidTarget}, {"GET", "/\x00", ErrInvalidTarget},
	} {
		got, err := AppendRequestLine([]byte("dst|"), c.method, c.target)
		require.Equal(t, c.want, err, "%q %q", c.method, c.target)
		require.Equal(t, "dst|", string(got))
	}
}

func TestAppendStatusLine(t *testing.T) {
	for _, c := range []struct {
		status       int
		reason, want string
		err          error
	}{
		{101, "Switching Protocols", "dst|HTTP/1.1 101 Switching Protocols\r\n", nil},
		{599, "", "dst|HTTP/1.1 599 \r\n", nil},
		{100, "caf\xc3\xa9", "dst|HTTP/1.1 100 caf\xc3\xa9\r\n", nil},
		{99, "", "dst|", ErrInvalidStatus}, {1000, "", "dst|", ErrInvalidStatus}, {-200, "", "dst|", ErrInvalidStatus},
		{200, "OK\r\nX: y", "dst|", ErrInvalidValue}, {200, "\n", "dst|", ErrInvalidValue}, {200, "\x00", "dst|", ErrInvalidValue},
	} {
		got, err := AppendStatusLine([]byte("dst|"), c.status, c.reason)
		require.Equal(t, c.err, err)
		require.Equal(t, c.want, string(got))
		if err == nil {
			var r Response
			_, err := r.Parse(append(got[len("dst|"):], "\r\n"...))
			require.NoError(t, err)
			require.Equal(t, c.status, r.Status)
			require.Equal(t, c.reason, string(r.Reason))
		}
	}
}

func TestAppendField(t *testing.T) {
	type name string
	type value []byte
	for _, c := range []struct {
		name  name
		value value
		want  string
		err   error
	}{
		{"Host", value("h"), "dst|Host: h\r\n", nil},
		{"X", nil, "dst|X: \r\n", nil},
		{"X", value(" \ta b\tc\t "), "dst|X: a b\tc\r\n", nil},
		{"X", value("\x80\xff"), "dst|X: \x80\xff\r\n", nil},
		{"", value("h"), "dst|", ErrInvalidName},
		{"A B", value("h"), "dst|", ErrInvalidName},
		{"A:", value("h"), "dst|", ErrInvalidName},
		{"A\r\nB", value("h"), "dst|", ErrInvalidName},
		{"A", value("b\r\nC: d"), "dst|", ErrInvalidValue},
		{"A", value("b\r\n"), "dst|", ErrInvalidValue},
		{"A", value("\n"), "dst|", ErrInvalidValue},
		{"A", value("b\r"), "dst|", ErrInvalidValue},
		{"A", value("b\n c"), "dst|", ErrInvalidValue},
		{"A", value("\x00"), "dst|", ErrInvalidValue},
		{"A", value("0123456\x7f"), "dst|", ErrInvalidValue},
	} {
		got, err := AppendField([]byte("dst|"), c.name, c.value)
		require.Equal(t, c.err, err, "%q: %q", c.name, c.value)
		require.Equal(t, c.want, string(got))

		got, err = AppendField([]byte("dst|"), []byte(c.name), string(c.value))
		require.Equal(t, c.err, err)
		require.Equal(t, c.want, string(got))
	}
}

func TestAppendOptions(t *testing.T) {
	option := func(name string, namesAndValues ...[]byte) Option {
		o := Option{Name: []byte(name)}
		for i := 0; i < len(namesAndValues); i += 2 {
			o.Parameters.Set(namesAndValues[i], namesAndValues[i+1])
		}
		return o
	}
	b := []byte("b")
	for _, c := range []struct {
		options []Option
		want    string
		err     error
	}{
		{nil, "dst|", nil},
		{[]Option{option("a")}, "dst|a", nil},
		{[]Option{option("a", b, []byte("c")), option("d")}, "dst|a; b=c, d", nil},
		{[]Option{option("a", []byte("z"), nil, b, []byte{}, b, []byte("1"))}, "dst|a; z; b; b=1", nil},
		{[]Option{option("a", b, []byte("c d,"))}, `dst|a; b="c d,"`, nil},
		{[]Option{option("a", b, []byte(`"\`))}, `dst|a; b="\"\\"`, nil},
		{[]Option{option("a", b, []byte("\t\xff"))}, "dst|a; b=\"\t\xff\"", nil},
		{[]Option{option("x"), option("")}, "dst|", ErrInvalidName},
		{[]Option{option("a b")}, "dst|", ErrInvalidName},
		{[]Option{option("a", nil, b)}, "dst|", ErrInvalidName},
		{[]Option{option("a", []byte("b="), nil)}, "dst|", ErrInvalidName},
		{[]Option{option("x"), option("a", b, []byte("\r\n"), b, b)}, "dst|", ErrInvalidValue},
		{[]Option{option("a", b, []byte("\x00"))}, "dst|", ErrInvalidValue},
	} {
		got, err := AppendOptions([]byte("dst|"), c.options)
		require.Equal(t, c.err, err)
		require.Equal(t, c.want, string(got))
	}

	many := option("a")
	for range 20 {
		many.Parameters.Set(b, nil)
	}
	got, err := AppendOptions(nil, []Option{many})
	require.NoError(t, err)
	require.Len(t, got, len("a")+20*len("; b"))
}
