package websocket

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// readWays are the ways to read a message whole.
var readWays = map[string]func(c *Conn) (int, error){
	"Read": func(c *Conn) (int, error) {
		_, p, err := c.Read(background)
		return len(p), err
	},
	"Reader": func(c *Conn) (int, error) {
		_, r, err := c.Reader(background)
		if err != nil {
			return 0, err
		}
		n, err := io.Copy(io.Discard, r)
		return int(n), err
	},
}

// limitPair returns a connection and its peer, which sends compressed messages, plain ones
// where compression was agreed on, or knows of none.
func limitPair(kind string, limit int64) (s, c *Conn) {
	var flate *wsflate.Parameters
	threshold := -1
	switch kind {
	case "compressed":
		flate = new(wsflate.Parameters)
	case "plain under compression":
		flate, threshold = new(wsflate.Parameters), 1<<20
	}
	a, b := bufferedPipe()
	s = newConn(connConfig{transport: a, flate: flate, ConnOptions: ConnOptions{ReadLimit: limit}})
	c = newConn(connConfig{transport: b, flate: flate, client: true, threshold: threshold})
	return s, c
}

var limitKinds = []string{"none", "plain under compression", "compressed"}

// begin begins a read, and returns the function that waits for its end.
func begin(read func(*Conn) (int, error), c *Conn) func() (int, error) {
	var n int
	var err error
	done := make(chan struct{})
	go func() {
		n, err = read(c)
		close(done)
	}()
	return func() (int, error) {
		<-done
		return n, err
	}
}

// A limit that is set while a read waits is that of the message it waits for.
func TestSetReadLimitWhileWaiting(t *testing.T) {
	for way, read := range readWays {
		for _, kind := range limitKinds {
			for _, raised := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					before, after := int64(5000), int64(10)
					if raised {
						before, after = after, before
					}
					s, c := limitPair(kind, before)
					defer s.CloseNow()
					defer c.CloseNow()
					c.CloseRead(background)
					wait := begin(read, s)
					synctest.Wait()
					s.SetReadLimit(after)
					require.NoError(t, c.Write(background, MessageBinary, make([]byte, 4000)))
					n, err := wait()
					if raised {
						require.NoError(t, err, "%s, %s", way, kind)
						require.Equal(t, 4000, n)
					} else {
						require.ErrorIs(t, err, ErrMessageTooBig, "%s, %s", way, kind)
					}
				})
			}
		}
	}
}

// A message that has begun keeps the limit that it began with, to its last fragment.
func TestSetReadLimitWithinMessage(t *testing.T) {
	for way, read := range readWays {
		for _, kind := range limitKinds {
			for _, size := range []int{100_000, 100_001} {
				synctest.Test(t, func(t *testing.T) {
					s, c := limitPair(kind, 100_000)
					defer s.CloseNow()
					defer c.CloseNow()
					c.CloseRead(background)
					wait := begin(read, s)
					w, _ := c.Writer(background, MessageBinary)
					w.Write(make([]byte, size/2))
					synctest.Wait()
					s.SetReadLimit(10)
					w.Write(make([]byte, size-size/2))
					sent := w.Close() // may be too late for the longer one
					n, err := wait()
					if size == 100_000 {
						require.NoError(t, sent)
						require.NoError(t, err, "%s, %s", way, kind)
						require.Equal(t, size, n)
						_, err = read(s.sent(c, 11))
					}
					require.ErrorIs(t, err, ErrMessageTooBig, "%s, %s", way, kind)
				})
			}
		}
	}
}

// sent returns c after peer has sent it a message of n bytes.
func (c *Conn) sent(peer *Conn, n int) *Conn {
	peer.Write(background, MessageBinary, make([]byte, n))
	return c
}

// The header of a message is there and its first byte is not: it has its limit already.
func TestSetReadLimitBehindHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flate := new(wsflate.Parameters)
		s, peer := rawPair(t, connConfig{client: true, flate: flate})
		sender := wsflate.NewSender(*flate, ws.StateServerSide, nil)
		defer sender.Close()
		deflated, _ := sender.AppendMessage(nil, make([]byte, 1000))
		frame := ws.NewTextFrame(deflated)
		frame.Header.Rsv = ws.Rsv(true, false, false)
		read := make(chan error, 1)
		go func() {
			_, _, err := s.Read(background)
			read <- err
		}()
		p := ws.AppendFrame(nil, frame)
		peer.Write(p[:2])
		synctest.Wait()
		s.SetReadLimit(10)
		peer.Write(p[2:])
		require.NoError(t, <-read)
	})
}

// What Close reads to find the peer's close frame has no limit, since nobody keeps it.
func TestCloseTakesAnySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, kind := range limitKinds {
			s, c := limitPair(kind, 10)
			require.NoError(t, c.Write(background, MessageBinary, make([]byte, 50_000)))
			ctx, cancel := context.WithCancel(background)
			go c.CloseRead(ctx)
			require.NoError(t, s.Close(StatusNormalClosure, ""))
			cancel()
			c.CloseNow()
		}
	})
}

// Nor does one that is set while Close reads.
func TestSetReadLimitWhileClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := limitPair("none", 100)
		closed := make(chan error, 1)
		go func() { closed <- s.Close(StatusNormalClosure, "") }()
		synctest.Wait()
		s.SetReadLimit(5)
		require.NoError(t, c.Write(background, MessageBinary, make([]byte, 50_000)))
		readAll(c)
		require.NoError(t, <-closed)
	})
}

// A limit of 0 is the default.
func TestSetReadLimitOfZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int{0, DefaultReadLimit, DefaultReadLimit + 1} {
			s, c := limitPair("none", 100)
			defer s.CloseNow()
			defer c.CloseNow()
			s.SetReadLimit(0)
			c.CloseRead(background)
			_, _, err := s.sent(c, size).Read(background)
			require.Equal(t, size > DefaultReadLimit, errors.Is(err, ErrMessageTooBig))
		}
	})
}
