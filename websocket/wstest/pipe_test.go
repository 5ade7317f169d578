package wstest

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPipeCarriesBytesBothWays(t *testing.T) {
	a, b := Pipe(nil)
	write(t, a, "to b")
	write(t, b, "to a")
	require.Equal(t, "to b", readN(t, b, 4))
	require.Equal(t, "to a", readN(t, a, 4))
}

func TestPipeCloseLetsTheRestBeRead(t *testing.T) {
	a, b := Pipe(nil)
	write(t, a, "last")
	require.NoError(t, a.Close())
	rest, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, "last", string(rest))
	_, err = b.Write([]byte("x"))
	require.ErrorIs(t, err, io.ErrClosedPipe)
	_, err = a.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = a.Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestPipeCloseWrite(t *testing.T) {
	a, b := Pipe(nil)
	require.NoError(t, a.(interface{ CloseWrite() error }).CloseWrite())
	_, err := b.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	write(t, b, "still")
	require.Equal(t, "still", readN(t, a, 5))
}

func TestPipeChops(t *testing.T) {
	a, b := Pipe(&PipeOptions{Chop: 3})
	write(t, a, "12345678")
	for _, want := range []string{"123", "456", "78"} {
		p := make([]byte, 10)
		n, err := b.Read(p)
		require.NoError(t, err)
		require.Equal(t, want, string(p[:n]))
	}
}

func TestPipeLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(&PipeOptions{Latency: time.Second})
		start := time.Now()
		write(t, a, "x")
		require.Zero(t, time.Since(start))
		readN(t, b, 1)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestPipeWriterWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(&PipeOptions{Buffer: 4})
		done := make(chan error, 1)
		go func() {
			_, err := a.Write([]byte("123456"))
			done <- err
		}()
		synctest.Wait()
		require.Empty(t, done)
		require.Equal(t, "123456", readN(t, b, 6))
		require.NoError(t, <-done)
	})
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(&PipeOptions{Buffer: 1})
		require.NoError(t, b.SetReadDeadline(time.Now().Add(time.Second)))
		_, err := b.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		require.NoError(t, b.SetReadDeadline(time.Time{}))
		write(t, a, "x")
		readN(t, b, 1)

		require.NoError(t, a.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := a.Write([]byte("12"))
		require.Equal(t, 1, n)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)

		// An earlier deadline that was lifted ends nothing.
		require.NoError(t, a.SetDeadline(time.Now().Add(time.Second)))
		require.NoError(t, a.SetDeadline(time.Time{}))
		time.AfterFunc(2*time.Second, func() { io.ReadFull(b, make([]byte, 2)) })
		write(t, a, "3")
	})
}

func TestFaults(t *testing.T) {
	for _, write := range []bool{false, true} {
		t.Run(direction(write), func(t *testing.T) {
			for at := range int64(6) {
				testFault(t, Fault{Kind: FaultError, Write: write, At: at}, ErrInjected)
				testFault(t, Fault{Kind: FaultCut, Write: write, At: at}, net.ErrClosed)
				testFault(t, Fault{Kind: FaultBlock, Write: write, At: at}, os.ErrDeadlineExceeded)
			}
		})
	}
}

func direction(write bool) string {
	if write {
		return "write"
	}
	return "read"
}

// testFault moves five bytes, which a fault at the fifth and earlier prevents.
func testFault(t *testing.T, f Fault, want error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(nil)
		c := InjectFault(a, f)
		require.NoError(t, c.SetDeadline(time.Now().Add(time.Second)))
		var n int
		var err error
		if f.Write {
			n, err = c.Write([]byte("12345"))
		} else {
			write(t, b, "12345")
			n, err = io.ReadFull(c, make([]byte, 5))
		}
		require.EqualValues(t, min(f.At, 5), n)
		if f.At >= 5 {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, want)
		c.Close()
		if f.Write {
			rest, err := io.ReadAll(b)
			require.NoError(t, err)
			require.True(t, bytes.Equal([]byte("12345")[:f.At], rest))
		}
	})
}

func TestBlockedCallEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := Pipe(nil)
		c := InjectFault(a, Fault{Kind: FaultBlock, Write: true})
		done := make(chan error, 1)
		go func() {
			_, err := c.Write([]byte("x"))
			done <- err
		}()
		synctest.Wait()
		require.NoError(t, c.SetWriteDeadline(time.Now().Add(time.Hour)))
		require.NoError(t, c.Close())
		require.ErrorIs(t, <-done, net.ErrClosed)
	})
}

func write(t *testing.T, w io.Writer, s string) {
	t.Helper()
	n, err := io.WriteString(w, s)
	require.NoError(t, err)
	require.Equal(t, len(s), n)
}

func readN(t *testing.T, r io.Reader, n int) string {
	t.Helper()
	p := make([]byte, n)
	_, err := io.ReadFull(r, p)
	require.NoError(t, err)
	return string(p)
}
