package main

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

// No goroutine is left behind by the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answers plays the client: it gives each answer after that time, and returns
// how the server has closed the connection.
func answers(t *testing.T, c *websocket.Conn, after time.Duration, list ...string) websocket.StatusCode {
	for {
		_, _, err := c.Read(t.Context())
		if err != nil {
			return websocket.CloseStatus(err)
		}
		if len(list) == 0 {
			continue // says nothing
		}
		time.Sleep(after)
		c.Write(t.Context(), websocket.MessageText, []byte(list[0]))
		list = list[1:]
	}
}

// In a synctest bubble the clock advances when all goroutines wait: the ten
// seconds of the last case take no time, and the nine of the first one are
// exactly nine.
func TestQuiz(t *testing.T) {
	for name, row := range map[string]struct {
		after time.Duration
		list  []string
		want  websocket.StatusCode
		takes time.Duration
	}{
		"all right":  {9 * time.Second, []string{"5", "42"}, websocket.StatusNormalClosure, 18 * time.Second},
		"one wrong":  {time.Second, []string{"5", "41"}, closeDisagrees, 2 * time.Second},
		"too late":   {11 * time.Second, []string{"5"}, closeTooLate, 11 * time.Second},
		"no answers": {0, nil, closeTooLate, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := wstest.Pair(t, nil)
				go quiz(t.Context(), server)
				start := time.Now()
				require.Equal(t, row.want, answers(t, client, row.after, row.list...))
				require.Equal(t, row.takes, time.Since(start))
			})
		})
	}
}

// A network that fails while the second question is written.
func TestQuizOnABadNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pair(t, &wstest.PairOptions{
			Pipe:        wstest.PipeOptions{Latency: 100 * time.Millisecond},
			ServerFault: &wstest.Fault{Kind: wstest.FaultError, Write: true, At: 8},
		})
		ended := make(chan error, 1)
		go func() { ended <- quiz(t.Context(), server) }()
		go answers(t, client, 0, "5")
		require.ErrorIs(t, <-ended, wstest.ErrInjected)
	})
}

// The whole program on a listener in memory, with the client of net/http.
func TestProgramInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := wstest.Listen(nil)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- run(ctx, ln) }()
		c, _, err := websocket.Dial(t.Context(), "ws://quiz.example/", &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: &http.Transport{DialContext: ln.DialContext}},
		})
		require.NoError(t, err)
		require.Equal(t, "2+3?", program.Receive(t, c))
		stop()
		_, _, err = c.Read(t.Context())
		require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err))
		require.NoError(t, errors.Join(<-ended, ln.Close()))
	})
}

// And once with a port, to see that the program serves.
func TestProgram(t *testing.T) {
	c := program.Dial(t, "ws://"+program.Start(t, run), nil)
	require.Equal(t, websocket.StatusNormalClosure, answers(t, c, 0, "5", "42"))
}
