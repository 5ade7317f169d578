package wstest

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestRunServerErrors(t *testing.T) {
	for _, url := range []string{"", "chat", "ftp://localhost/", "ws://", "ws://[::1", ":"} {
		_, err := RunServer(t.Context(), url, nil)
		require.Error(t, err, url)
	}
	url := twinServer(t, "", twinLimit)
	_, err := RunServer(t.Context(), url, &Options{Filter: "("})
	require.ErrorContains(t, err, "wstest: the filter")
	_, err = RunClient(t.Context(), func(string) error { return nil }, &Options{Filter: "("})
	require.ErrorContains(t, err, "wstest: the filter")
	refused := errors.New("nobody there")
	_, err = RunServer(t.Context(), url, &Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, refused }})
	require.ErrorIs(t, err, refused)
}

func TestRunEndsWithItsContext(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	_, err = RunServer(ctx, "ws://"+ln.Addr().String(), nil)
	require.ErrorIs(t, err, why)

	ctx, cancel = context.WithCancelCause(t.Context())
	_, err = RunClient(ctx, func(base string) error {
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "ws://"))
		require.NoError(t, err)
		defer conn.Close()
		time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
		conn.Read(make([]byte, 1)) // until the suite hangs up
		return nil
	}, nil)
	require.ErrorIs(t, err, why)
}

func TestClientThatDoesNothing(t *testing.T) {
	r, err := RunClient(t.Context(), func(string) error { return nil }, &Options{Filter: `^length/text/1$`})
	require.NoError(t, err)
	require.Equal(t, 1, r.Failed())
	require.Contains(t, r.Agents[0].Results[0].Detail, "did not open")

	broken := errors.New("cannot start")
	_, err = RunClient(t.Context(), func(string) error { return broken }, nil)
	require.ErrorIs(t, err, broken)
}

func TestClientThatGoesWrong(t *testing.T) {
	r, err := RunClient(t.Context(), func(base string) error {
		for _, path := range []string{"/case?n=0", "/case?n=2", "/case?n=x", "/case", "/other"} {
			_, err := fetch(t.Context(), base+path)
			require.ErrorContains(t, err, "404")
		}
		n, err := fetch(t.Context(), base+"/count")
		require.NoError(t, err)
		require.Equal(t, "1", n)
		summary, err := fetch(t.Context(), base+"/report")
		require.NoError(t, err)
		require.JSONEq(t, `{"strict":0,"tolerated":0,"failed":1,"skipped":0}`, summary)
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "ws://"))
		require.NoError(t, err)
		return conn.Close()
	}, &Options{Filter: `^length/text/1$`})
	require.NoError(t, err)
	require.Equal(t, 1, r.Failed())
}

func TestSkips(t *testing.T) {
	url := twinServer(t, "", twinLimit)
	r, err := RunServer(t.Context(), url, &Options{NoEcho: true, Filter: `^(length/text/1|limit/over|size/text/1048576-in-0-by-0|ping/payload/1)$`})
	require.NoError(t, err)
	require.Equal(t, Counts{Strict: 1, Skipped: 3}, r.Agents[0].Counts)

	r, err = RunServer(t.Context(), url, &Options{MaxMessage: 100, Filter: `^length/text/12[46]$`})
	require.NoError(t, err)
	require.Equal(t, Counts{Skipped: 2}, r.Agents[0].Counts)
}

// A server that is not there any more fails its cases, and quickly.
func TestServerThatVanishes(t *testing.T) {
	var dialed bool
	o := &Options{Parallel: 1, Filter: `^ping/payload/`}
	o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dialed {
			return nil, errors.New("gone")
		}
		dialed = true
		client, server := net.Pipe()
		server.Close()
		return client, nil
	}
	r, err := RunServer(t.Context(), "ws://example.com/", o)
	require.NoError(t, err)
	require.Equal(t, len(r.Agents[0].Results), r.Failed())
}

// The suite asks nothing of a connection but what net.Conn has.
func TestOverAnyConn(t *testing.T) {
	url := twinServer(t, "", twinLimit)
	o := patient()
	o.Filter = `^(ping|utf8/valid|close/code|mask)/`
	o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return onlyConn{conn}, err
	}
	r, err := RunServer(t.Context(), url, o)
	require.NoError(t, err)
	wantStrict(t, r, true)
}

// onlyConn hides all that a TCP connection has beside net.Conn.
type onlyConn struct{ net.Conn }

// Where time passes only when all wait, a peer reads the pieces of a header one by one.
func TestSplitHeaders(t *testing.T) {
	for fault, want := range map[string][]string{
		"": nil, "header-in-one-read": {"length/split/200-at-2", "length/split/65536-at-2"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := Listen(nil)
			go serveTwins(l, fault, twinLimit)
			defer l.Close()
			r, err := RunServer(t.Context(), "ws://example.com/", &Options{Filter: `^length/split/`, Dial: l.DialContext})
			require.NoError(t, err)
			var failed []string
			for _, res := range r.Agents[0].Results {
				if res.Verdict != Strict {
					failed = append(failed, res.ID)
				}
			}
			require.Equal(t, want, failed)
		})
	}
}
