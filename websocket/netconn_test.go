package websocket

import (
	"context"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// A connection closed here reports that, and not a deadline, after which
// programs continue.
func TestNetConnClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		c.CloseRead(background)
		n := NetConn(background, s, MessageBinary)
		read := make(chan error)
		go func() {
			_, err := n.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		require.NoError(t, n.Close())
		require.NotErrorIs(t, <-read, os.ErrDeadlineExceeded)
		require.NoError(t, n.SetDeadline(time.Time{}))
		for range 2 {
			_, err := n.Read(make([]byte, 1))
			require.ErrorIs(t, err, net.ErrClosed)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
			require.NotContains(t, err.Error(), stillOpen)
			_, err = n.Write([]byte{1})
			require.ErrorIs(t, err, net.ErrClosed)
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		}
	})
}

func TestNetConnEnd(t *testing.T) {
	for code, eof := range map[StatusCode]bool{
		StatusNormalClosure: true, StatusGoingAway: true, StatusInternalError: false, 0: false, 4000: false,
	} {
		synctest.Test(t, func(t *testing.T) {
			s, c := pipePair(t, ConnOptions{}, ConnOptions{})
			go func() {
				c.Write(background, MessageBinary, []byte("last"))
				c.Close(code, "")
			}()
			n := NetConn(background, s, MessageBinary)
			p, err := io.ReadAll(n)
			require.Equal(t, "last", string(p))
			require.Equal(t, eof, err == nil, "%v: %v", code, err)
			for range 2 {
				_, again := n.Read(make([]byte, 1))
				require.Equal(t, eof, again == io.EOF)
			}
		})
	}
}

// A deadline that was put off just as it passed does not reach what comes later.
func TestNetConnDeadlineIsNotStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true})
		n := NetConn(background, s, MessageBinary)
		for range 1000 {
			n.SetReadDeadline(time.Now().Add(time.Millisecond))
			time.Sleep(time.Millisecond) // both are over at once
			n.SetReadDeadline(time.Now().Add(time.Hour))
			synctest.Wait()
			go ws.WriteFrame(peer, ws.NewBinaryFrame([]byte{1}))
			_, err := n.Read(make([]byte, 1))
			require.NoError(t, err)
		}
		n.SetReadDeadline(time.Time{})
	})
}

// The end of the parent context is not a deadline.
func TestNetConnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := pipePair(t, ConnOptions{}, ConnOptions{})
		ctx, cancel := context.WithCancelCause(background)
		n := NetConn(ctx, s, MessageBinary)
		n.SetDeadline(time.Now().Add(time.Hour))
		time.AfterFunc(time.Second, func() { cancel(errWhy) })
		_, err := n.Read(make([]byte, 1))
		require.ErrorIs(t, err, errWhy)
		require.ErrorIs(t, err, context.Canceled)
		n.Close()
	})
}

// A stream may be written in pieces of any size, and its reader need not know them.
func TestNetConnLiftsTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		n := NetConn(background, s, MessageBinary)
		go func() {
			w := NetConn(background, c, MessageBinary)
			w.Write(make([]byte, 4*DefaultReadLimit))
			w.Close()
		}()
		p, err := io.ReadAll(n)
		require.NoError(t, err)
		require.Len(t, p, 4*DefaultReadLimit)
	})
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		n := NetConn(background, s, MessageBinary)
		s.SetReadLimit(10)
		go c.Write(background, MessageBinary, make([]byte, 11))
		_, err := io.ReadAll(n)
		require.ErrorIs(t, err, ErrMessageTooBig)
	})
}

// A message of the wrong type closes the connection within the deadline of the read, also if
// the peer does not answer.
func TestNetConnWrongTypeObeysDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		s := newConn(connConfig{transport: a})
		n := NetConn(background, s, MessageBinary)
		defer n.Close()
		start := time.Now()
		n.SetReadDeadline(start.Add(100 * time.Millisecond))
		ws.WriteFrame(b, ws.MaskFrame(ws.NewTextFrame(nil)))
		_, err := n.Read(make([]byte, 1))
		require.ErrorContains(t, err, "unexpected message of type MessageText")
		require.Equal(t, 100*time.Millisecond, time.Since(start))
		<-s.Done()
		require.Equal(t, StatusUnsupportedData, s.CloseRecord().Sent)
	})
}

// A read of no bytes does not wait for any.
func TestNetConnEmptyRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := pipePair(t, ConnOptions{}, ConnOptions{})
		n := NetConn(background, s, MessageBinary)
		start := time.Now()
		for _, other := range []bool{false, true} {
			if other {
				go n.Read(make([]byte, 1))
				synctest.Wait()
			}
			size, err := n.Read(nil)
			require.NoError(t, err)
			require.Zero(t, size)
		}
		require.Zero(t, time.Since(start))
		n.Close()
		_, err := n.Read(nil)
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

// A Read of no bytes waits for nothing and returns no error, after the end too, as that of
// a TCP connection.
func TestNetConnReadOfNothing(t *testing.T) {
	s, c := tcpPair(t, ConnOptions{}, ConnOptions{})
	n := NetConn(t.Context(), c, MessageBinary)
	size, err := n.Read(nil)
	require.NoError(t, err)
	require.Zero(t, size)
	go s.Close(StatusNormalClosure, "")
	_, err = n.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
	size, err = n.Read(nil)
	require.NoError(t, err)
	require.Zero(t, size)
	_, err = n.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err)
}
