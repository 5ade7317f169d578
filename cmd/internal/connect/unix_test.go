package connect

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/exit"
)

func TestTarget(t *testing.T) {
	for arg, want := range map[string][2]string{
		"ws+unix:///run/a.sock:/chat?x=1": {"/run/a.sock", "ws://localhost/chat?x=1"},
		"ws+unix:///run/a.sock":           {"/run/a.sock", "ws://localhost/"},
		"ws+unix:a.sock:/b:c":             {"a.sock", "ws://localhost/b:c"},
		"WSS+unix:/a.sock:":               {"/a.sock", "wss://localhost/"},
		"ws://a/b":                        {"", "ws://a/b"},
	} {
		f := parse(t)
		u, err := f.Target(arg)
		require.NoError(t, err, arg)
		require.Equal(t, want, [2]string{f.socket, u.String()})
		if f.socket == "/run/a.sock" && u.Path == "/chat" {
			require.Equal(t, arg, f.Name(u))
		}
		d, err := f.Dialer()
		require.NoError(t, err)
		require.Equal(t, f.socket != "", d.NetDial != nil)
		require.Equal(t, f.socket == "", d.Proxy != nil, "a proxy cannot reach a Unix socket")
	}
	for _, arg := range []string{"ws+unix:", "ws+unix://", "ws+unix:///a.sock:chat", "ws+unix:///a:/b#c", "ws+unix:///a:/%zz"} {
		_, err := parse(t).Target(arg)
		require.Equal(t, exit.Usage, exit.Status(err), arg)
	}
}

func TestAddress(t *testing.T) {
	for s, want := range map[string][2]string{
		"localhost:80": {"tcp", "localhost:80"}, ":80": {"tcp", ":80"}, "[::1]:80": {"tcp", "[::1]:80"}, "unix:/a": {"unix", "/a"},
	} {
		network, addr, err := Address("--tcp", s)
		require.NoError(t, err)
		require.Equal(t, want, [2]string{network, addr})
	}
	for _, s := range []string{"", "80", "localhost", "localhost:", "unix:"} {
		_, _, err := Address("--tcp", s)
		require.EqualError(t, err, `--tcp "`+s+`": write host:port or unix:/path`)
	}
}
