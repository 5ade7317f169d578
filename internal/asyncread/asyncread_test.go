package asyncread

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// source is a stream whose reads cannot be interrupted.
type source struct {
	parts chan []byte
	read  int // the longest read that was asked for
}

func (s *source) Read(p []byte) (int, error) {
	s.read = max(s.read, len(p))
	part, ok := <-s.parts
	if !ok {
		return 0, io.EOF
	}
	return copy(p, part), nil
}

func open() (*Reader, *source) {
	s := &source{parts: make(chan []byte, 10)}
	r := new(Reader)
	r.Init(s)
	return r, s
}

func TestReadThatIsGivenUpLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := open()
		p := make([]byte, 4)
		for range 3 {
			r.SetReadDeadline(time.Now().Add(time.Second))
			start := time.Now()
			_, err := r.Read(p)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.Equal(t, time.Second, time.Since(start))
		}
		s.parts <- []byte("sixsix")
		synctest.Wait()
		_, err := r.Read(p)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "a deadline that has passed stays")
		r.SetReadDeadline(time.Time{})
		n, err := r.Read(p)
		require.NoError(t, err)
		require.Equal(t, "sixs", string(p[:n]))
		n, err = r.Read(p)
		require.NoError(t, err)
		require.Equal(t, "ix", string(p[:n]))
		close(s.parts)
		for range 2 {
			_, err = r.Read(p)
			require.ErrorIs(t, err, io.EOF, "for good")
		}
	})
}

func TestDeadlineEndsReadUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := open()
		r.ArmRead()
		ended := make(chan error)
		go func() {
			_, err := r.Read(make([]byte, 1))
			ended <- err
		}()
		synctest.Wait()
		r.SetReadDeadline(time.Unix(1, 0))
		require.ErrorIs(t, <-ended, os.ErrDeadlineExceeded)
		r.SetReadDeadline(time.Now().Add(time.Hour)) // moved before it comes
		r.SetReadDeadline(time.Now().Add(2 * time.Hour))
		go func() {
			time.Sleep(90 * time.Minute)
			s.parts <- []byte("a")
		}()
		_, err := r.Read(make([]byte, 1))
		require.NoError(t, err)
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := open()
		r.ArmRead()
		time.AfterFunc(time.Second, r.CloseRead)
		_, err := r.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		r.CloseRead()
		_, err = r.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		close(s.parts)
	})
}

// Nothing is read before a Read, and a goroutine exists only during an
// interruptible read.
func TestReadsOnDemand(t *testing.T) {
	r, s := open()
	before := runtime.NumGoroutine()
	s.parts <- []byte("a")
	_, err := r.Read(make([]byte, 2))
	require.NoError(t, err)
	require.Nil(t, r.fetched, "nothing needs a goroutine")
	require.Equal(t, 2, s.read)
	r.ArmRead()
	s.parts <- []byte("b")
	_, err = r.Read(make([]byte, 1))
	require.NoError(t, err)
	s.parts <- []byte("c")
	require.Len(t, s.parts, 1, "it is held back")
	require.Nil(t, r.buffer)
	require.LessOrEqual(t, runtime.NumGoroutine(), before+1)
}

// What is read follows what arrives, within bounds.
func TestSteps(t *testing.T) {
	r, s := open()
	r.ArmRead()
	var got bytes.Buffer
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<13)
	go func() {
		for part := want; len(part) > 0; {
			n := min(len(part), maxStep)
			s.parts <- part[:n]
			part = part[n:]
		}
		close(s.parts)
	}()
	r2 := iotest.OneByteReader(r)
	n, err := io.ReadFull(r2, make([]byte, 3))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	_, err = io.Copy(&got, r)
	require.NoError(t, err)
	require.LessOrEqual(t, s.read, maxStep)
	require.Greater(t, s.read, minStep)
}

func TestSourcePanics(t *testing.T) {
	r := new(Reader)
	r.Init(iotest.ErrReader(nil))
	r.src = panicking{}
	r.ArmRead()
	_, err := r.Read(make([]byte, 1))
	require.ErrorContains(t, err, "oops")
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic(errors.New("oops")) }

func TestReadAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("sync.Pool drops some of what it is given under the race detector")
	}
	r, s := open()
	r.ArmRead()
	part, p := make([]byte, 100), make([]byte, 100)
	require.LessOrEqual(t, testing.AllocsPerRun(200, func() {
		s.parts <- part
		r.Read(p)
	}), 0.1)
}

// silent returns nothing for a while, as a stream of HTTP/3 does for empty DATA frames.
type silent struct{ reads int }

func (s *silent) Read(p []byte) (int, error) {
	if s.reads++; s.reads%1000 != 0 {
		return 0, nil
	}
	return copy(p, "a"), nil
}

func TestReadsOfNothing(t *testing.T) {
	for _, armed := range []bool{false, true} {
		r := new(Reader)
		r.Init(new(silent))
		if armed {
			r.ArmRead()
		}
		for range 3 {
			n, err := r.Read(make([]byte, 2))
			require.NoError(t, err)
			require.Equal(t, 1, n)
		}
		n, err := r.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
	}
}
