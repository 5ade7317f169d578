package ws

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// timeoutError is the error of a net.Dialer with a Timeout.
func timeoutError() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
}

// requireTimeout requires that errors.As finds a net.Error that is a timeout.
func requireTimeout(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	timeout, ok := errors.AsType[net.Error](err)
	require.True(t, ok, "%v", err)
	require.True(t, timeout.Timeout(), "%v", err)
}

// Timeouts are recognizable, also through url.Error of an http.Client.
func TestDialTimeoutsAreNetErrors(t *testing.T) {
	silent := func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			far.Read(make([]byte, 4096))
			far.Read(make([]byte, 1)) // until the other end closes
		}()
		return near, nil
	}
	fails := func(context.Context, string, string) (net.Conn, error) { return nil, timeoutError() }
	for name, d := range map[string]Dialer{
		"Timeout":                      {NetDial: silent, Timeout: time.Second},
		"net.Dialer.Timeout":           {NetDial: fails},
		"net.Dialer.Timeout, by proxy": {NetDial: fails, Proxy: proxyTo("http://p.example")},
		"Timeout at the proxy":         {NetDial: silent, Timeout: time.Second, Proxy: proxyTo("http://p.example")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, _, _, err := d.Dial(t.Context(), "ws://a.example")
				requireTimeout(t, err)

				for _, client := range []http.Client{{Transport: d}, {Transport: d, Timeout: time.Second / 2}} {
					r, _, err := d.NewRequest(t.Context(), "ws://a.example")
					require.NoError(t, err)
					_, err = client.Do(r)
					require.ErrorAs(t, err, new(*url.Error))
					requireTimeout(t, err)
				}
			})
		})
	}
	d := Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }}
	r, _, err := d.NewRequest(t.Context(), "ws://a.example")
	require.NoError(t, err)
	_, err = (&http.Client{Transport: d}).Do(r)
	timeout, ok := errors.AsType[net.Error](err)
	require.True(t, ok && !timeout.Timeout(), "%v", err)
}
