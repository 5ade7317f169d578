//go:build unix

package ws

import (
	"context"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// NetDial can connect to a Unix socket, and the raw upgrade does not read past
// the request, as on TCP.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	defer ln.Close()
	served := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			served <- err
			return
		}
		defer conn.Close()
		if _, err = Upgrade(conn); err == nil {
			var f Frame
			if f, err = ReadFrame(conn); err == nil {
				err = WriteFrame(conn, UnmaskFrameInPlace(f))
			}
		}
		served <- err
	}()
	d := Dialer{
		NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		// The frame is sent with the request in one write.
		WrapConn: func(c net.Conn) net.Conn {
			return &eager{Conn: c, more: AppendFrame(nil, MaskFrame(NewTextFrame([]byte("early"))))}
		},
	}
	conn, _, _, err := d.Dial(context.Background(), "ws://localhost/")
	require.NoError(t, err)
	defer conn.Close()
	f, err := ReadFrame(conn)
	require.NoError(t, err)
	require.Equal(t, "early", string(f.Payload))
	require.NoError(t, <-served)
}

// eager sends more data after the first Write.
type eager struct {
	net.Conn
	more []byte
}

func (c *eager) Write(p []byte) (int, error) {
	_, err := c.Conn.Write(append(p[:len(p):len(p)], c.more...))
	c.more = nil
	return len(p), err
}
