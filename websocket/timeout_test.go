package websocket

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// silentTransport connects to a server that takes the request and does not answer.
func silentTransport() *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			far.Read(make([]byte, 4096))
			far.Read(make([]byte, 1)) // until the other end closes
		}()
		return near, nil
	}}
}

// Errors of Dial that are timeouts say so.
func TestDialTimeoutsAreNetErrors(t *testing.T) {
	late := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}}
	for name, tt := range map[string]struct {
		client http.Client
		ctx    time.Duration // of the deadline
	}{
		"deadline of the context": {http.Client{Transport: silentTransport()}, time.Second},
		"Client.Timeout":          {http.Client{Transport: silentTransport(), Timeout: time.Second}, time.Hour},
		"net.Dialer.Timeout":      {http.Client{Transport: late}, time.Hour},
		"another RoundTripper": {http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), tt.ctx, errors.New("my reason"))
				defer cancel()
				_, _, err := Dial(ctx, "ws://a.example", &DialOptions{HTTPClient: &tt.client})
				require.Error(t, err)
				timeout, ok := errors.AsType[net.Error](err)
				require.True(t, ok && timeout.Timeout(), "%v", err)
			})
		})
	}
}

// A server that is silent does not hold Dial up, even if the caller sets no bound.
func TestDialIsBoundedByDefault(t *testing.T) {
	for name, tt := range map[string]struct {
		timeout time.Duration // of the client
		ctx     time.Duration // of the deadline, 0 for none
		want    time.Duration
	}{
		"neither":                 {0, 0, ws.DefaultHandshakeTimeout},
		"deadline of the context": {0, time.Minute, time.Minute},
		"Client.Timeout":          {time.Minute, 0, time.Minute},
		"both":                    {time.Minute, time.Hour, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := context.Background()
				if tt.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.ctx)
					defer cancel()
				}
				begin := time.Now()
				_, _, err := Dial(ctx, "ws://a.example", &DialOptions{HTTPClient: &http.Client{Transport: silentTransport(), Timeout: tt.timeout}})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, tt.want, time.Since(begin))
			})
		})
	}
}
