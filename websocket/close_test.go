package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		read := make(chan error, 1)
		go func() {
			_, _, err := c.Read(background)
			read <- err
		}()
		require.NoError(t, s.Close(StatusGoingAway, "bye"))
		err := <-read
		require.Equal(t, CloseError{StatusGoingAway, "bye"}, errors.Unwrap(err))
		require.Equal(t, StatusGoingAway, CloseStatus(err))
		require.NoError(t, s.Close(StatusNormalClosure, "again"))
		require.NoError(t, c.Close(StatusNormalClosure, "late"))

		_, _, err = s.Read(background)
		require.Equal(t, StatusGoingAway, CloseStatus(err), "the echo")
		require.Equal(t, StatusGoingAway, CloseStatus(s.Write(background, MessageText, nil)))
		require.Equal(t, CloseRecord{
			Sent: StatusGoingAway, Received: StatusGoingAway, Reason: "bye", Clean: true,
			Err: CloseError{StatusGoingAway, "bye"},
		}, s.CloseRecord())
		require.Equal(t, CloseRecord{
			Sent: StatusGoingAway, Received: StatusGoingAway, Reason: "bye", PeerFirst: true, Clean: true,
			Err: CloseError{StatusGoingAway, "bye"},
		}, c.CloseRecord())
	})
}

// Both sides close at once, with different codes.
func TestCloseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		s, c := pairOver(t, a, b, ConnOptions{}, ConnOptions{})
		var wg sync.WaitGroup
		wg.Go(func() { require.NoError(t, s.Close(4001, "s")) })
		wg.Go(func() { require.NoError(t, c.Close(4002, "c")) })
		wg.Wait()
		_, _, err := s.Read(background)
		require.Equal(t, StatusCode(4002), CloseStatus(err))
		_, _, err = c.Read(background)
		require.Equal(t, StatusCode(4001), CloseStatus(err))
		require.False(t, s.CloseRecord().PeerFirst && c.CloseRecord().PeerFirst)
	})
}

func TestCloseCodes_RFC6455_7_4(t *testing.T) {
	for _, bad := range []StatusCode{-1, 1, 999, 1004, 1006, 1015, 1016, 2999, 5000, 66536} {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		require.Error(t, s.Close(bad, ""), bad)
		go s.Write(background, MessageText, nil)
		_, _, err := c.Read(background)
		require.NoError(t, err, "a mistake of the caller's leaves the connection usable")
	}
	for sent, got := range map[StatusCode]StatusCode{0: 1005, 1005: 1005, 1000: 1000, 1014: 1014, 3000: 3000, 4999: 4999} {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		go s.Close(sent, strings.Repeat("é", 100))
		_, _, err := c.Read(background)
		require.Equal(t, got, CloseStatus(err))
	}
}

// Close returns in time, whatever the peer does.
func TestCloseTimeout(t *testing.T) {
	for name, peer := range map[string]func(net.Conn){
		"vanished":  func(net.Conn) {},
		"deaf":      func(c net.Conn) { io.Copy(io.Discard, c) },
		"talkative": func(c net.Conn) { go io.Copy(io.Discard, c); streamForever(c) },
		"huge frame": func(c net.Conn) {
			go io.Copy(io.Discard, c)
			c.Write([]byte{0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0})
			streamForever(c)
		},
	} {
		for _, busy := range []string{"idle", "reading", "writing", "streaming"} {
			t.Run(name+" "+busy, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s, raw := rawPair(t, connConfig{client: true, ConnOptions: ConnOptions{ReadLimit: -1}})
					go peer(raw)
					synctest.Wait()
					switch busy {
					case "reading":
						go func() {
							for {
								if _, _, err := s.Read(background); err != nil {
									return
								}
							}
						}()
					case "writing":
						go s.Write(background, MessageText, make([]byte, 1<<20))
					case "streaming":
						s.Writer(background, MessageText)
					}
					synctest.Wait()
					start := time.Now()
					err := s.Close(StatusNormalClosure, "")
					took := time.Since(start)
					raw.Close()
					time.Sleep(time.Second) // the peer sees it
					require.ErrorIs(t, err, net.ErrClosed)
					require.LessOrEqual(t, took, DefaultCloseTimeout)
				})
			})
		}
	}
}

// streamForever writes small messages, or what goes for such, slowly.
func streamForever(c net.Conn) {
	for {
		time.Sleep(time.Millisecond)
		if _, err := c.Write([]byte{0x82, 1, 'x'}); err != nil {
			return
		}
	}
}

// A pending read returns messages that arrive before the peer's close frame.
func TestCloseDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true})
		go func() {
			h, err := ws.ReadHeader(peer)
			require.NoError(t, err)
			require.Equal(t, ws.OpClose, h.OpCode)
			io.CopyN(io.Discard, peer, h.Length)
			peer.Write([]byte{0x81, 4, 'l', 'a', 's', 't', 0x88, 2, 3, 232})
			peer.Close()
		}()
		read := make(chan string, 1)
		go func() {
			_, p, err := s.Read(background)
			require.NoError(t, err)
			read <- string(p)
		}()
		synctest.Wait()
		require.NoError(t, s.Close(StatusNormalClosure, ""))
		require.Equal(t, "last", <-read)
	})
}

// 100 messages and a close frame reach a peer that is slow, and that writes all the while:
// no RST eats them.
func TestCloseLosesNothing(t *testing.T) {
	for i := range 20 {
		s, c := tcpPair(t, ConnOptions{}, ConnOptions{})
		go func() {
			for range 1000 {
				if c.Write(background, MessageBinary, make([]byte, 1000)) != nil {
					return
				}
			}
		}()
		closed := make(chan error, 1)
		go func() {
			for i := range 100 {
				if err := s.Write(background, MessageText, fmt.Append(nil, i)); err != nil {
					closed <- err
					return
				}
			}
			closed <- s.Close(4000+StatusCode(i), "the end")
		}()
		for i := range 100 {
			_, p, err := c.Read(background)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), string(p))
		}
		_, _, err := c.Read(background)
		require.Equal(t, 4000+StatusCode(i), CloseStatus(err))
		require.NoError(t, <-closed)
	}
}

// A peer that violates the protocol learns why, even while it continues to
// send.
func TestFaultReachesPeer(t *testing.T) {
	for range 20 {
		s, c := tcpPair(t, ConnOptions{}, ConnOptions{})
		go func() {
			for {
				if c.Write(background, MessageBinary, make([]byte, 100_000)) != nil {
					return
				}
			}
		}()
		told := make(chan error)
		go func() {
			_, _, err := c.Read(background)
			told <- err
		}()
		_, _, err := s.Read(background)
		require.ErrorIs(t, err, ErrMessageTooBig)
		_, _, again := s.Read(background)
		require.Same(t, err, again)
		require.Equal(t, StatusMessageTooBig, CloseStatus(<-told))
	}
}

// The close frame is there for a peer that first sends all it has: no RST eats it.
func TestFaultBeforeReset(t *testing.T) {
	a, b := tcpConns(t)
	s := newConn(connConfig{transport: a})
	defer s.CloseNow()
	go s.Read(background)
	frame := ws.AppendFrame(nil, ws.MaskFrame(ws.NewBinaryFrame(make([]byte, 16<<20))))
	for len(frame) > 0 {
		n, err := b.Write(frame[:min(len(frame), 100_000)])
		require.NoError(t, err)
		frame = frame[n:]
	}
	p, err := io.ReadAll(b)
	require.NoError(t, err)
	h, n, err := ws.ParseHeader(p)
	require.NoError(t, err)
	require.Equal(t, ws.OpClose, h.OpCode)
	code, _, err := ws.ParseCloseBody(p[n:])
	require.NoError(t, err)
	require.EqualValues(t, StatusMessageTooBig, code)
	b.Close()
	<-s.Done()
}

func TestNothingAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true})
		got := make(chan []byte)
		go func() {
			p, _ := io.ReadAll(peer)
			got <- p
		}()
		for range 10 {
			go s.Write(background, MessageText, []byte("x"))
			go s.Ping(background)
		}
		go peer.Write([]byte{0x89, 0, 0x89, 0, 0x89, 0})
		s.Close(StatusNormalClosure, "")
		p := <-got
		for len(p) > 0 {
			h, n, err := ws.ParseHeader(p)
			require.NoError(t, err)
			p = p[n+int(h.Length):]
			if h.OpCode == ws.OpClose {
				require.Empty(t, p)
			}
		}
	})
}

func TestCloseNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		read := make(chan error, 1)
		go func() {
			_, _, err := s.Read(background)
			read <- err
		}()
		synctest.Wait()
		require.NoError(t, s.CloseNow())
		require.NoError(t, s.CloseNow())
		require.ErrorIs(t, <-read, net.ErrClosed)
		require.ErrorIs(t, s.Close(StatusNormalClosure, ""), net.ErrClosed)
		_, _, err := c.Read(background)
		require.Equal(t, StatusCode(-1), CloseStatus(err), "the peer has said none")
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestCloseRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		ctx := s.CloseRead(background)
		require.Equal(t, ctx, s.CloseRead(background))
		synctest.Wait()
		_, _, err := s.Read(background)
		require.ErrorIs(t, err, ErrConcurrentRead)
		c.CloseRead(background)
		for range 3 {
			require.NoError(t, s.Ping(background))
		}
		require.NoError(t, c.Close(4000, "done"))
		<-ctx.Done()
		require.Equal(t, StatusCode(4000), CloseStatus(context.Cause(ctx)))
	})
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		ctx := s.CloseRead(background)
		go c.Write(background, MessageText, []byte("unexpected"))
		synctest.Wait()
		_, _, err := c.Read(background)
		require.Equal(t, StatusPolicyViolation, CloseStatus(err))
		<-ctx.Done()
	})
	synctest.Test(t, func(t *testing.T) { // the end of the context leaves the connection open
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		parent, cancel := context.WithCancel(background)
		ctx := s.CloseRead(parent)
		synctest.Wait()
		cancel()
		<-ctx.Done()
		c.CloseRead(background)
		require.NoError(t, s.Close(StatusNormalClosure, ""))
	})
}

func TestSecondReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		go s.Read(background)
		synctest.Wait()
		_, _, err := s.Read(background)
		require.ErrorIs(t, err, ErrConcurrentRead)
		_, _, err = s.Reader(background)
		require.ErrorIs(t, err, ErrConcurrentRead)
		require.NoError(t, c.Write(background, MessageText, nil))
	})
}
