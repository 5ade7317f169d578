package reconnect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
)

func TestPauseLimits(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		o    Options
		want []time.Duration // after 1, 2, … failures
	}{
		{Options{}, []time.Duration{s / 2, s, 2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s}},
		{Options{MinDelay: 3 * s, MaxDelay: 10 * s}, []time.Duration{3 * s, 6 * s, 10 * s, 10 * s}},
		{Options{MinDelay: 20 * s, MaxDelay: 10 * s}, []time.Duration{10 * s, 10 * s}},
		{Options{MinDelay: -1}, []time.Duration{0, 0, 0}},
		{Options{MaxDelay: -1}, []time.Duration{0, 0, 0}},
		{Options{MinDelay: math.MaxInt64/2 - 1, MaxDelay: math.MaxInt64}, []time.Duration{math.MaxInt64/2 - 1, math.MaxInt64 - 3, math.MaxInt64}},
	} {
		for i, want := range tt.want {
			require.Equal(t, want, tt.o.limit(i+1), "%+v after %d", tt.o, i+1)
		}
		require.Equal(t, tt.want[len(tt.want)-1], tt.o.limit(math.MaxInt), "%+v", tt.o)
	}
}

// answers is a Dial that fails with these errors, one after the other, and then with the
// last one again. It notes when it was called.
type answers struct {
	errs  []error
	calls []time.Time
}

func (a *answers) dial(ctx context.Context, _ string, _ *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	err := a.errs[min(len(a.calls), len(a.errs)-1)]
	a.calls = append(a.calls, time.Now())
	return nil, nil, err
}

func (a *answers) pauses() (pauses []time.Duration) {
	for i := range a.calls[1:] {
		pauses = append(pauses, a.calls[i+1].Sub(a.calls[i]))
	}
	return pauses
}

func neverHandle(context.Context, *websocket.Conn) error { panic("there is no connection") }

var errLost = fmt.Errorf("lost: %w", io.EOF)

func refusal(status int, header string) error {
	return ws.RejectConnectionError(ws.RejectionStatus(status), ws.RejectionHeader(ws.HandshakeHeaderString(header)))
}

func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("enough"))
		late, cancelLate := context.WithTimeout(t.Context(), time.Minute)
		defer cancelLate()
		stop := errors.New("stop")
		for name, tt := range map[string]struct {
			ctx  context.Context
			o    Options
			errs []error
			want GaveUpError
			text string
		}{
			"status":                       {errs: []error{errLost, refusal(404, "")}, want: GaveUpError{Reason: NotRetryable, Failures: 2}, text: "reconnect: gave up (not retryable) at failure 2 in a row: ws: handshake rejected: 404 Not Found"},
			"code":                         {errs: []error{websocket.CloseError{Code: 1008}}, want: GaveUpError{Reason: NotRetryable, Failures: 1}},
			"decision":                     {o: Options{Retryable: func(error) bool { return false }}, errs: []error{errLost}, want: GaveUpError{Reason: NotRetryable, Failures: 1}},
			"attempts":                     {o: Options{MaxAttempts: 5}, errs: []error{errLost}, want: GaveUpError{Reason: TooManyAttempts, Failures: 5}},
			"ended":                        {ctx: ended, errs: []error{errLost}, want: GaveUpError{Reason: ContextEnded, Failures: 1}, text: "reconnect: gave up (the context has ended) at failure 1 in a row: context canceled: enough: lost: EOF"},
			"hook":                         {o: Options{OnRetry: func(context.Context, error, time.Duration) error { return stop }}, errs: []error{errLost}, want: GaveUpError{Reason: Stopped, Failures: 1}, text: "reconnect: gave up (stopped by OnRetry) at failure 1 in a row: stop: lost: EOF"},
			"asks for longer than MaxAway": {o: Options{MaxAway: time.Minute}, errs: []error{refusal(503, "Retry-After: 61\r\n")}, want: GaveUpError{Reason: AwayTooLong, Failures: 1}},
			"no connection":                {errs: []error{nil}, want: GaveUpError{Reason: NotRetryable, Failures: 1}},
		} {
			a := &answers{errs: tt.errs}
			tt.o.Dial = a.dial
			if tt.ctx == nil {
				tt.ctx = t.Context()
			}
			err := New("ws://a.example", &tt.o).Run(tt.ctx, neverHandle)
			got, ok := errors.AsType[*GaveUpError](err)
			require.True(t, ok, "%s: %v", name, err)
			require.Equal(t, tt.want.Reason, got.Reason, name)
			require.Equal(t, tt.want.Failures, got.Failures, name)
			require.Len(t, a.calls, got.Failures, name)
			if last := tt.errs[len(tt.errs)-1]; last != nil {
				require.ErrorIs(t, err, last, name)
			}
			if tt.text != "" {
				require.EqualError(t, err, tt.text, name)
			}
		}
		a := &answers{errs: []error{errLost}}
		err := New("ws://a.example", &Options{Dial: a.dial}).Run(late, neverHandle)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, errLost)
		deadline, _ := late.Deadline()
		require.Equal(t, deadline, time.Now(), "a pause ends with the context")

		a, start := &answers{errs: []error{errLost}}, time.Now()
		err = New("ws://a.example", &Options{Dial: a.dial, MaxAway: time.Hour}).Run(t.Context(), neverHandle)
		require.ErrorContains(t, err, AwayTooLong.String())
		require.InDelta(t, time.Hour, time.Since(start), float64(DefaultMaxDelay))
		require.LessOrEqual(t, time.Since(start), time.Hour)
	})
}

// The pauses lie below their limits, use all of the room, and differ between clients.
func TestFullJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const clients, attempts = 200, 8
		var longest, shortest [attempts - 1]time.Duration
		for i := range clients {
			a := &answers{errs: []error{errLost}}
			o := &Options{Dial: a.dial, MaxAttempts: attempts}
			require.Error(t, New("ws://a.example", o).Run(t.Context(), neverHandle))
			for n, pause := range a.pauses() {
				require.Less(t, pause, o.limit(n+1))
				longest[n] = max(longest[n], pause)
				if i == 0 || pause < shortest[n] {
					shortest[n] = pause
				}
			}
		}
		for n := range longest { // of 200 samples; each fails once in 10^9 runs
			limit := new(Options).limit(n + 1)
			require.Greater(t, longest[n], limit*9/10)
			require.Less(t, shortest[n], limit/10)
		}
	})
}

func TestRetryAfter_RFC9110_10_2_3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			o     Options
			value string
			want  time.Duration
		}{
			{Options{}, "30", 30 * time.Second},
			{Options{}, "in a minute", time.Minute},
			{Options{}, "0", 0},
			{Options{}, "soon", 0},
			{Options{}, "999999999", DefaultMaxRetryAfter},
			{Options{MaxRetryAfter: time.Second}, "30", time.Second},
			{Options{MaxRetryAfter: -1}, "30", 0},
		} {
			if tt.value == "in a minute" {
				time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // dates have no fractions
				tt.value = time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
			}
			a := &answers{errs: []error{refusal(503, "Retry-After: "+tt.value+"\r\n"), refusal(404, "")}}
			tt.o.Dial = a.dial
			tt.o.OnRetry = func(_ context.Context, err error, pause time.Duration) error {
				require.GreaterOrEqual(t, pause, tt.want)
				return nil
			}
			require.Error(t, New("ws://a.example", &tt.o).Run(t.Context(), neverHandle))
			require.GreaterOrEqual(t, a.pauses()[0], tt.want, tt.value)
			require.Less(t, a.pauses()[0], tt.want+DefaultMinDelay, tt.value)
		}
	})
}

// A connection that has lasted ends a row of failures; one that has not is one of them.
func TestStableConnectionEndsRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			stableAfter, lasts time.Duration
			ends               bool
		}{
			{0, DefaultStableAfter, true}, {0, DefaultStableAfter - 1, false}, {time.Hour, time.Minute, false}, {-1, 0, true},
		} {
			dials := 0
			o := &Options{StableAfter: tt.stableAfter, MaxAttempts: 3}
			o.Dial = func(ctx context.Context, _ string, _ *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
				if dials++; dials != 3 {
					return nil, nil, errLost
				}
				conn, _ := wstest.Pair(t, nil)
				return conn, nil, nil
			}
			err := New("ws://a.example", o).Run(t.Context(), func(context.Context, *websocket.Conn) error {
				time.Sleep(tt.lasts)
				return errLost
			})
			require.ErrorContains(t, err, TooManyAttempts.String())
			want := 3
			if tt.ends {
				want = 5 // two failures, the connection, two more: its end is the first of a row
			}
			require.Equal(t, want, dials, "%+v", tt)
		}
	})
}

// A silent server holds an attempt up for no longer than DialTimeout, also if the context has
// a deadline that is far away.
func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
		defer cancel()
		for timeout, want := range map[time.Duration]time.Duration{0: ws.DefaultHandshakeTimeout, time.Second: time.Second} {
			start := time.Now()
			o := &Options{DialTimeout: timeout, MaxAttempts: 1}
			silent := wstest.Listen(nil) // nobody accepts
			defer silent.Close()
			o.DialOptions = &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{DialContext: silent.DialContext}}}
			err := New("ws://a.example", o).Run(ctx, neverHandle)
			require.ErrorIs(t, err, ws.ErrHandshakeTimeout)
			require.ErrorContains(t, err, TooManyAttempts.String(), "it is retryable")
			require.Equal(t, want, time.Since(start))
		}
		start := time.Now()
		o := &Options{DialTimeout: -1, Dial: func(ctx context.Context, _ string, _ *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
			<-ctx.Done()
			return nil, nil, ctx.Err()
		}}
		require.ErrorIs(t, New("ws://a.example", o).Run(ctx, neverHandle), context.DeadlineExceeded)
		require.Greater(t, time.Since(start), 23*time.Hour)
	})
}

func TestRunArguments(t *testing.T) {
	c := New("ws://a.example", nil)
	var none context.Context
	require.EqualError(t, c.Run(none, neverHandle), "reconnect: nil Context")
	require.EqualError(t, c.Run(t.Context(), nil), "reconnect: nil handler")
	require.EqualError(t, c.Send(7, nil), "reconnect: invalid message type 7")
	require.ErrorContains(t, New("ftp://a.example", nil).Run(t.Context(), neverHandle), "not retryable")
	require.Equal(t, "Reason(0)", Reason(0).String())

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		a := &answers{errs: []error{errLost}}
		c := New("ws://a.example", &Options{Dial: a.dial})
		first := make(chan error)
		go func() { first <- c.Run(ctx, neverHandle) }()
		synctest.Wait()
		require.Equal(t, ErrRunning, c.Run(ctx, neverHandle))
		cancel()
		require.ErrorIs(t, <-first, context.Canceled)
		require.ErrorIs(t, c.Run(ctx, neverHandle), context.Canceled, "it can run again")
	})
}

// A handler that panics leaves neither the connection nor a goroutine.
func TestHandlerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := wstest.Pair(t, nil)
		c := New("ws://a.example", &Options{Dial: func(context.Context, string, *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
			return conn, nil, nil
		}})
		require.PanicsWithValue(t, "ouch", func() { c.Run(t.Context(), func(context.Context, *websocket.Conn) error { panic("ouch") }) })
		<-conn.Done()
		_, _, err := server.Read(t.Context())
		require.Error(t, err)
	})
}

// A handler that only writes learns that the connection is closed, and not why. Run looks.
func TestReasonOfWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for code, reason := range map[websocket.StatusCode]Reason{1001: TooManyAttempts, 1008: NotRetryable} {
			conn, server := wstest.Pair(t, nil)
			c := New("ws://a.example", &Options{MaxAttempts: 1, Dial: func(context.Context, string, *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
				return conn, nil, nil
			}})
			err := c.Run(t.Context(), func(ctx context.Context, conn *websocket.Conn) error {
				conn.CloseRead(ctx)
				server.Close(code, "")
				<-conn.Done()
				return net.ErrClosed
			})
			require.ErrorContains(t, err, reason.String())
		}
	})
}
