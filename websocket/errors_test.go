package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/wsutil"
)

// Errors say how a connection ended: reads and writes report why, and always
// that it is closed.
func TestErrorsOfTheEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		end     func(s, c *Conn) // of s
		read    error            // nil for a CloseError
		status  StatusCode
		timeout bool
	}{
		"closed by the peer": {
			end:    func(_, c *Conn) { c.Close(StatusPolicyViolation, "no") },
			status: StatusPolicyViolation,
		},
		"closed without a code": {
			end:    func(_, c *Conn) { c.Close(0, "") },
			status: StatusNoStatusRcvd,
		},
		"lost": {
			end:  func(_, c *Conn) { c.CloseNow() },
			read: io.EOF, status: -1,
		},
		"lost within a message": {
			end: func(_, c *Conn) {
				c.transport.Write([]byte{0x02, 0x81, 0, 0, 0, 0, 'x'})
				c.CloseNow()
			},
			read: io.ErrUnexpectedEOF, status: -1,
		},
		"closed here": {
			end:  func(s, _ *Conn) { s.CloseNow() },
			read: net.ErrClosed, status: -1,
		},
		"too long": {
			end:  func(_, c *Conn) { c.Write(background, MessageBinary, make([]byte, 11)) },
			read: ErrMessageTooBig, status: -1,
		},
		"silent": {
			end:  func(*Conn, *Conn) { time.Sleep(time.Hour) },
			read: wsutil.ErrReadIdle, status: -1, timeout: true,
		},
		"context": {
			end:  func(_, c *Conn) { c.transport.Write([]byte{0x02, 0x82, 0, 0, 0, 0, 'x'}) },
			read: context.DeadlineExceeded, status: -1, timeout: true,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, c := pipePair(t, ConnOptions{ReadLimit: 10, ReadIdleTimeout: 2 * time.Minute}, ConnOptions{})
			ctx, cancel := context.WithTimeout(background, time.Hour)
			if name == "context" {
				ctx, cancel = context.WithTimeout(background, time.Minute)
			}
			defer cancel()
			read, ping := make(chan error, 1), make(chan error, 1)
			go func() {
				_, _, err := s.Read(ctx)
				read <- err
			}()
			go func() { ping <- s.Ping(background) }()
			raw := make([]byte, 64)
			_, err := c.transport.Read(raw) // the ping, which nobody answers
			require.NoError(t, err, name)
			go io.Copy(io.Discard, c.transport) // what s has to say
			tt.end(s, c)
			err = <-read
			require.Equal(t, tt.status, CloseStatus(err), name)
			if tt.read != nil {
				require.ErrorIs(t, err, tt.read, name)
				_, closed := errors.AsType[CloseError](err)
				require.False(t, closed, name)
			}
			if !errors.Is(tt.read, net.ErrClosed) {
				require.NotErrorIs(t, err, net.ErrClosed, name)
				timeout, ok := errors.AsType[net.Error](err)
				require.Equal(t, tt.timeout, ok && timeout.Timeout(), "%s: %v", name, err)
				require.Equal(t, tt.timeout, ok, "%s: no network error", name)
			}
			_, writer := s.Writer(background, MessageText)
			for _, err := range []error{<-ping, s.Ping(background), s.Write(background, MessageText, nil), writer} {
				require.ErrorIs(t, err, net.ErrClosed, name)
				require.Equal(t, tt.status, CloseStatus(err), name)
				if tt.read != nil {
					require.ErrorIs(t, err, tt.read, name)
				}
				failed, ok := errors.AsType[net.Error](err)
				require.True(t, ok, name)
				require.Equal(t, tt.timeout, failed.Timeout(), name)
			}
		})
	}
}

// The end of a connection takes precedence over the end of a context.
func TestEndedConnUnderEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		ctx, cancel := context.WithCancel(background)
		w, err := s.Writer(ctx, MessageText)
		require.NoError(t, err)
		go c.Close(4000, "")
		readAll(s)
		cancel()
		_, _, readErr := s.Read(ctx)
		_, _, readerErr := s.Reader(ctx)
		for _, err := range []error{
			readErr, readerErr, w.Close(), s.Write(ctx, MessageText, nil), s.Write(ctx, MessageText, make([]byte, 1<<20)), s.Ping(ctx),
		} {
			require.Equal(t, StatusCode(4000), CloseStatus(err), err)
			require.NotContains(t, err.Error(), stillOpen)
		}
	})
}
