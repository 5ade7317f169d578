package connect

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/exit"
)

func TestURL(t *testing.T) {
	for arg, want := range map[string]string{
		"localhost:8080":      "ws://localhost:8080/",
		"ws://a":              "ws://a/",
		"wss://a/b?c=d":       "wss://a/b?c=d",
		"http://a/b":          "ws://a/b",
		"https://a":           "wss://a/",
		"ws://[::1]:1/x":      "ws://[::1]:1/x",
		"ws://ann:secret@a/b": "ws://ann:secret@a/b",
	} {
		u, err := URL(arg)
		require.NoError(t, err, arg)
		require.Equal(t, want, u.String())
	}
	for _, arg := range []string{"", "ws://", "ftp://a", "ws://a#b", "ws://a b", "://a", "ws://a:65536", "ws://a:x"} {
		_, err := URL(arg)
		require.Equal(t, exit.Usage, exit.Status(err), arg)
	}
}

func parse(t *testing.T, args ...string) *Flags {
	f, set := new(Flags), pflag.NewFlagSet("", pflag.ContinueOnError)
	f.Register(set)
	require.NoError(t, set.Parse(args))
	return f
}

func TestHeader(t *testing.T) {
	h, err := parse(t, "-H", "X-A: 1", "-H", "X-A:2", "-b", "a=1", "-b", "b=2", "--origin", "https://o", "-u", "ann:secret").Header()
	require.NoError(t, err)
	require.Equal(t, http.Header{
		"X-A": {"1", "2"}, "Cookie": {"a=1; b=2"}, "Origin": {"https://o"}, "Authorization": {"Basic YW5uOnNlY3JldA=="},
	}, h)
}

func TestBadFlags(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, args := range [][]string{
		{"-H", "nothing"}, {"-H", ": value"}, {"-b", "nothing"}, {"--proxy", "nothing"}, {"--proxy", "ftp://a"}, {"--proxy", "socks4://a"}, {"--proxy", "socks5://"},
		{"--ca", empty}, {"--ca", empty + ".missing"}, {"--cert", empty}, {"--key", empty}, {"--timeout", "0s"},
	} {
		_, err := parse(t, args...).Dialer()
		require.Equal(t, exit.Usage, exit.Status(err), args)
	}
	_, err := parse(t).Dialer()
	require.NoError(t, err)
}
