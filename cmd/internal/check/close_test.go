package check

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/certificate"
	"github.com/wskit/wskit/wsh3"
)

// TestConnectionsAreClosed holds that a run closes its HTTP/3 connections. A program that
// ends with open ones leaves the server to its timeout (RFC 9000, section 10.1).
func TestConnectionsAreClosed(t *testing.T) {
	pair, err := certificate.Make("127.0.0.1:0", "")
	require.NoError(t, err)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	conns := make(chan *quic.Conn, 100)
	srv := &http3.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := wsh3.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			for {
				typ, p, err := c.Read(r.Context())
				if err != nil || c.Write(r.Context(), typ, p) != nil {
					return
				}
			}
		}),
		TLSConfig:   http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{pair}}),
		QUICConfig:  wsh3.QUICConfig(),
		ConnContext: func(ctx context.Context, c *quic.Conn) context.Context { conns <- c; return ctx },
	}
	go srv.Serve(conn)
	defer conn.Close()
	defer srv.Close()

	for _, args := range [][]string{
		{"--filter", "^ping/"},
		{"--attacks", "--filter", "^declared-length$", "--connections", "3"},
	} {
		cmd := Command()
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		cmd.SetArgs(append(args, "--http3", "--insecure", "wss://"+conn.LocalAddr().String()))
		require.NoError(t, cmd.ExecuteContext(t.Context()))
		require.NotEmpty(t, conns)
		for len(conns) > 0 {
			c := <-conns
			select {
			case <-c.Context().Done():
			case <-time.After(20 * time.Second):
				t.Fatalf("%v: a connection is open after the end", args)
			}
			var closed *quic.ApplicationError
			require.ErrorAs(t, context.Cause(c.Context()), &closed, "%v", args)
			require.True(t, closed.Remote, "%v", args)
		}
	}
}
