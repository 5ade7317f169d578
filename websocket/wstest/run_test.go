package wstest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
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
	require.ErrorContains(t, err, "wstest: filter")
	_, err = RunClient(t.Context(), func(string) error { return nil }, &Options{Filter: "("})
	require.ErrorContains(t, err, "wstest: filter")
	refused := errors.New("nobody there")
	_, err = RunServer(t.Context(), url, &Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, refused }})
	require.ErrorIs(t, err, refused)
}

// Before the run, a server has to take one handshake: a run in which none can
// be done would wait for each case by itself.
func TestServerThatTakesNoHandshake(t *testing.T) {
	for name, tt := range map[string]struct {
		serve func(c net.Conn)
		err   string
		after time.Duration
	}{
		"silent":                {func(c net.Conn) { io.Copy(io.Discard, c) }, "no answer", probeTime},
		"leaves":                {func(net.Conn) {}, "ends the connection", 0},
		"refuses":               {func(c net.Conn) { io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") }, "404", 0},
		"speaks something else": {func(c net.Conn) { io.WriteString(c, "220 mail.example\r\n\r\n") }, "not HTTP", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := Listen(nil)
				defer l.Close()
				go func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						tt.serve(c)
						c.Close()
					}
				}()
				start := time.Now()
				r, err := RunServer(t.Context(), "ws://server.example/", &Options{Dial: l.DialContext})
				require.ErrorContains(t, err, tt.err)
				require.Nil(t, r)
				require.Equal(t, tt.after, time.Since(start))
			})
		})
	}
}

// A run that ends early keeps what it has found, and skips the rest.
func TestRunEndsWithItsContext(t *testing.T) {
	why := errors.New("enough")
	const filter, cases = `^ping/payload/\d+$`, 16
	check := func(t *testing.T, r *Report, err error) {
		t.Helper()
		require.ErrorIs(t, err, why)
		require.Equal(t, Counts{Strict: 5, Skipped: cases - 5}, r.Agents[0].Counts)
		require.Contains(t, r.Agents[0].Results[cases-1].Detail, "the run ended")
	}
	told := 0
	enough := func(cancel context.CancelCauseFunc) func(Result) {
		told = 0
		return func(r Result) {
			if told++; told == 5 {
				cancel(why)
			}
		}
	}
	t.Run("server", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		r, err := RunServer(ctx, twinServer(t, "", twinLimit), &Options{Filter: filter, Parallel: 1, OnResult: enough(cancel)})
		check(t, r, err)
		require.Equal(t, cases, told)
	})
	t.Run("client", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		one := func(base string) error {
			for i := range 5 {
				u, err := url.Parse(fmt.Sprintf("%s/case?n=%d", base, i+1))
				require.NoError(t, err)
				conn, err := net.Dial("tcp", u.Host)
				require.NoError(t, err)
				serveCase(conn, u, "", twinLimit)
			}
			<-ctx.Done()
			return nil
		}
		r, err := RunClient(ctx, one, &Options{Filter: filter, OnResult: enough(cancel)})
		check(t, r, err)
		require.Equal(t, cases, told)
	})
}

// A server that is gone ends the run. The report keeps what was found before,
// and the error names the case.
func TestRunEndsWithItsServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const filter, cases, last = `^ping/payload/\d+$`, 16, 5
		l := Listen(nil)
		defer l.Close()
		go serveTwins(l, "", twinLimit)
		dials := 0
		r, err := RunServer(t.Context(), "ws://server.example/", &Options{
			Filter: filter, Parallel: 1, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if dials++; dials > 1+last { // the first one is the probe
					return nil, errors.New("connection refused")
				}
				return l.DialContext(ctx, network, addr)
			},
		})
		var gone *GoneError
		require.ErrorAs(t, err, &gone)
		require.Equal(t, 1+last+redials, dials)
		results := r.Agents[0].Results
		require.Equal(t, Counts{Strict: last, Skipped: cases - last}, r.Agents[0].Counts)
		require.Equal(t, []string{results[last-1].ID}, gone.Cases)
		require.EqualError(t, err, "wstest: the server is gone since "+results[last-1].ID+": connection refused")
	})
}

// A temporary failure to connect is not a failure of the server.
func TestRunDialsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen(nil)
		defer l.Close()
		go serveTwins(l, "", twinLimit)
		dials := 0
		r, err := RunServer(t.Context(), "ws://server.example/", &Options{
			Filter: `^ping/payload/\d+$`, Parallel: 1, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if dials++; dials%redials == 2 {
					return nil, errors.New("connection refused")
				}
				return l.DialContext(ctx, network, addr)
			},
		})
		require.NoError(t, err)
		require.Equal(t, Counts{Strict: 16}, r.Agents[0].Counts)
	})
}

// A case that the end of the run overtakes has not failed.
func TestRunEndsInTheMiddleOfACase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen(nil)
		done := make(chan struct{})
		go func() { defer close(done); serveTwins(l, "no-pong", twinLimit) }()
		defer func() { l.Close(); <-done }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := RunServer(ctx, "ws://server.example/", &Options{Filter: `^ping/payload/`, Dial: l.DialContext})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, r.Failed())

		silent := Listen(nil)
		defer silent.Close()
		go silent.Accept()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err = RunServer(ctx, "ws://server.example/", &Options{Dial: silent.DialContext})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Nil(t, r)
	})
}

// A client in Go that panics has failed that case, and no other: before it
// connects, with the connection open, and after it.
func TestClientThatPanics(t *testing.T) {
	var open net.Conn
	r, err := RunClient(t.Context(), func(base string) error {
		return DriveClient(t.Context(), base, 1, func(_ context.Context, raw string) error {
			if open != nil {
				open.Close()
			}
			u, err := url.Parse(raw)
			require.NoError(t, err)
			id := u.Query().Get("id")
			if id == "utf8/valid/U+0001" {
				panic("oh no")
			}
			conn, err := net.Dial("tcp", u.Host)
			require.NoError(t, err)
			if id == "utf8/valid/U+007F" {
				open = conn
				(&twin{client: true, conn: conn, r: bufio.NewReader(conn)}).connect(u)
				_ = make([]int, 0)[len(raw)]
			}
			serveCase(conn, u, "", twinLimit)
			if id == "utf8/valid/U+0080" {
				panic(errors.New("too late"))
			}
			return nil
		})
	}, &Options{Filter: `^utf8/valid/U\+00..$`})
	require.NoError(t, err)
	broken := map[string]string{"utf8/valid/U+0001": "oh no", "utf8/valid/U+007F": "index out of range", "utf8/valid/U+0080": "too late"}
	for _, res := range r.Agents[0].Results {
		if text, ok := broken[res.ID]; ok {
			require.Equal(t, Failed, res.Verdict, res.ID)
			require.Regexp(t, `^the client broke down: panic: .*`+text+`.* \(.*run_test.go:\d+\)$`, res.Detail)
		} else {
			require.Equal(t, Strict, res.Verdict, res.Detail)
		}
	}
	require.Equal(t, len(broken), r.Failed())
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
		for _, path := range []string{
			"/case?n=0", "/case?n=2", "/case?n=x", "/case", "/other", "/case?id=length/text/2", "/case?n=1&id=length/text/2", "/broken?n=2",
		} {
			_, err := fetch(t.Context(), (*Options)(nil).orDefaults(), base+path)
			require.ErrorContains(t, err, "404")
		}
		n, err := fetch(t.Context(), (*Options)(nil).orDefaults(), base+"/count")
		require.NoError(t, err)
		require.Equal(t, "1", n)
		names, err := fetch(t.Context(), (*Options)(nil).orDefaults(), base+"/cases")
		require.NoError(t, err)
		require.Equal(t, "length/text/1", names)
		summary, err := fetch(t.Context(), (*Options)(nil).orDefaults(), base+"/report")
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

// The suite runs over sockets, and asks nothing of a connection but what
// net.Conn has.
func TestOverSockets(t *testing.T) {
	for name, dress := range map[string]func(net.Conn) net.Conn{
		"net.TCPConn": func(c net.Conn) net.Conn { return c },
		"net.Conn":    func(c net.Conn) net.Conn { return onlyConn{c} },
	} {
		t.Run(name, func(t *testing.T) {
			ignore := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
			o := patient()
			o.Filter = `^(ping|utf8/valid|close/code|mask|re(quest|sponse)/good)/`
			o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				return dress(conn), err
			}
			r, err := RunServer(t.Context(), twinServer(t, "", twinLimit), o)
			require.NoError(t, err)
			wantStrict(t, r, true, false)
			r, err = RunClient(t.Context(), twinClient("", twinLimit, o), &Options{Filter: o.Filter})
			require.NoError(t, err)
			wantStrict(t, r, false, false)
		})
	}
}

// onlyConn hides all that a TCP connection has beside net.Conn.
type onlyConn struct{ net.Conn }

// Where time passes only when all wait, a peer reads the pieces of a header one
// by one.
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
