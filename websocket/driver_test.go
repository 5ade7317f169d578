package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Silence is counted from the last byte, and only while a read waits: earlier silence
// that a message has ended does not count.
func TestReadIdleTimeoutAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		defer b.Close()
		s := newConn(connConfig{transport: a, client: true, ConnOptions: ConnOptions{ReadIdleTimeout: time.Second}})
		for range 5 {
			go func() {
				time.Sleep(700 * time.Millisecond)
				ws.WriteFrame(b, ws.NewTextFrame(nil))
			}()
			_, _, err := s.Read(background)
			require.NoError(t, err)
		}
		time.Sleep(time.Hour) // nobody reads
		start := time.Now()
		_, _, err := s.Read(background)
		require.ErrorIs(t, err, wsutil.ErrReadIdle)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// sizedReads is a transport that notes how much each read asks for.
type sizedReads struct {
	net.Conn
	asked []int
}

func (r *sizedReads) Read(p []byte) (int, error) {
	r.asked = append(r.asked, len(p))
	return r.Conn.Read(p)
}

// A read from a transport that is no socket asks for more while it gets all it asks
// for, and for less again when it gets little.
func TestReadStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		defer b.Close()
		r := &sizedReads{Conn: a}
		s := newConn(connConfig{transport: r, client: true})
		defer s.CloseNow()
		for range 2000 { // many small messages in one go
			ws.WriteFrame(b, ws.NewTextFrame(make([]byte, 100)))
		}
		for range 2000 {
			_, _, err := s.Read(background)
			require.NoError(t, err)
		}
		require.Equal(t, []int{1 << 10, 4 << 10, 16 << 10, 64 << 10, 64 << 10, 64 << 10}, r.asked[:6])
		r.asked = nil
		for range 5 {
			ws.WriteFrame(b, ws.NewTextFrame(nil))
			_, _, err := s.Read(background)
			require.NoError(t, err)
		}
		require.Equal(t, []int{16 << 10, 4 << 10, 1 << 10, 1 << 10}, r.asked[1:])

		ws.WriteFrame(b, ws.NewTextFrame(make([]byte, 254)))
		_, _, err := s.Read(background)
		require.NoError(t, err)
		r.asked = nil
		ws.WriteFrame(b, ws.NewTextFrame(make([]byte, 2000)))
		_, _, err = s.Read(background)
		require.NoError(t, err)
		require.Equal(t, minInput, r.asked[0], "it never asks for less")
	})
}

// hookContext calls a function at each Err.
type hookContext struct {
	context.Context
	hook func()
}

func (c *hookContext) Err() error {
	err := c.Context.Err()
	if c.hook != nil {
		c.hook()
	}
	return err
}

// A context that ends after it was looked at, and before the transport is read or
// written under it, ends the call.
func TestContextEndsBeforeWatch(t *testing.T) {
	for name, call := range map[string]func(ctx context.Context, c *Conn) error{
		"read":  func(ctx context.Context, c *Conn) error { _, _, err := c.Read(ctx); return err },
		"write": func(ctx context.Context, c *Conn) error { return c.Write(ctx, MessageText, []byte("m")) },
	} {
		for _, again := range []int{0, 3} { // a context that is used again stays registered
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := net.Pipe()
					defer b.Close()
					s := newConn(connConfig{transport: a, client: true})
					defer s.CloseNow()
					inner, cancel := context.WithCancel(background)
					defer cancel()
					ctx := &hookContext{Context: inner}
					for range again {
						go func() {
							if name == "read" {
								ws.WriteFrame(b, ws.NewTextFrame(nil))
							} else {
								ws.ReadFrame(b)
							}
						}()
						require.NoError(t, call(ctx, s))
					}
					looks := 0
					ctx.hook = func() {
						looks++
						if name == "write" || looks == 2 {
							ctx.hook = nil
							cancel()
							synctest.Wait()
						}
					}
					err := call(ctx, s)
					require.ErrorIs(t, err, context.Canceled)
					require.ErrorContains(t, err, stillOpen)
					go ws.WriteFrame(b, ws.NewTextFrame([]byte("on")))
					_, p, err := s.Read(background)
					require.NoError(t, err)
					require.Equal(t, "on", string(p))
				})
			})
		}
	}
}

// One goroutine holds the write lock, however it was taken.
func TestWriteLockExcludes(t *testing.T) {
	var lock writeLock
	var inside, taken atomic.Int32
	var all sync.WaitGroup
	hold := func() {
		if inside.Add(1) != 1 {
			t.Error("two hold the lock")
		}
		taken.Add(1)
		inside.Add(-1)
	}
	release := func(drop, set uint32) {
		for {
			r := lock.unlock(drop, set, false)
			if r.Empty() {
				return
			}
			for range r.All {
				hold()
			}
		}
	}
	const rounds = 20_000
	for i := range 6 {
		all.Go(func() {
			for range rounds {
				switch i % 3 {
				case 0: // control frames
					lock.lock(background, forControl, nil)
					hold()
					release(0, 0)
				case 1: // messages in two frames
					lock.lock(background, forMessage, nil)
					hold()
					release(0, writeOpen)
					lock.lock(background, forFragment, nil)
					hold()
					release(writeOpen, 0)
				case 2: // replies
					if lock.lockOrLeave(ws.OpPong, nil) {
						hold()
						release(0, 0)
					}
				}
			}
		})
	}
	all.Wait()
	require.Zero(t, lock.state.Load())
	require.GreaterOrEqual(t, taken.Load(), int32(6*rounds))
}

// The timer of a connection that is closed is not set again.
func TestClockStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		s := newConn(connConfig{transport: a})
		s.CloseNow()
		timer := s.clock.timer
		s.limitClosing(time.Hour)
		s.limitWrite(time.Hour)
		require.Same(t, timer, s.clock.timer)
		require.Zero(t, s.clock.armed)
		require.Zero(t, s.clock.writeBy)
	})
}

// A NetConn counts and returns what will reach the peer, and no more, if the rest of an
// earlier message cannot be written either.
func TestNetConnUnwrittenFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		var stats Stats
		s := newConn(connConfig{transport: a, ConnOptions: ConnOptions{Stats: &stats}})
		defer s.CloseNow()
		n := NetConn(background, s, MessageBinary)
		go io.ReadFull(b, make([]byte, 3)) // the header and a byte
		write := func(p string) (int, error) {
			n.SetWriteDeadline(time.Now().Add(time.Second))
			return n.Write([]byte(p))
		}
		size, err := write("first")
		require.Equal(t, os.ErrDeadlineExceeded, err)
		require.Equal(t, 5, size, "the rest is kept")
		for range 2 {
			size, err = write("second")
			require.Equal(t, os.ErrDeadlineExceeded, err)
			require.Zero(t, size)
		}
		require.Equal(t, int64(1), stats.MessagesWritten.Load())
		require.Equal(t, int64(5), stats.BytesWritten.Load())
		got := make(chan []byte, 1)
		go func() {
			p := make([]byte, 4+2+5)
			io.ReadFull(b, p)
			got <- p
		}()
		size, err = write("third")
		require.NoError(t, err)
		require.Equal(t, 5, size)
		require.Equal(t, append([]byte("irst"), ws.AppendFrame(nil, ws.NewBinaryFrame([]byte("third")))...), <-got)
		require.Equal(t, int64(2), stats.MessagesWritten.Load())
	})
}

// MaxFragments bounds the frames of a message: 0 means the default, a negative value no
// limit.
func TestMaxFragments(t *testing.T) {
	message := func(frames int) []byte {
		one := ws.AppendFrame(nil, ws.MaskFrameWith(ws.NewFrame(ws.OpContinuation, false, nil), [4]byte{}))
		wire := bytes.Repeat(one, frames)
		wire[0] |= byte(ws.OpBinary)
		wire[len(wire)-len(one)] |= 0x80
		return wire
	}
	for _, test := range []struct{ limit, frames, most int }{
		{1, 1, 1}, {1, 2, 1}, {3, 3, 3}, {3, 4, 3},
		{0, wsutil.DefaultMaxFragments, wsutil.DefaultMaxFragments},
		{0, wsutil.DefaultMaxFragments + 1, wsutil.DefaultMaxFragments},
		{-1, wsutil.DefaultMaxFragments + 1, math.MaxInt},
		{math.MaxInt, wsutil.DefaultMaxFragments + 1, math.MaxInt},
	} {
		a, b := bufferedPipe()
		s := newConn(connConfig{transport: a, ConnOptions: ConnOptions{MaxFragments: test.limit}})
		b.Write(message(test.frames))
		b.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(nil))))
		_, p, err := s.Read(background)
		if test.frames <= test.most {
			require.NoError(t, err, "%+v", test)
			require.Empty(t, p)
		} else {
			require.ErrorIs(t, err, wsutil.ErrTooManyFragments, "%+v", test)
			require.False(t, errors.Is(err, ErrMessageTooBig), "it is not the read limit")
			f, err := ws.ReadFrame(b)
			require.NoError(t, err)
			code, _ := ws.ParseCloseFrameData(f.Payload)
			require.Equal(t, ws.StatusMessageTooBig, code)
		}
		s.CloseNow()
	}
}
