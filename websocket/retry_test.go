package websocket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Every code, and why: all that are not named are false.
func TestRetryableCloseCodes_RFC6455_7_4_1(t *testing.T) {
	retryable := map[StatusCode]string{
		StatusGoingAway:       "the server shuts down, or another one takes its place",
		StatusAbnormalClosure: "the connection was lost",
		StatusInternalError:   "the server has failed, which may pass",
		StatusServiceRestart:  "as the name says",
		StatusTryAgainLater:   "as the name says",
		StatusBadGateway:      "the server behind a gateway is away",
		3008:                  "a timeout",
	}
	for code := StatusCode(0); code <= 5000; code++ {
		_, want := retryable[code]
		for _, err := range []error{CloseError{Code: code}, fmt.Errorf("read: %w", wsutil.ClosedError{Code: ws.StatusCode(code)})} {
			require.Equal(t, want, Retryable(err), "%v: %s", err, retryable[code])
		}
	}
}

// Every status, from an answer as Dial reports it.
func TestRetryableStatuses_RFC9110_15(t *testing.T) {
	retryable := map[int]string{408: "slow", 425: "too early", 429: "too many"}
	lasting := map[int]string{501: "not implemented", 505: "version", 506: "variants", 508: "loop", 510: "extensions", 511: "network login"}
	for status := 200; status < 600; status++ {
		w := ws.StatusError(status)
		_, want := retryable[status]
		_, never := lasting[status]
		want = want || status >= 500 && !never
		require.Equal(t, want, Retryable(fmt.Errorf("dial: %w", w)), "%v", w)
		if status >= 300 && status != 304 {
			require.Equal(t, want, Retryable(ws.RejectConnectionError(ws.RejectionStatus(status))), "%v", w)
		}
	}
}

func TestRetryableErrors(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	ended, cancel := context.WithTimeout(background, 0)
	defer cancel()
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"no error", nil, false},
		{"of the program", errors.New("no such room"), false},

		{"refused", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), true},
		{"no network", dial(syscall.ENETUNREACH), true},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{"unknown host", dial(&net.DNSError{Err: "no such host", IsNotFound: true}), true},
		{"no route, bare", fmt.Errorf("vsock: %w", syscall.EHOSTUNREACH), true},
		{"port that is none", dial(&net.AddrError{Err: "invalid port", Addr: "99999"}), false},
		{"time of a net.Dialer", dial(fmt.Errorf("%w", os.ErrDeadlineExceeded)), true},
		{"lost between frames", &opError{"read", io.EOF}, true},
		{"lost in a frame", &opError{"read", io.ErrUnexpectedEOF}, true},
		{"silent peer", &opError{"read", errWriteTimeout}, true},
		{"stage of a handshake", &url.Error{Op: "Get", Err: &stageError{"TLS"}}, true},
		{"client without a timeout", &url.Error{Op: "Get", Err: errors.New("redirect from wss to ws is not allowed")}, false},
		{"browser", fmt.Errorf("dial: %w", errBrowserRefused), true},

		{"canceled", contextError(canceled(), stillOpen), false},
		{"deadline of the caller", contextError(ended, withinFrame), false},
		{"deadline of the caller in a dial", &url.Error{Op: "Get", Err: context.DeadlineExceeded}, false},
		{"closed by the program", &opError{"write", errClosed}, false},
		{"closed by the program, below", &net.OpError{Op: "read", Err: net.ErrClosed}, false},
		{"closed by the program, in vain", describe(wsutil.ErrCloseTimeout), false},
		{"write after a close frame", &opError{"write", nowClosed(CloseError{Code: StatusGoingAway})}, true},
		{"write after a close frame that blames", &opError{"write", nowClosed(CloseError{Code: StatusPolicyViolation})}, false},
		{"write to nobody", &opError{"write", nowClosed(&net.OpError{Op: "write", Err: syscall.EPIPE})}, true},
		{"write in a browser", &opError{"write", errBrowserGone}, true},
		{"group shut down", ErrGroupClosed, false},
		{"panic", &PanicError{Value: io.EOF}, false},
		{"too long", &opError{"read", ErrMessageTooBig}, false},
		{"fault of the peer", &opError{"read", ws.ErrProtocolInvalidUTF8}, false},

		{"no WebSocket", ws.ErrHandshakeBadSecAccept, false},
		{"no HTTP", fmt.Errorf("%w: %w", ws.ErrMalformedResponse, io.ErrUnexpectedEOF), false},
		{"certificate", &url.Error{Op: "Get", Err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}}, false},
		{"no TLS", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, false},
		{"alert", &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, false},
	} {
		require.Equal(t, tt.want, Retryable(tt.err), "%s: %v", tt.name, tt.err)
		if tt.err != nil {
			require.Equal(t, tt.want, Retryable(fmt.Errorf("app: %w", tt.err)), "%s: %v", tt.name, tt.err)
		}
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(background)
	cancel()
	return ctx
}

// What Dial itself returns.
func TestRetryableDial(t *testing.T) {
	refusing := func(status int, after string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", after)
			w.WriteHeader(status)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	secure := httptest.NewTLSServer(nil)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer secure.Close()
	for url, want := range map[string]bool{
		gone.URL:               true,
		refusing(503, "7"):     true,
		refusing(429, "x"):     true,
		refusing(404, ""):      false,
		refusing(401, ""):      false,
		secure.URL:             false, // unknown authority
		"ftp://localhost":      false,
		"ws://a b":             false,
		"ws://localhost:99999": false,
		"wss" + strings.TrimPrefix(refusing(500, ""), "http"): false, // no TLS
	} {
		_, _, err := Dial(background, url, nil)
		require.Error(t, err)
		require.Equal(t, want, Retryable(err), "%s: %v", url, err)
		_, _, err = Dial(canceled(), url, nil)
		require.False(t, Retryable(err), "%s: %v", url, err)
	}
}

// The time that bounds a handshake by itself is not the caller's.
func TestRetryableHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}}
		_, _, err := Dial(background, "ws://a.example", &DialOptions{HTTPClient: silent})
		require.ErrorIs(t, err, ws.ErrHandshakeTimeout)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, Retryable(err), err)

		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_, _, err = Dial(ctx, "ws://a.example", &DialOptions{HTTPClient: silent})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, Retryable(err), err)

		dialer := ws.Dialer{NetDial: silent.Transport.(*http.Transport).DialContext}
		_, _, _, err = dialer.Dial(background, "ws://a.example")
		require.True(t, Retryable(err), err)
		ctx, cancel = context.WithTimeout(background, time.Second)
		defer cancel()
		_, _, _, err = dialer.Dial(ctx, "ws://a.example")
		require.False(t, Retryable(err), err)
	})
}

func TestRetryAfter_RFC9110_10_2_3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for _, tt := range []struct {
			header string
			wait   time.Duration
			ok     bool
		}{
			{"Retry-After: 120\r\n", 2 * time.Minute, true},
			{"Retry-After: 0\r\n", 0, true},
			{"Retry-After: " + in(time.Hour) + "\r\n", time.Hour, true},
			{"Retry-After: " + in(-time.Hour) + "\r\n", 0, true},
			{"Retry-After: 99999999999999999999999\r\n", math.MaxInt64 / time.Second * time.Second, true},
			{"Retry-After: 18446744073709551615\r\n", math.MaxInt64 / time.Second * time.Second, true},
			{"", 0, false},
			{"Retry-After:\r\n", 0, false},
			{"Retry-After: -1\r\n", 0, false},
			{"Retry-After: 1.5\r\n", 0, false},
			{"Retry-After: soon\r\n", 0, false},
			{"Retry-After: 1\r\nRetry-After: 2\r\n", 0, false},
		} {
			err := fmt.Errorf("dial: %w", ws.RejectConnectionError(ws.RejectionStatus(503), ws.RejectionHeader(ws.HandshakeHeaderString(tt.header))))
			wait, ok := RetryAfter(err)
			require.Equal(t, tt.ok, ok, tt.header)
			require.Equal(t, tt.wait, wait, tt.header)
		}
		_, ok := RetryAfter(io.EOF)
		require.False(t, ok)
	})
}
