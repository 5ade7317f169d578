package echoserver

import (
	"bytes"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
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

// Large messages, several at a time, TLS and compression make no difference.
func TestServersEchoWithOptions(t *testing.T) {
	defer inUse.Store(nil)
	for _, o := range []Options{{Size: 1 << 20}, {Size: 3000, TLS: true}, {Size: 512, Deflate: true}, {Size: 20000, Deflate: true}} {
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
				requireEcho(t, ln.Addr().String(), l.Name, o.Text(), 2)
			})
		}
	}
}

// The load refuses a server that does not negotiate what all others do, or
// whose answer is not the message, compressed.
func TestLoadChecksCompression(t *testing.T) {
	o := Options{Size: MinDeflate, Deflate: true}
	load, err := NewLoad("test", o, o.Text(), 1)
	require.NoError(t, err)
	accept := func(offer httphead.Option) (httphead.Option, error) {
		return (&wsflate.Extension{Parameters: wsflate.DefaultParameters}).Negotiate(offer)
	}
	compressed := func(text []byte) ws.Frame {
		f, err := wsflate.CompressFrame(ws.NewTextFrame(text))
		require.NoError(t, err)
		return f
	}
	for _, tt := range []struct {
		name      string
		negotiate func(httphead.Option) (httphead.Option, error)
		answer    ws.Frame
		err       string
	}{
		{"good", accept, compressed(o.Text()), ""},
		{"no extension", nil, ws.NewTextFrame(o.Text()), "negotiates the extensions []"},
		{"takeover", func(httphead.Option) (httphead.Option, error) {
			return httphead.NewOption(wsflate.ExtensionName, nil), nil
		}, compressed(o.Text()), "want no context takeover on both sides"},
		{"plain answer", accept, ws.NewTextFrame(o.Text()), "is not compressed"},
		{"other text", accept, compressed(o.Text()[1:]), "inflates to 511 other bytes"},
		{"longer text", accept, compressed(append(o.Text(), 'x')), "inflates to more than the limit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer ln.Close()
			server := Library{Raw: func(conn net.Conn) (Loop, error) {
				_, err := ws.Upgrader{Negotiate: tt.negotiate}.Upgrade(conn)
				return func() {
					if _, err := ws.ReadFrame(conn); err == nil {
						ws.WriteFrame(conn, tt.answer)
					}
				}, err
			}}
			go server.serve(ln, Raw)
			c, err := load.Dial(ln.Addr().String())
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			c.Close()
		})
	}
	_, err = NewLoad("test", o, []byte("short"), 1)
	require.ErrorContains(t, err, "a message of 5 bytes does not become smaller")
}
