package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// member returns the server's end of a connection that belongs to g, and the client's,
// as bytes.
func member(t *testing.T, g *Group) (*Conn, net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	c, err := NewConn(server, nil, ws.Handshake{}, ws.StateServerSide, &ConnOptions{Group: g})
	require.NoError(t, err)
	return c, client
}

// answerClose waits for a close frame and echoes it. It returns its code and reason, and
// when it came.
func answerClose(t *testing.T, conn net.Conn) (code ws.StatusCode, reason string, at time.Time) {
	f, err := ws.ReadFrame(conn)
	require.NoError(t, err)
	require.Equal(t, ws.OpClose, f.Header.OpCode)
	code, reason, err = ws.ParseCloseBody(f.Payload)
	require.NoError(t, err)
	at = time.Now()
	conn.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(ws.AppendCloseBody(nil, code, "")))))
	conn.Close()
	return code, reason, at
}

func TestGroupShutdown(t *testing.T) {
	for _, tt := range []struct {
		name   string
		group  *Group
		code   ws.StatusCode
		reason string
	}{
		{"by default", new(Group), ws.StatusGoingAway, ""},
		{"of choice", &Group{Code: StatusServiceRestart, Reason: "back soon"}, 1012, "back soon"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := tt.group
				for range 10 {
					_, client := member(t, g)
					go func() {
						time.Sleep(time.Second)
						code, reason, _ := answerClose(t, client)
						require.Equal(t, tt.code, code)
						require.Equal(t, tt.reason, reason)
					}()
				}
				require.Equal(t, 10, g.Len())
				begin := time.Now()
				second := make(chan error)
				go func() { second <- g.Shutdown(context.Background()) }()
				require.NoError(t, g.Shutdown(context.Background()))
				require.NoError(t, <-second)
				require.Equal(t, time.Second, time.Since(begin), "it waits for the peers")
				require.Zero(t, g.Len())
				require.NoError(t, g.Shutdown(context.Background()), "once more")
			})
		})
	}
}

// A member that is blocked in a read, or already closed, does not delay others.
func TestGroupShutdownWhileMembersWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		reading, client := member(t, g)
		ended := make(chan error, 1)
		go func() {
			_, _, err := reading.Read(context.Background())
			ended <- err
		}()
		gone, other := member(t, g)
		require.NoError(t, errors.Join(gone.CloseNow(), other.Close()))
		require.Equal(t, 1, g.Len(), "who is closed leaves")
		go answerClose(t, client)
		require.NoError(t, g.Shutdown(context.Background()))
		require.Error(t, <-ended)
	})
}

func TestGroupShutdownJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		g := &Group{Jitter: time.Minute}
		times := make(chan time.Time, n)
		for range n {
			_, client := member(t, g)
			go func() {
				_, _, at := answerClose(t, client)
				times <- at
			}()
		}
		begin := time.Now()
		require.NoError(t, g.Shutdown(context.Background()))
		halves := [2]int{}
		for range n {
			after := (<-times).Sub(begin)
			require.Less(t, after, time.Minute)
			halves[after/(30*time.Second)]++
		}
		require.Greater(t, halves[0], n/10)
		require.Greater(t, halves[1], n/10)
	})
}

// Peers that do not answer are closed at the end of the context, and so are those whose turn
// had not come.
func TestGroupShutdownEndsWithItsContext(t *testing.T) {
	for name, jitter := range map[string]time.Duration{"silent peers": 0, "jitter": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &Group{Jitter: jitter}
				var members []*Conn
				for range 10 {
					c, client := member(t, g)
					members = append(members, c)
					defer client.Close() // which nobody reads
				}
				reason := errors.New("enough")
				ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Second, reason)
				defer cancel()
				begin := time.Now()
				err := g.Shutdown(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorIs(t, err, reason)
				require.Equal(t, 2*time.Second, time.Since(begin))
				require.Zero(t, g.Len())
				for _, c := range members {
					<-c.Done()
				}
			})
		})
	}
}

// A late connection is refused: before the handshake with status 503, and after
// it with a close code.
func TestGroupTakesNobodyAfterShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		require.NoError(t, g.Shutdown(context.Background()))
		client, server := net.Pipe()
		go func() {
			code, _, _ := answerClose(t, client)
			require.Equal(t, ws.StatusGoingAway, code)
		}()
		_, err := NewConn(server, nil, ws.Handshake{}, ws.StateServerSide, &ConnOptions{Group: g})
		require.ErrorIs(t, err, ErrGroupClosed)
		_, _, err = Dial(context.Background(), "ws://a.example", &DialOptions{ConnOptions: ConnOptions{Group: g}})
		require.ErrorIs(t, err, ErrGroupClosed)
	})
}

func TestAcceptRefusesWhileShuttingDown(t *testing.T) {
	g := new(Group)
	require.NoError(t, g.Shutdown(t.Context()))
	failed := make(chan error, 1)
	srv := accepting(t, &AcceptOptions{ConnOptions: ConnOptions{Group: g}}, func(_ *Conn, err error) { failed <- err })
	resp, _ := exchange(t, srv, handshake())
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.ErrorIs(t, <-failed, ErrGroupClosed)
}

func TestGroupConns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		want := map[*Conn]bool{}
		for range 3 {
			c, client := member(t, g)
			defer client.Close()
			want[c] = true
		}
		for c := range g.Conns() {
			require.True(t, want[c])
			delete(want, c)
			c.CloseNow()
		}
		require.Empty(t, want)
		require.Zero(t, g.Len())
	})
}

// Shutdown does not sit its jitter out once all connections are gone.
func TestGroupShutdownOfThoseWhoLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Group{Jitter: time.Hour}
		var members []*Conn
		for range 10 {
			c, client := member(t, g)
			defer client.Close()
			members = append(members, c)
		}
		time.AfterFunc(time.Second, func() {
			for _, c := range members {
				c.CloseNow()
			}
		})
		begin := time.Now()
		require.NoError(t, g.Shutdown(context.Background()))
		require.LessOrEqual(t, time.Since(begin), 10*time.Second)
	})
}

// A code that may not be sent does not keep connections open.
func TestGroupCodes_RFC6455_7_4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Group{Code: StatusAbnormalClosure}
		_, client := member(t, g)
		go func() {
			code, _, _ := answerClose(t, client)
			require.Equal(t, ws.StatusGoingAway, code)
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, g.Shutdown(ctx))
	})
}

// A connection that is refused after the handshake does not delay Shutdown for
// long.
func TestTurnedAwayInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := new(Group)
		require.NoError(t, g.Shutdown(context.Background()))
		for _, limit := range []time.Duration{time.Millisecond, time.Hour} {
			silent, server := bufferedPipe()
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			begin := time.Now()
			_, err := openConn(ctx, &connConfig{transport: server, ConnOptions: ConnOptions{Group: g}})
			require.ErrorIs(t, err, ErrGroupClosed)
			require.Equal(t, min(limit, wsutil.LingerTime), time.Since(begin))
			cancel()
			f, err := ws.ReadFrame(silent)
			require.NoError(t, err)
			require.Equal(t, ws.OpClose, f.Header.OpCode)
			_, err = silent.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
		}
	})
}
