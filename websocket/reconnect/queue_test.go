package reconnect

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

func TestQueueBounds(t *testing.T) {
	const text = websocket.MessageText
	for _, tt := range []struct {
		name            string
		bytes, messages int
		send            []int // sizes
		taken           int
	}{
		{"default bytes", 0, 0, []int{64 << 10, 1}, 1},
		{"exactly", 10, 0, []int{4, 6, 0, 0, 1}, 4},
		{"too large", 10, 0, []int{11}, 0},
		{"messages", 0, 2, []int{0, 0, 0}, 2},
		{"default messages", 0, 0, make([]int, 257), 256},
		{"none", -1, -1, append(make([]int, 1000), 1<<20, 1<<20), 1002},
	} {
		c := New("ws://a.example", &Options{MaxBytes: tt.bytes, MaxMessages: tt.messages})
		taken, bytes := 0, 0
		for _, n := range tt.send {
			if err := c.Send(text, make([]byte, n)); err == nil {
				taken++
				bytes += n
			} else {
				require.ErrorIs(t, err, ErrQueueFull)
			}
		}
		require.Equal(t, tt.taken, taken, tt.name)
		gotMessages, gotBytes := c.Buffered()
		require.Equal(t, []int{taken, bytes}, []int{gotMessages, gotBytes}, tt.name)
	}
}

// link is a Dial whose server ends belong to the test.
type link struct {
	t       *testing.T
	fault   *wstest.Fault      // of the client's end of the first connection
	pipe    wstest.PipeOptions // of each
	servers chan *websocket.Conn
}

func (l *link) dial(context.Context, string, *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	client, server := wstest.Pair(l.t, &wstest.PairOptions{ClientFault: l.fault, Pipe: l.pipe})
	l.fault = nil
	l.servers <- server
	return client, nil, nil
}

// untilLost is a handler that reads until the connection ends.
func untilLost(ctx context.Context, conn *websocket.Conn) error {
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return err
		}
	}
}

// received returns what a server receives until its connection ends or nothing comes.
func received(t *testing.T, server *websocket.Conn) (texts []string) {
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		_, p, err := server.Read(ctx)
		cancel()
		if err != nil {
			return texts
		}
		texts = append(texts, string(p))
	}
}

// What is sent while there is no connection arrives after OnConnect, in order, and once.
func TestQueueWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &link{t: t, servers: make(chan *websocket.Conn, 1)}
		c := New("ws://a.example", &Options{Dial: l.dial, OnConnect: func(ctx context.Context, conn *websocket.Conn) error {
			time.Sleep(time.Second) // what is queued waits
			return conn.Write(ctx, websocket.MessageText, []byte("hello"))
		}})
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		send := func(texts ...string) {
			for _, s := range texts {
				p := []byte(s)
				require.NoError(t, c.Send(websocket.MessageText, p))
				clear(p) // it was copied
			}
		}
		send("1", "2")
		go func() { ran <- c.Run(ctx, untilLost) }()
		server := <-l.servers
		time.Sleep(2 * time.Second)
		send("3")
		require.Equal(t, []string{"hello", "1", "2", "3"}, received(t, server))
		server.CloseNow()
		synctest.Wait()
		send("4", "5")
		server = <-l.servers
		require.Equal(t, []string{"hello", "4", "5"}, received(t, server))
		messages, bytes := c.Buffered()
		require.Zero(t, messages+bytes)
		cancel()
		go received(t, server)
		require.ErrorIs(t, <-ran, context.Canceled)
		send("6") // for another Run
		go c.Run(t.Context(), func(context.Context, *websocket.Conn) error { return nil })
		require.Equal(t, []string{"hello", "6"}, received(t, <-l.servers))
	})
}

// A message that the connection has ended within is dropped, and the program told, or sent
// again if it asks for that. What is queued after it arrives in any case.
func TestHalfSent(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for _, resend := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := &link{t: t, servers: make(chan *websocket.Conn, 1), fault: &wstest.Fault{Write: true, At: 5000}}
			var dropped []string
			c := New("ws://a.example", &Options{Dial: l.dial, Resend: resend, OnDrop: func(m websocket.Message, err error) {
				require.ErrorIs(t, err, wstest.ErrInjected)
				dropped = append(dropped, string(m.Data))
			}, Retryable: func(err error) bool { return websocket.Retryable(err) || errors.Is(err, wstest.ErrInjected) }})
			for _, s := range []string{"1", long, "2"} {
				require.NoError(t, c.Send(websocket.MessageText, []byte(s)))
			}
			ctx, cancel := context.WithCancel(t.Context())
			ran := make(chan error)
			go func() { ran <- c.Run(ctx, untilLost) }()
			require.Equal(t, []string{"1"}, received(t, <-l.servers))
			server := <-l.servers
			if resend {
				require.Equal(t, []string{long, "2"}, received(t, server))
				require.Empty(t, dropped)
			} else {
				require.Equal(t, []string{"2"}, received(t, server))
				require.Equal(t, []string{long}, dropped)
			}
			cancel()
			go received(t, server)
			require.Error(t, <-ran)
		})
	}
}

// A callback that panics on the goroutine of the writer ends Run and not the process.
func TestWriterPanics(t *testing.T) {
	hooks := &websocket.Hooks{MessageWritten: func(*websocket.Conn, websocket.MessageType, int, int) { panic("oops") }}
	for name, tt := range map[string]struct {
		fault *wstest.Fault
		hooks *websocket.Hooks
	}{
		"OnDrop": {fault: &wstest.Fault{Write: true, At: 5000}},
		"hook":   {hooks: hooks},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New("ws://a.example", &Options{
					OnDrop: func(websocket.Message, error) { panic("oops") },
					Dial: func(context.Context, string, *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
						client, server := wstest.Pair(t, &wstest.PairOptions{ClientFault: tt.fault, Client: websocket.ConnOptions{Hooks: tt.hooks}})
						go received(t, server)
						return client, nil, nil
					},
				})
				require.NoError(t, c.Send(websocket.MessageBinary, make([]byte, 10_000)))
				err := c.Run(t.Context(), untilLost)
				panicked, ok := errors.AsType[*websocket.PanicError](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, "oops", panicked.Value)
			})
		})
	}
}

// Text that would end every connection does not get into the queue.
func TestSendText(t *testing.T) {
	c := New("ws://a.example", nil)
	require.EqualError(t, c.Send(websocket.MessageText, []byte("\xff")), "reconnect: text is not valid UTF-8")
	require.NoError(t, c.Send(websocket.MessageBinary, []byte("\xff")))
	messages, bytes := c.Buffered()
	require.Equal(t, []int{1, 1}, []int{messages, bytes})
}

// At the end Run sends what is queued, for a bounded time, and says what it could not send.
func TestFinishSendsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &link{t: t, servers: make(chan *websocket.Conn, 1), pipe: wstest.PipeOptions{Buffer: 1000}}
		c := New("ws://a.example", &Options{Dial: l.dial})
		var want []string
		sending := func(context.Context, *websocket.Conn) error {
			for i := range 100 {
				want = append(want, fmt.Sprint(i))
				require.NoError(t, c.Send(websocket.MessageText, []byte(want[i])))
			}
			return nil
		}
		got := make(chan []string)
		go func() { got <- received(t, <-l.servers) }()
		require.NoError(t, c.Run(t.Context(), sending))
		require.Equal(t, want, <-got)

		start := time.Now() // a peer that does not read
		err := c.Run(t.Context(), func(context.Context, *websocket.Conn) error {
			return c.Send(websocket.MessageBinary, make([]byte, 50_000))
		})
		require.ErrorContains(t, err, "reconnect: sending queued messages: ")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.LessOrEqual(t, time.Since(start), 2*websocket.DefaultCloseTimeout)
		(<-l.servers).CloseNow()

		err = c.Run(t.Context(), func(ctx context.Context, conn *websocket.Conn) error {
			conn.CloseNow()
			return c.Send(websocket.MessageText, []byte("left"))
		})
		require.ErrorIs(t, err, net.ErrClosed)
		messages, _ := c.Buffered()
		require.Equal(t, 1, messages)
	})
}

// Memory of messages that were sent is let go.
func TestQueueKeepsNothing(t *testing.T) {
	q := newQueue(0, 0)
	for range 1000 {
		require.NoError(t, q.push(websocket.MessageText, make([]byte, 100)))
		require.NoError(t, q.push(websocket.MessageText, make([]byte, 100)))
		q.pop()
		held := q.messages
		q.pop()
		require.Nil(t, q.messages)
		require.True(t, slices.ContainsFunc(held, func(m websocket.Message) bool { return m.Data == nil }))
	}
}
