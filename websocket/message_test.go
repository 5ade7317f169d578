package websocket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// pairs are the ways in which two sides can be connected.
func pairs(t *testing.T, f func(t *testing.T, s, c *Conn)) {
	for name, pair := range map[string]func(testing.TB, ConnOptions, ConnOptions) (s, c *Conn){
		"socket": tcpPair, "stream": streamPair, "pipe": pipePair,
	} {
		t.Run(name, func(t *testing.T) {
			options := ConnOptions{ReadLimit: -1}
			s, c := pair(t, options, options)
			f(t, s, c)
		})
	}
	for name, p := range map[string]wsflate.Parameters{
		"takeover": {}, "no takeover": wsflate.DefaultParameters, "small windows": {ServerMaxWindowBits: 9, ClientMaxWindowBits: 10},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := tcpConns(t)
			options := ConnOptions{ReadLimit: -1}
			s := newConn(connConfig{transport: a, flate: &p, ConnOptions: options})
			c := newConn(connConfig{transport: b, client: true, flate: &p, ConnOptions: options})
			t.Cleanup(func() { s.CloseNow(); c.CloseNow() })
			f(t, s, c)
		})
	}
}

// payload returns n bytes of which some can be compressed.
func payload(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = 'a' + byte(i*i%7)
		if i%100 < 20 {
			p[i] = byte('a' + rand.IntN(26))
		}
	}
	return p
}

var sizes = []int{0, 1, 125, 126, 1000, 1023, 4096, 16384, 65535, 65536, 70000, 131072, 131073, 1 << 20}

func TestSizes(t *testing.T) {
	pairs(t, func(t *testing.T, s, c *Conn) {
		go echo(s)
		for _, n := range sizes {
			for _, typ := range []MessageType{MessageText, MessageBinary} {
				p := payload(n)
				sent := make(chan error, 1)
				go func() { sent <- c.Write(background, typ, p) }()
				got, q, err := c.Read(background)
				require.NoError(t, err)
				require.NoError(t, <-sent)
				require.Equal(t, typ, got)
				require.True(t, bytes.Equal(p, q), n)
			}
		}
		require.NoError(t, c.Close(StatusNormalClosure, ""))
	})
}

// Streams and whole messages understand each other, in any cut.
func TestStreams(t *testing.T) {
	pairs(t, func(t *testing.T, s, c *Conn) {
		for _, n := range sizes {
			p := payload(n)
			for _, cut := range []int{1, 1000, 5000, 200_000} {
				if n/cut > 5000 {
					continue
				}
				go func() {
					w, err := c.Writer(background, MessageText)
					require.NoError(t, err)
					for rest := p; len(rest) > 0; rest = rest[min(cut, len(rest)):] {
						_, err := w.Write(rest[:min(cut, len(rest))])
						require.NoError(t, err)
					}
					require.NoError(t, w.Close())
					require.ErrorIs(t, w.Close(), ErrWriterClosed)
					require.NoError(t, c.Write(background, MessageText, p))
				}()
				_, q, err := s.Read(background)
				require.NoError(t, err)
				require.True(t, bytes.Equal(p, q), n)

				_, r, err := s.Reader(background)
				require.NoError(t, err)
				if cut == 1 {
					r = iotest.OneByteReader(r)
				}
				q, err = io.ReadAll(r)
				require.NoError(t, err)
				require.True(t, bytes.Equal(p, q), n)
			}
		}
	})
}

// What a reader has left is skipped, and it learns so.
func TestStaleReader(t *testing.T) {
	pairs(t, func(t *testing.T, s, c *Conn) {
		for _, n := range []int{10, 5000, 300_000} {
			go func() {
				c.Write(background, MessageText, payload(n))
				c.Write(background, MessageText, []byte("next"))
			}()
			_, r, err := s.Reader(background)
			require.NoError(t, err)
			_, err = io.ReadFull(r, make([]byte, 5))
			require.NoError(t, err)
			_, p, err := s.Read(background)
			require.NoError(t, err)
			require.Equal(t, "next", string(p))
			_, err = r.Read(make([]byte, 1))
			require.ErrorIs(t, err, errStale)
		}
	})
}

// Messages lie in memory of their own, borrowed ones in one buffer.
func TestMessages(t *testing.T) {
	for name, messages := range map[string]func(*Conn, context.Context) iter.Seq2[Message, error]{
		"own": (*Conn).Messages, "borrowed": (*Conn).BorrowedMessages,
	} {
		s, c := tcpPair(t, ConnOptions{}, ConnOptions{})
		go func() {
			for i := range 100 {
				c.Write(background, MessageText, fmt.Append(nil, 100+i))
			}
			c.Close(StatusNormalClosure, "")
		}()
		var kept []Message
		for m, err := range messages(s, background) {
			if err != nil {
				require.Equal(t, StatusNormalClosure, CloseStatus(err))
				require.Zero(t, m)
				break
			}
			require.Equal(t, fmt.Sprint(100+len(kept)), string(m.Data))
			kept = append(kept, m)
		}
		require.Len(t, kept, 100)
		for i, m := range kept {
			if want := fmt.Sprint(100 + i); name == "own" {
				require.Equal(t, want, string(m.Data))
			}
			require.Equal(t, i == 0 || name == "borrowed", &m.Data[0] == &kept[0].Data[0])
		}
		for range messages(s, background) {
			break
		}
	}
}

// frames is a transport from which the same messages arrive again and again.
type frames struct {
	p  []byte
	at int
}

func (f *frames) Read(p []byte) (int, error) {
	n := copy(p, f.p[f.at:])
	f.at = (f.at + n) % len(f.p)
	return n, nil
}

func (*frames) Write(p []byte) (int, error) { return len(p), nil }
func (*frames) Close() error                { return nil }

// What it costs that each message has memory of its own.
func BenchmarkMessages(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 16 << 10} {
		wire := ws.AppendFrame(nil, ws.NewBinaryFrame(make([]byte, size)))
		for name, messages := range map[string]func(*Conn, context.Context) iter.Seq2[Message, error]{
			"own": (*Conn).Messages, "borrowed": (*Conn).BorrowedMessages,
		} {
			b.Run(fmt.Sprintf("%s/size=%d", name, size), func(b *testing.B) {
				c := newConn(connConfig{transport: &frames{p: bytes.Repeat(wire, max(4096/len(wire), 1))}, client: true})
				defer c.CloseNow()
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for range messages(c, background) {
					if !b.Loop() {
						break
					}
				}
			})
		}
	}
}

// The limit counts bytes after inflation.
func TestReadLimit(t *testing.T) {
	pairs(t, func(t *testing.T, s, c *Conn) {
		c.CloseRead(background)
		for _, limit := range []int{0, 1, 1000, 100_000} {
			s.SetReadLimit(int64(limit))
			go c.Write(background, MessageBinary, make([]byte, limit))
			_, p, err := s.Read(background)
			require.NoError(t, err)
			require.Len(t, p, limit)
			go c.Write(background, MessageBinary, make([]byte, limit))
			_, r, err := s.Reader(background)
			require.NoError(t, err)
			p, err = io.ReadAll(r)
			require.NoError(t, err)
			require.Len(t, p, limit)
		}
		go c.Write(background, MessageBinary, make([]byte, 100_001))
		_, _, err := s.Read(background)
		require.ErrorIs(t, err, ErrMessageTooBig)
	})
	pairs(t, func(t *testing.T, s, c *Conn) {
		c.CloseRead(background)
		s.SetReadLimit(100_000)
		go c.Write(background, MessageBinary, make([]byte, 200_000))
		_, r, err := s.Reader(background)
		if err == nil {
			_, err = io.ReadAll(r)
		}
		require.ErrorIs(t, err, ErrMessageTooBig)
	})
}

// Text is validated, wherever it comes from.
func TestInvalidText_RFC6455_8_1(t *testing.T) {
	pairs(t, func(t *testing.T, s, c *Conn) {
		ctx := c.CloseRead(background)
		go c.Write(background, MessageText, []byte(strings.Repeat("valid ", 1000)+"\xff"))
		_, _, err := s.Read(background)
		require.ErrorIs(t, err, ws.ErrProtocolInvalidUTF8)
		<-ctx.Done()
		require.EqualValues(t, StatusInvalidFramePayloadData, c.CloseRecord().Received)
	})
}

// Any number of goroutines may write, and no message is torn.
func TestConcurrentWriters(t *testing.T) {
	pairs(t, func(t *testing.T, s, c *Conn) {
		const writers, each = 8, 30
		unit := 300
		if race.Enabled {
			unit = 50
		}
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				for j := range each {
					p := bytes.Repeat([]byte{byte(i)}, j*j*unit)
					if j%3 == 0 {
						w, err := c.Writer(background, MessageBinary)
						require.NoError(t, err)
						for len(p) > 0 {
							n := min(len(p), 3000)
							_, err := w.Write(p[:n])
							require.NoError(t, err)
							p = p[n:]
						}
						require.NoError(t, w.Close())
						continue
					}
					require.NoError(t, c.Write(background, MessageBinary, p))
				}
			})
		}
		go func() {
			wg.Wait()
			c.Close(StatusNormalClosure, "")
		}()
		n := 0
		for m, err := range s.Messages(background) {
			if err != nil {
				require.Equal(t, StatusNormalClosure, CloseStatus(err))
				break
			}
			n++
			for _, b := range m.Data {
				if b != m.Data[0] {
					t.Fatal("a torn message")
				}
			}
		}
		require.Equal(t, writers*each, n)
	})
}

// What arrived with the handshake is read first.
func TestReceived(t *testing.T) {
	a, b := tcpConns(t)
	s := newConn(connConfig{transport: a, client: true, received: []byte{0x81, 2, 'h', 'i', 0x81, 3, 't', 'h'}})
	defer s.CloseNow()
	go b.Write([]byte{'e', 0x81, 1, 'x'})
	for _, want := range []string{"hi", "the", "x"} {
		_, p, err := s.Read(background)
		require.NoError(t, err)
		require.Equal(t, want, string(p))
	}
}

// A huge declared length takes no memory.
func TestDeclaredLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{client: true, ConnOptions: ConnOptions{ReadLimit: -1}})
		go peer.Write([]byte{0x82, 127, 0x3f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'x'})
		go s.Read(background)
		synctest.Wait()
		s.CloseNow()
	})
}

// No input buffer is held between messages, and none that is much larger than what is in it.
func TestInputIsLetGo(t *testing.T) {
	s, c := tcpPair(t, ConnOptions{}, ConnOptions{})
	for range 100 {
		require.NoError(t, c.Write(background, MessageText, []byte("0123456789")))
	}
	for i := range 100 {
		_, _, err := s.Read(background)
		require.NoError(t, err)
		if b := s.input.buffer; b != nil {
			require.LessOrEqual(t, cap(b.B), max(2*minInput, 5*16*(100-i)))
		}
	}
	require.Nil(t, s.input.buffer)
}
