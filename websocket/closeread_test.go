package websocket

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// From the return of CloseRead on, other reads are refused.
func TestCloseReadRefusesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 200 {
			s, c := pipePair(t, ConnOptions{}, ConnOptions{})
			s.CloseRead(background)
			_, _, err := s.Read(background)
			require.Equal(t, ErrConcurrentRead, err)
			_, _, err = s.Reader(background)
			require.Equal(t, ErrConcurrentRead, err)
			c.CloseNow()
			s.CloseNow()
		}
	})
}

// A CloseRead whose context has ended, be it just now, gives way to the next one.
func TestCloseReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, settled := range []bool{true, false} {
			s, c := pipePair(t, ConnOptions{}, ConnOptions{})
			parent, cancel := context.WithCancel(background)
			first := s.CloseRead(parent)
			if settled {
				synctest.Wait()
			}
			cancel()
			second := s.CloseRead(background)
			require.Error(t, first.Err())
			require.NoError(t, second.Err())
			require.Equal(t, second, s.CloseRead(background))
			c.CloseRead(background)
			synctest.Wait() // the first one may have had the turn until now
			require.NoError(t, c.Ping(background), "somebody reads")
			require.NoError(t, c.Close(4000, ""))
			<-second.Done()
			require.Equal(t, StatusCode(4000), CloseStatus(context.Cause(second)))
		}
	})
}

// A context that has ended leaves the turn to read to others.
func TestCloseReadUnderEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		ctx, cancel := context.WithCancel(background)
		cancel()
		require.Error(t, s.CloseRead(ctx).Err())
		go c.Write(background, MessageText, []byte("kept"))
		_, p, err := s.Read(background)
		require.NoError(t, err)
		require.Equal(t, "kept", string(p))
	})
}
