package websocket

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// slowToClose is a transport that takes its time to close, as TLS may.
type slowToClose struct{ net.Conn }

func (t slowToClose) Close() error {
	err := t.Conn.Close()
	time.Sleep(time.Second)
	return err
}

// A goroutine that waits for the end of the connection sleeps: in this test,
// time does not pass for a goroutine that spins.
func TestWaitersSleep(t *testing.T) {
	within(t, 20*time.Second, func() {
		synctest.Test(t, func(t *testing.T) {
			a, peer := bufferedPipe()
			s := newConn(connConfig{transport: slowToClose{a}, client: true})
			s.CloseRead(background)
			closed := make(chan error, 2)
			for range 2 {
				go func() { closed <- s.Close(StatusNormalClosure, "") }()
			}
			synctest.Wait()
			s.CloseNow()
			for range 2 {
				require.ErrorIs(t, <-closed, net.ErrClosed)
			}
			peer.Close()
		})
	})
}

// What is due is done once, and not again while the transport takes its time to close.
func TestTimerSleepsWhileTheTransportCloses(t *testing.T) {
	within(t, 20*time.Second, func() {
		synctest.Test(t, func(t *testing.T) {
			a, peer := bufferedPipe()
			s := newConn(connConfig{transport: slowToClose{a}, ConnOptions: ConnOptions{CloseTimeout: time.Second}})
			start := time.Now()
			require.Error(t, s.Close(StatusNormalClosure, ""))
			require.Equal(t, 2*time.Second, time.Since(start))
			peer.Close()
		})
	})
}
