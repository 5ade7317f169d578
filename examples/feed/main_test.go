package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/reconnect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A subscriber gets each event once, in order, whatever happens to the server
// between.
func TestServerThatRestarts(t *testing.T) {
	f := new(feed)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	start := func() (stop func()) { // on the same port each time
		if ln == nil {
			require.Eventually(t, func() bool {
				ln, err = net.Listen("tcp", addr)
				return err == nil
			}, 20*time.Second, time.Millisecond)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		listener := ln
		ln = nil
		go func() { ended <- f.run(ctx, listener) }()
		return func() {
			cancel()
			require.NoError(t, <-ended)
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	seen, left := make(chan event, 1000), make(chan error, 1)
	var log strings.Builder
	stop := start()
	go func() {
		left <- watch(ctx, "ws://"+addr+"/feed", &log, reconnect.Options{MinDelay: 10 * time.Millisecond, MaxDelay: 50 * time.Millisecond}, func(e event) { seen <- e })
	}()
	want := 0
	for range 3 {
		for range 5 {
			f.publish(fmt.Sprint("event ", f.number+1))
		}
		for range 5 {
			want++
			require.Equal(t, event{want, fmt.Sprint("event ", want)}, <-seen)
		}
		stop()
		f.publish(fmt.Sprint("event ", f.number+1)) // while the server is away
		stop = start()
		want++
		require.Equal(t, event{want, fmt.Sprint("event ", want)}, <-seen)
	}
	leave()
	err = <-left
	gaveUp, ok := errors.AsType[*reconnect.GaveUpError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, reconnect.ContextEnded, gaveUp.Reason)
	require.Contains(t, log.String(), "again in")
	stop()
}

// A subscriber that missed too much, or sends an invalid number, does not
// reconnect.
func TestEventsThatAreGone(t *testing.T) {
	f := new(feed)
	for range mostHistory + 2 {
		f.publish("x")
	}
	addr := program.Start(t, f.run)
	for _, after := range []string{"0", "1", "-1", "99999"} {
		c := program.Dial(t, "ws://"+addr+"/feed", nil)
		program.Send(t, c, `{"after":`+after+`}`)
		_, _, err := c.Read(t.Context())
		require.Equal(t, closeTooFarBehind, websocket.CloseStatus(err), after)
	}
	err := watch(t.Context(), "ws://"+addr+"/feed", io.Discard, reconnect.Options{}, func(event) {})
	gaveUp, ok := errors.AsType[*reconnect.GaveUpError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, reconnect.NotRetryable, gaveUp.Reason)
}
