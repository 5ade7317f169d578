package websocket

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// What is over does not change any more, and what was not sent does not count as sent.
func TestCloseRecordIsFinal(t *testing.T) {
	for name, end := range map[string]func(s *Conn, peer net.Conn){
		"closed": func(s *Conn, peer net.Conn) { s.CloseNow() },
		"gone": func(s *Conn, peer net.Conn) {
			peer.Close()
			s.Read(background)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stats Stats
				a, peer := bufferedPipe()
				s := newConn(connConfig{transport: a, client: true, ConnOptions: ConnOptions{Stats: &stats}})
				end(s, peer)
				<-s.Done()
				record := s.CloseRecord()
				require.Error(t, s.Close(4000, "too late"))
				require.Equal(t, record, s.CloseRecord())
				require.Zero(t, record.Sent)
				require.Zero(t, stats.ClosesWritten(4000))
			})
		})
	}
}

// brokenPipe is a transport that takes half a frame and no more.
type brokenPipe struct {
	net.Conn
	written []byte
}

var errBroken = errors.New("broken")

func (t *brokenPipe) Write(p []byte) (int, error) {
	n := len(p) / 2
	t.written = append(t.written, p[:n]...)
	return n, errBroken
}

// After a write that has failed nothing more is written, and its error is that of all writes.
func TestBrokenTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, peer := bufferedPipe()
		broken := &brokenPipe{Conn: a}
		s := newConn(connConfig{transport: broken})
		require.ErrorIs(t, s.Write(background, MessageText, []byte("12345678")), errBroken)
		require.Equal(t, append([]byte{0x81, 8}, "123"...), broken.written)
		ws.WriteFrame(peer, ws.MaskFrame(ws.NewTextFrame([]byte("what had arrived"))))
		_, p, err := s.Read(background)
		require.NoError(t, err)
		require.Equal(t, "what had arrived", string(p))
		start := time.Now()
		require.ErrorIs(t, s.Close(StatusNormalClosure, ""), errBroken)
		require.Equal(t, DefaultCloseTimeout, time.Since(start))
		require.Len(t, broken.written, 5, "no close frame within another one")
		require.ErrorIs(t, s.Write(background, MessageText, nil), errBroken)
		require.ErrorIs(t, s.Ping(background), errBroken)
		_, _, err = s.Read(background)
		require.ErrorIs(t, err, errBroken)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	})
}
