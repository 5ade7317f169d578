package echoserver

import (
	"bytes"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// All servers do the same work, and with no byte less.
func TestServersEcho(t *testing.T) {
	for _, l := range Libraries {
		for _, p := range []Pattern{Raw, Same, Handed, Handler} {
			if !l.Has(p) {
				continue
			}
			t.Run(l.Name+"/"+string(p), func(t *testing.T) {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				defer ln.Close()
				go l.serve(ln, p)
				c, err := Dial(ln.Addr().String(), l.Name, []byte("sixty-four bytes or so, which is what the command echo sends"))
				require.NoError(t, err)
				defer c.Close()
				want := bytes.Clone(c.echo)
				for range 3 {
					clear(c.echo)
					require.NoError(t, c.Send())
					require.NoError(t, c.Receive())
					require.Equal(t, want, c.echo)
				}
			})
		}
	}
}
