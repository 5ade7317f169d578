package wsh2

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/wskit/wskit/websocket"
)

// serve answers every request with 200 until the connection ends.
func (s *script) serve() {
	for line := range s.frames {
		var id uint32
		if n, ok := strings.CutPrefix(line, "HEADERS "); ok {
			for _, c := range n[:strings.IndexByte(n, ' ')] {
				id = 10*id + uint32(c-'0')
			}
			s.answer(id, false, ":status", "200")
		}
	}
}

func TestConnectionIsShared(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		var all []*opening
		for range 100 {
			all = append(all, connect(t.Context(), tr))
		}
		s := next()
		s.settle()
		go s.serve()
		for _, o := range all {
			require.NoError(t, o.wait().err)
		}
		require.Len(t, tr.pools["http://a.example"].conns, 1)
		for _, o := range all {
			o.stream.Close()
		}
		tr.CloseIdleConnections()
		synctest.Wait()
		require.Empty(t, tr.pools)
	})
}

// The stream beyond what the server allows goes over another connection.
func TestMaxConcurrentStreams(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tr    *Transport
		allow uint32
		want  int
	}{
		{"of the server", nil, 2, 2},
		{"ours", nil, 1000, 250},
		{"less of ours", &Transport{MaxStreams: 3}, 1000, 3},
		{"none of ours", &Transport{MaxStreams: -1}, 300, 300},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, tt.tr, func(t *testing.T, tr *Transport, next func() *script) {
				first := connect(t.Context(), tr)
				s := next()
				s.settle(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: tt.allow})
				go s.serve()
				first.wait()
				for range tt.want - 1 {
					require.NoError(t, connect(t.Context(), tr).wait().err)
				}
				o := connect(t.Context(), tr)
				another := next()
				another.settle()
				another.want("HEADERS 1")
				another.answer(1, false, ":status", "200")
				require.NoError(t, o.wait().err)
			})
		})
	}
}

func TestMaxConnsWaits(t *testing.T) {
	bubble(t, &Transport{MaxConns: 1, MaxStreams: 1}, func(t *testing.T, tr *Transport, next func() *script) {
		stream, s := opened(t, tr, next)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, connect(ctx, tr).wait().err, context.DeadlineExceeded)
		o := connect(t.Context(), tr)
		synctest.Wait()
		require.NoError(t, stream.Close())
		s.want("RST_STREAM 1 CANCEL")
		s.want("HEADERS 3")
		s.answer(3, false, ":status", "200")
		require.NoError(t, o.wait().err)
	})
}

// A server that allows no streams for now is not dialed again and again.
func TestNoStreamsForNow(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		o := connect(t.Context(), tr)
		s := next()
		s.settle(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
		synctest.Wait()
		s.settings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
		s.want("HEADERS 1")
		s.answer(1, false, ":status", "200")
		require.NoError(t, o.wait().err)
	})
}

// GOAWAY while streams are open: those that the server knows continue, and the
// others are requested again over another connection (RFC 9113, section 6.8).
func TestGoAway_RFC9113_6_8(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		stream, s := opened(t, tr, next)
		late := connect(t.Context(), tr)
		s.want("HEADERS 3")
		require.NoError(t, s.framer.WriteGoAway(1, http2.ErrCodeNo, nil))
		another := next()
		another.settle()
		another.want("HEADERS 1")
		another.answer(1, false, ":status", "200")
		require.NoError(t, late.wait().err)

		s.data(1, false, "still")
		require.Equal(t, "still", readFull(t, stream, 5))
		_, err := stream.Write([]byte("here"))
		require.NoError(t, err)
		s.want("DATA 1 4")
		require.NoError(t, stream.Close())
		s.want("RST_STREAM 1 CANCEL")
		s.want("GOAWAY NO_ERROR")
		_, open := <-s.frames
		require.False(t, open, "the last stream has ended, and the connection with it")
	})
}

func TestRefusedStreamIsTriedAgain(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		o := connect(t.Context(), tr)
		s := next()
		s.settle()
		for id := range uint32(attempts) {
			s.want("HEADERS")
			s.framer.WriteRSTStream(2*id+1, http2.ErrCodeRefusedStream)
		}
		require.ErrorContains(t, o.wait().err, "REFUSED_STREAM", "but not for ever")
	})
}

func TestFailedDialIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		dials := 0
		tr := &Transport{Cleartext: true}
		tr.Dialer.NetDial = func(context.Context, string, string) (net.Conn, error) {
			dials++
			time.Sleep(time.Second)
			return nil, broken
		}
		all := []*opening{connect(t.Context(), tr), connect(t.Context(), tr), connect(t.Context(), tr)}
		for _, o := range all {
			require.ErrorIs(t, o.wait().err, broken)
		}
		require.Equal(t, 1, dials, "those that wait for a dial share its error")
		require.Empty(t, tr.pools)
	})
}

// The end of the context of the one that dials does not concern those that wait
// for it.
func TestCanceledDialIsTakenOver(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		ctx, cancel := context.WithCancel(t.Context())
		first := connect(ctx, tr)
		synctest.Wait()
		second := connect(t.Context(), tr)
		next()
		cancel()
		require.ErrorIs(t, first.wait().err, context.Canceled)
		s := next()
		s.settle()
		s.want("HEADERS 1")
		s.answer(1, false, ":status", "200")
		require.NoError(t, second.wait().err)
	})
}

func TestIdleTimeout(t *testing.T) {
	for _, d := range []time.Duration{0, time.Second, -1} {
		bubble(t, &Transport{IdleTimeout: d, PingInterval: -1}, func(t *testing.T, tr *Transport, next func() *script) {
			stream, s := opened(t, tr, next)
			time.Sleep(time.Hour)
			synctest.Wait()
			require.NotEmpty(t, tr.pools, "a connection with a stream is not idle")
			stream.Close()
			s.want("RST_STREAM 1")
			if d < 0 {
				time.Sleep(time.Hour)
				require.NotEmpty(t, tr.pools)
				return
			}
			start := time.Now()
			s.want("GOAWAY NO_ERROR")
			require.Equal(t, limitTime(d, defaultIdleTimeout), time.Since(start))
		})
	}
}

func TestPing(t *testing.T) {
	bubble(t, &Transport{PingInterval: time.Minute, PingTimeout: time.Second}, func(t *testing.T, tr *Transport, next func() *script) {
		stream, s := opened(t, tr, next)
		for range 3 {
			s.want("PING ack=false")
			require.NoError(t, s.framer.WritePing(true, [8]byte{}))
		}
		s.want("PING ack=false")
		start := time.Now()
		_, err := stream.Read(make([]byte, 1))
		require.ErrorContains(t, err, "does not answer a PING")
		timeout, ok := errors.AsType[net.Error](err)
		require.True(t, ok && timeout.Timeout())
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestTransportClose(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		stream, s := opened(t, tr, next)
		waiting := connect(t.Context(), tr)
		s.want("HEADERS 3")
		require.NoError(t, tr.Close())
		s.want("GOAWAY NO_ERROR")
		_, err := stream.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		require.ErrorIs(t, waiting.wait().err, net.ErrClosed)
		require.ErrorIs(t, connect(t.Context(), tr).wait().err, net.ErrClosed)
		require.NoError(t, tr.Close())
	})
}

// The writes of a connection that the server does not read end with it.
func TestTransportCloseWhileStuck(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		o := connect(t.Context(), tr)
		s := next()
		s.settle(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
		require.NoError(t, s.framer.WriteWindowUpdate(0, 1<<30))
		s.want("HEADERS 1")
		s.answer(1, false, ":status", "200")
		require.NoError(t, o.wait().err)
		s.stopReading()
		wrote := make(chan error)
		go func() {
			_, err := o.stream.Write(make([]byte, 1<<20))
			wrote <- err
		}()
		synctest.Wait()
		start := time.Now()
		require.NoError(t, tr.Close())
		require.Equal(t, farewell, time.Since(start))
		require.ErrorIs(t, <-wrote, net.ErrClosed)
	})
}

func TestConnectChecksItsArguments(t *testing.T) {
	var none *Transport
	for _, tt := range []struct {
		tr   *Transport
		r    *http.Request
		want string
	}{
		{none, request(t.Context(), "ws://a.example"), "nil Transport"},
		{new(Transport), nil, "without a URL"},
		{new(Transport), new(http.Request), "without a URL"},
		{new(Transport), request(t.Context(), "ws://a.example"), "Cleartext"},
		{new(Transport), mustGet(t), "want an extended CONNECT"},
		{&Transport{Cleartext: true}, with(t, "X", "a\r\nb"), `field "x"`},
		{&Transport{Cleartext: true}, with(t, "a b", "c"), `field "a b"`},
	} {
		_, _, err := tt.tr.Connect(tt.r)
		require.ErrorContains(t, err, tt.want)
		require.Equal(t, tt.want == "Cleartext", errors.Is(err, websocket.ErrNoExtendedConnect))
	}
}

func mustGet(t *testing.T) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "https://a.example", nil)
	require.NoError(t, err)
	return r
}

func with(t *testing.T, name, value string) *http.Request {
	r := request(t.Context(), "ws://a.example")
	r.Header[name] = []string{value}
	return r
}
