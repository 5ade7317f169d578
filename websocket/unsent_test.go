package websocket

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/wsflate"
)

// A message of which no byte went out leaves the connection usable, however it was to be
// sent, and later messages do not refer to it.
func TestUnsentMessage(t *testing.T) {
	text := func(n int) []byte {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, `{"n":%d,"lost":"%x"},`, i, i*i)
		}
		return []byte(b.String()[:n])
	}
	write := func(n int) func(context.Context, *Conn) error {
		return func(ctx context.Context, c *Conn) error { return c.Write(ctx, MessageText, text(n)) }
	}
	writer := func(n int) func(context.Context, *Conn) error {
		return func(ctx context.Context, c *Conn) error {
			w, err := c.Writer(ctx, MessageText)
			if err != nil {
				return err
			}
			if _, err := w.Write(text(n)); err != nil {
				return err
			}
			return w.Close()
		}
	}
	for name, send := range map[string]func(context.Context, *Conn) error{
		"short":         write(10),
		"one frame":     write(3 << 10),
		"large frame":   write(32<<10 + 1),
		"fragments":     write(140 << 10),
		"writer":        writer(1 << 10),
		"long writer":   writer(8 << 10),
		"longer writer": writer(140 << 10),
		"prepared": func(ctx context.Context, c *Conn) error {
			m, err := NewPreparedMessage(MessageText, text(3<<10))
			require.NoError(t, err)
			return c.WritePrepared(ctx, m)
		},
	} {
		for _, flate := range []*wsflate.Parameters{nil, {}, {ServerNoContextTakeover: true, ClientNoContextTakeover: true}} {
			for _, client := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%+v/client=%v", name, flate, client), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						a, b := net.Pipe()
						c := newConn(connConfig{transport: a, client: client, flate: flate})
						peer := newConn(connConfig{transport: b, client: !client, flate: flate, ConnOptions: ConnOptions{ReadLimit: -1}})
						defer c.CloseNow()
						defer peer.CloseNow()

						deliver := func(send func(context.Context, *Conn) error, want []byte) {
							sent := make(chan error, 1)
							go func() { sent <- send(background, c) }()
							_, got, err := peer.Read(background)
							require.NoError(t, err)
							require.Equal(t, string(want), string(got))
							require.NoError(t, <-sent)
						}
						deliver(write(2<<10), text(2<<10))
						ctx, cancel := context.WithTimeout(background, time.Second)
						defer cancel()
						err := send(ctx, c)
						require.ErrorIs(t, err, context.DeadlineExceeded)
						require.ErrorContains(t, err, stillOpen)
						deliver(write(3<<10), text(3<<10))
						deliver(writer(9<<10), text(9<<10))
						deliver(write(3<<10), text(3<<10))
					})
				})
			}
		}
	}
}
