package ws

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConnectOffersALPN_RFC7301(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	srv.StartTLS()
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	d := Dialer{TLSConfig: srv.Client().Transport.(*http.Transport).TLSClientConfig}
	for want, alpn := range map[string][]string{"h2": {"h2"}, "http/1.1": nil} {
		conn, err := d.Connect(t.Context(), u, alpn)
		require.NoError(t, err)
		require.Equal(t, want, conn.(*tls.Conn).ConnectionState().NegotiatedProtocol)
		require.NoError(t, conn.Close())
	}
}

func TestConnectRefuses(t *testing.T) {
	_, err := Dialer{}.Connect(t.Context(), &url.URL{Scheme: "ftp", Host: "a.example"}, nil)
	require.ErrorContains(t, err, `scheme "ftp"`)
	var none context.Context
	_, err = Dialer{}.Connect(none, &url.URL{Scheme: "ws", Host: "a.example"}, nil)
	require.ErrorContains(t, err, "nil Context")
	ctx, cancel := context.WithCancel(t.Context())
	d := Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) {
		cancel()
		conn, _ := net.Pipe()
		return conn, nil
	}}
	_, err = d.Connect(ctx, &url.URL{Scheme: "ws", Host: "a.example"}, nil)
	require.ErrorIs(t, err, context.Canceled)
}
