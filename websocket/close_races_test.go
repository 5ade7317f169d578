package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// Two goroutines close beside a callback that takes long: one takes over, and the other one
// waits for it.
func TestTwoClosesBesideCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		s := newConn(connConfig{transport: a, onPing: func(context.Context, []byte) bool {
			time.Sleep(time.Second)
			return true
		}})
		b.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewPingFrame(nil))))
		b.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(nil))))
		go s.Read(background)
		synctest.Wait()
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				err := s.Close(StatusNormalClosure, "")
				select {
				case <-s.Done():
				default:
					err = errors.New("the connection is still open")
				}
				errs <- err
			}()
		}
		require.NoError(t, <-errs)
		require.NoError(t, <-errs)
		time.Sleep(2 * time.Second) // the callback ends
	})
}

// Close takes over from a callback that began after another one has ended.
func TestCloseBesideSecondCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		n := 0
		var s *Conn
		s = newConn(connConfig{transport: a, onPing: func(context.Context, []byte) bool {
			if n++; n == 1 {
				time.Sleep(callbackGrace / 2)
			} else {
				<-s.Done()
			}
			return true
		}})
		for range 2 {
			b.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewPingFrame(nil))))
		}
		b.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(nil))))
		go s.Read(background)
		synctest.Wait()
		start := time.Now()
		require.NoError(t, s.Close(StatusNormalClosure, ""))
		require.LessOrEqual(t, time.Since(start), 2*callbackGrace)
	})
}

// Close beside the hook that tells of the peer's close frame returns once the connection is
// closed.
func TestCloseBesideHookOfCloseFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		release := make(chan struct{})
		s := newConn(connConfig{transport: a, ConnOptions: ConnOptions{Hooks: &Hooks{
			ControlRead: func(*Conn, ws.OpCode, StatusCode) { <-release },
		}}})
		go s.Read(background)
		b.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(nil))))
		synctest.Wait()
		require.NoError(t, s.Close(StatusNormalClosure, ""))
		select {
		case <-s.Done():
		default:
			t.Error("the connection is still open")
		}
		close(release)
	})
}

// A message that was not sent because a NetConn's rest was in front of it is taken back.
func TestUndoBehindRestOfNetConn(t *testing.T) {
	for _, flate := range []*wsflate.Parameters{nil, {}} {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			s := newConn(connConfig{transport: a, flate: flate})
			c := newConn(connConfig{transport: b, client: true, flate: flate, ConnOptions: ConnOptions{ReadLimit: -1}})
			defer s.CloseNow()
			defer c.CloseNow()
			n := NetConn(background, s, MessageBinary)
			n.SetWriteDeadline(time.Now().Add(time.Second))
			_, err := n.Write([]byte("first"))
			require.Error(t, err)
			require.NotNil(t, s.unwritten)
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			long := bytes.Repeat([]byte("a long text "), 20_000)
			require.ErrorContains(t, s.Write(ctx, MessageBinary, long), stillOpen)
			sent := make(chan error, 2)
			go func() {
				for range 2 {
					sent <- s.Write(background, MessageBinary, long[:200])
				}
			}()
			for _, want := range [][]byte{[]byte("first"), long[:200], long[:200]} {
				_, p, err := c.Read(background)
				require.NoError(t, err)
				require.Equal(t, string(want), string(p))
			}
			require.NoError(t, <-sent)
			require.NoError(t, <-sent)
		})
	}
}

// Control frames go between the frames of a long Write of a NetConn.
func TestPongWithinWriteOfNetConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{ConnOptions: ConnOptions{FragmentSize: 100}})
		n := NetConn(background, s, MessageBinary)
		go io.Copy(io.Discard, n)
		wrote := make(chan error, 1)
		go func() {
			_, err := n.Write(make([]byte, 250))
			wrote <- err
		}()
		synctest.Wait()
		go ws.WriteFrame(peer, ws.MaskFrame(ws.NewPingFrame(nil)))
		synctest.Wait()
		var ops []ws.OpCode
		for range 4 {
			f, err := ws.ReadFrame(peer)
			require.NoError(t, err)
			ops = append(ops, f.Header.OpCode)
		}
		require.Equal(t, []ws.OpCode{ws.OpBinary, ws.OpPong, ws.OpContinuation, ws.OpContinuation}, ops)
		require.NoError(t, <-wrote)
		s.CloseNow()
	})
}

// failing is a transport whose writes fail, the first one excepted if it has to be let go.
type failing struct {
	release chan struct{}
	closed  chan struct{}
}

func (f *failing) Read([]byte) (int, error) {
	<-f.closed
	return 0, io.EOF
}

func (f *failing) Close() error {
	close(f.closed)
	return nil
}

func (f *failing) Write(p []byte) (int, error) {
	if f.release != nil {
		<-f.release
		f.release = nil
		return len(p), nil
	}
	return 0, errors.New("broken")
}

// A message that cannot be ended, because the transport has failed, holds up no other writer.
func TestMessageThatCannotBeEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &failing{release: make(chan struct{}), closed: make(chan struct{})}
		s := newConn(connConfig{transport: f, ConnOptions: ConnOptions{FragmentSize: 10}})
		errs := make(chan error, 1)
		go func() { errs <- s.Write(background, MessageBinary, make([]byte, 15)) }()
		synctest.Wait()
		go s.Ping(background) // goes between the frames, and fails
		synctest.Wait()
		start := time.Now()
		close(f.release)
		require.Error(t, <-errs)
		require.Error(t, s.Write(background, MessageBinary, nil))
		require.Zero(t, time.Since(start))
		s.CloseNow()
	})
}

// A close frame that could not be written is not one that was sent.
func TestCloseFrameThatIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newConn(connConfig{transport: &failing{closed: make(chan struct{})}})
		require.Error(t, NetConn(background, s, MessageBinary).(interface{ CloseWrite() error }).CloseWrite())
		require.False(t, s.CloseRecord().Clean)
		s.CloseNow()

		in := ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(nil)))
		s = newConn(connConfig{transport: &failing{closed: make(chan struct{})}, received: in})
		_, _, err := s.Read(background)
		require.Equal(t, StatusNoStatusRcvd, CloseStatus(err))
		require.False(t, s.CloseRecord().Clean)
		require.Error(t, s.Close(StatusNormalClosure, ""))
	})
}
