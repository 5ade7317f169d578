package echoserver

import (
	"bytes"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// All servers do the same work, and with no byte less.
func TestServersEcho(t *testing.T) {
	for _, l := range Libraries {
		for _, p := range []Pattern{Raw, Same, Handed, Handler} {
			if !l.Has(p) {
				continue
			}
			t.Run(l.Name+"/"+string(p), func(t *testing.T) {
				skipRacy(t, l)
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				defer ln.Close()
				go l.serve(ln, p)
				requireEcho(t, ln.Addr().String(), l.Name, []byte("sixty-four bytes or so, which is what the command echo sends"), 1)
			})
		}
	}
}

// skipRacy leaves out nbio under the race detector, which finds races within
// it.
func skipRacy(t *testing.T, l Library) {
	if race.Enabled && l.Name == "nbio" {
		t.Skip("nbio has races of its own")
	}
}

// requireEcho sends batches of text to a server.
func requireEcho(t *testing.T, addr, library string, text []byte, batch int) {
	t.Helper()
	c, err := Dial(addr, library, options(), text, batch)
	require.NoError(t, err)
	defer c.Close()
	want := bytes.Clone(c.echo)
	for range 3 {
		clear(c.echo)
		require.NoError(t, c.Send())
		require.NoError(t, c.Receive())
		require.True(t, bytes.Equal(want, c.echo))
	}
}

// Large messages, several at a time, and TLS make no difference.
func TestServersEchoWithOptions(t *testing.T) {
	defer inUse.Store(nil)
	for _, o := range []Options{{Size: 1 << 20}, {Size: 3000, TLS: true}} {
		parsed, err := parseOptions(o.arg())
		require.NoError(t, err)
		require.Equal(t, o, parsed)
		inUse.Store(&parsed)
		for _, l := range Libraries {
			if !l.Takes(o) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%+v", l.Name, o), func(t *testing.T) {
				skipRacy(t, l)
				p := Raw
				if !l.Has(p) {
					p = Handed
				}
				ln, err := o.listen()
				require.NoError(t, err)
				defer ln.Close()
				go l.serve(ln, p)
				requireEcho(t, ln.Addr().String(), l.Name, bytes.Repeat([]byte("x"), o.Size), 2)
			})
		}
	}
}
