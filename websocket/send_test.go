package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// mustSend sends a text and returns what became of it.
func mustSend(t testing.TB, c *Conn, text string) SendResult {
	t.Helper()
	p := []byte(text)
	result, err := c.Send(MessageText, p)
	require.NoError(t, err)
	clear(p) // it was copied
	return result
}

// readTexts reads messages until the connection ends.
func readTexts(c *Conn) (texts []string, err error) {
	for {
		_, p, err := c.Read(background)
		if err != nil {
			return texts, err
		}
		texts = append(texts, string(p))
	}
}

// A send returns at once, whatever the peer does, and no byte more than the bound waits.
func TestSendNeverBlocks(t *testing.T) {
	for policy, want := range map[SendPolicy][]string{
		SendDropNew:    {"0", "1", "2", "3", "last"},
		SendDropOldest: {"0", "16", "17", "18", "19", "last"},
	} {
		t.Run(policy.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := pipePair(t, ConnOptions{Queue: SendQueueOptions{MaxMessages: 4, Policy: policy}}, ConnOptions{})
				require.Zero(t, s.Buffered())
				require.Zero(t, s.Dropped())
				start := time.Now()
				for i := range 20 {
					mustSend(t, s, fmt.Sprint(i))
					synctest.Wait() // the goroutine is stuck with the first one
				}
				require.Zero(t, time.Since(start))
				require.EqualValues(t, 21-len(want), s.Dropped(), "of 20")
				var texts []string
				for range len(want) - 1 {
					_, p, err := c.Read(background)
					require.NoError(t, err)
					texts = append(texts, string(p))
				}
				synctest.Wait() // the goroutine has noted that
				require.Zero(t, s.Buffered())
				mustSend(t, s, "last")
				go s.Close(StatusNormalClosure, "")
				rest, err := readTexts(c)
				require.Equal(t, StatusNormalClosure, CloseStatus(err))
				require.Equal(t, want, append(texts, rest...))
			})
		})
	}
}

// With the policy SendClose, the peer is told with code 1013, if it reads in time.
func TestSendQueueFull(t *testing.T) {
	for _, reads := range []bool{true, false} {
		t.Run(fmt.Sprint(reads), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c := pipePair(t, ConnOptions{}, ConnOptions{})
				s.CloseRead(background)
				message := make([]byte, 1000)
				for range 65 {
					result, err := s.Send(MessageBinary, message)
					require.NoError(t, err)
					require.Equal(t, SendQueued, result)
				}
				require.Equal(t, 65000, s.Buffered())
				result, err := s.Send(MessageBinary, message)
				require.ErrorIs(t, err, ErrSendQueueFull)
				require.EqualError(t, err, "websocket: send: wsutil: send queue is full, the peer reads too slowly")
				require.Equal(t, SendFailed, result)
				result, err = s.Send(MessageBinary, message)
				require.ErrorIs(t, err, net.ErrClosed)
				require.Equal(t, SendFailed, result)
				start := time.Now()
				if reads {
					_, err = readTexts(c)
					require.ErrorIs(t, err, CloseError{StatusTryAgainLater, "messages are not read fast enough"})
				}
				<-s.Done()
				require.Equal(t, !reads, time.Since(start) == DefaultCloseTimeout)
				require.Equal(t, reads, s.CloseRecord().Clean)
				require.Equal(t, !reads, errors.Is(s.CloseRecord().Err, ErrSendQueueFull))
				synctest.Wait()
				require.Zero(t, s.Buffered())
				_, err = s.Send(MessageBinary, message)
				require.ErrorIs(t, err, net.ErrClosed)
			})
		})
	}
}

// A WriteTimeout ends a connection whose peer does not read, and what waits is let go.
func TestSendWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := pipePair(t, ConnOptions{WriteTimeout: time.Second}, ConnOptions{})
		start := time.Now()
		for range 100 {
			mustSend(t, s, "not read")
		}
		<-s.Done()
		require.Equal(t, time.Second, time.Since(start))
		synctest.Wait()
		require.Zero(t, s.Buffered())
		_, err := s.Send(MessageText, nil)
		require.ErrorIs(t, err, errWriteTimeout)
	})
}

// The messages of a goroutine arrive in order, however they are sent.
func TestSendOrder(t *testing.T) {
	for name, cfg := range map[string]connConfig{
		"plain":      {},
		"fragments":  {ConnOptions: ConnOptions{FragmentSize: 100}},
		"compressed": {flate: new(wsflate.Parameters)},
	} {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", client), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := net.Pipe()
					cfg, peer := cfg, cfg
					peer.ReadLimit = -1
					cfg.transport, cfg.client, cfg.Queue = a, client, SendQueueOptions{MaxBytes: -1, MaxMessages: -1}
					cfg.Stats = new(Stats)
					peer.transport, peer.client = b, !client
					s, c := newConn(cfg), newConn(peer)
					defer c.CloseNow()
					go func() {
						sendAllWays(t, s)
						require.NoError(t, s.Close(StatusNormalClosure, ""))
					}()
					texts, err := readTexts(c)
					require.Equal(t, StatusNormalClosure, CloseStatus(err))
					require.Len(t, texts, 600)
					for i, text := range texts {
						require.Equal(t, numbered(i), text)
					}
					require.EqualValues(t, 600, cfg.Stats.MessagesWritten.Load())
					require.EqualValues(t, len(strings.Join(texts, "")), cfg.Stats.BytesWritten.Load())
				})
			})
		}
	}
}

// numbered returns a text with a number, of many lengths.
func numbered(i int) string {
	n := i * i % 300
	if i%50 == 7 {
		n = i * 300
	}
	return fmt.Sprint(i, strings.Repeat(".", n))
}

// sendAllWays sends 600 messages with all methods that send.
func sendAllWays(t *testing.T, s *Conn) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 600 {
		text := []byte(numbered(i))
		var err error
		switch rng.IntN(8) {
		case 0:
			err = s.Write(background, MessageText, text)
		case 1:
			var w interface {
				Write([]byte) (int, error)
				Close() error
			}
			if w, err = s.Writer(background, MessageText); err == nil {
				w.Write(text)
				err = w.Close()
			}
		case 2:
			m, _ := NewPreparedMessage(MessageText, text)
			err = s.WritePrepared(background, m)
		case 3:
			m, _ := NewPreparedMessage(MessageText, text)
			_, err = s.SendPrepared(m)
		default:
			_, err = s.Send(MessageText, text)
		}
		if err != nil {
			t.Error(err)
		}
		clear(text)
	}
}

// slowWrites is a transport whose writes take a second. It notes how much each one had.
type slowWrites struct {
	net.Conn
	mu    sync.Mutex
	sizes []int
}

func (w *slowWrites) Write(p []byte) (int, error) {
	time.Sleep(time.Second)
	w.mu.Lock()
	w.sizes = append(w.sizes, len(p))
	w.mu.Unlock()
	return w.Conn.Write(p)
}

// What waits leaves in one write: small messages together, large ones by themselves.
func TestSendGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		slow := &slowWrites{Conn: a}
		s := newConn(connConfig{transport: slow, ConnOptions: ConnOptions{Queue: SendQueueOptions{MaxBytes: -1}}})
		defer b.Close()
		defer s.CloseNow()
		mustSend(t, s, "first")
		synctest.Wait()
		prepared, err := NewPreparedMessage(MessageText, []byte("prepared"))
		require.NoError(t, err)
		for range 100 {
			mustSend(t, s, "small")
			_, err := s.SendPrepared(prepared)
			require.NoError(t, err)
		}
		_, err = s.Send(MessageBinary, make([]byte, 100_000))
		require.NoError(t, err)
		mustSend(t, s, "last")
		require.NoError(t, s.flush(background))
		// The large one is its header and its body, as this transport takes no vectors.
		require.Equal(t, []int{2 + 5, 100 * (2 + 5 + 2 + 8), 10, 100_000, 2 + 4}, slow.sizes)
	})
}

// The hook Drained is called once each time that the queue has become empty.
func TestSendDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var drained atomic.Int32
		hooks := &Hooks{Drained: func(c *Conn) {
			drained.Add(1)
			if err := c.Write(background, MessageText, []byte("drained")); err != nil {
				t.Error(err)
			}
		}}
		s, c := pipePair(t, ConnOptions{Hooks: hooks}, ConnOptions{})
		require.NoError(t, within1(c, func() error { return s.Write(background, MessageText, nil) }))
		synctest.Wait()
		require.Zero(t, drained.Load(), "nothing was queued")
		for i := range 3 {
			mustSend(t, s, "one")
			mustSend(t, s, "two")
			synctest.Wait()
			require.EqualValues(t, i, drained.Load())
			for _, want := range []string{"one", "two", "drained"} {
				_, p, err := c.Read(background)
				require.NoError(t, err)
				require.Equal(t, want, string(p))
			}
			synctest.Wait()
			require.EqualValues(t, i+1, drained.Load())
			require.False(t, s.sends.Load().writing, "no goroutine is left")
		}
		mustSend(t, s, "dropped")
		s.CloseNow()
		synctest.Wait()
		require.EqualValues(t, 3, drained.Load())
		require.EqualValues(t, 1, s.Dropped()+uint64(s.Buffered()))
	})
}

// within1 calls f while c reads a message.
func within1(c *Conn, f func() error) error {
	go c.Read(background)
	return f()
}

// Close sends what waits, as long as it may take; CloseNow drops it.
func TestSendThenClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		for range 200 {
			mustSend(t, s, strings.Repeat("x", 300))
		}
		go func() {
			time.Sleep(DefaultCloseTimeout / 3)
			texts, err := readTexts(c)
			require.Len(t, texts, 200)
			require.Equal(t, StatusNormalClosure, CloseStatus(err))
		}()
		require.NoError(t, s.Close(StatusNormalClosure, ""))
		_, err := s.Send(MessageText, nil)
		require.ErrorIs(t, err, net.ErrClosed)

		s, _ = pipePair(t, ConnOptions{}, ConnOptions{}) // nobody reads
		mustSend(t, s, "lost")
		start := time.Now()
		require.Error(t, s.Close(StatusNormalClosure, ""))
		require.Equal(t, DefaultCloseTimeout, time.Since(start))

		s, _ = pipePair(t, ConnOptions{}, ConnOptions{})
		mustSend(t, s, "lost")
		require.NoError(t, s.CloseNow())
		synctest.Wait()
		require.Zero(t, s.Buffered())
	})
}

// A message that stays open keeps back what waits, and not the close frame.
func TestCloseDropsWhatAnOpenMessageKeepsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		read := make(chan error, 1)
		go func() {
			_, _, err := c.Read(background)
			read <- err
		}()
		w, err := s.Writer(background, MessageText)
		require.NoError(t, err)
		_, err = io.WriteString(w, strings.Repeat("open", 5<<10))
		require.NoError(t, err)
		mustSend(t, s, "kept back")
		start := time.Now()
		require.NoError(t, s.Close(StatusNormalClosure, "bye"))
		require.Equal(t, DefaultCloseTimeout/2, time.Since(start))
		require.Equal(t, StatusNormalClosure, CloseStatus(<-read))
		require.EqualValues(t, 1, s.Dropped())
	})
}

// While messages wait, pings are answered between them (RFC 6455, section 5.5.2).
func TestSendLeavesRoomForPongs_RFC6455_5_5_2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, peer := rawPair(t, connConfig{ConnOptions: ConnOptions{Queue: SendQueueOptions{MaxMessages: -1}}})
		go s.Read(background)
		large := strings.Repeat("l", 20<<10)
		for range 3 {
			mustSend(t, s, large)
		}
		synctest.Wait()
		_, err := peer.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewPingFrame([]byte("ping")))))
		require.NoError(t, err)
		synctest.Wait()
		var ops []ws.OpCode
		for range 4 {
			f, err := ws.ReadFrame(peer)
			require.NoError(t, err)
			ops = append(ops, f.Header.OpCode)
		}
		require.Equal(t, []ws.OpCode{ws.OpText, ws.OpPong, ws.OpText, ws.OpText}, ops)
	})
}

// A Write that waits for the queue can be canceled.
func TestWriteBehindTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		mustSend(t, s, "queued")
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		err := s.Write(ctx, MessageText, []byte("given up"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, stillOpen)
		go func() {
			s.Write(background, MessageText, []byte("written"))
			s.Close(StatusNormalClosure, "")
		}()
		texts, _ := readTexts(c)
		require.Equal(t, []string{"queued", "written"}, texts)

		s, _ = pipePair(t, ConnOptions{}, ConnOptions{})
		mustSend(t, s, "queued")
		time.AfterFunc(time.Second, func() { s.CloseNow() })
		require.ErrorIs(t, s.Write(background, MessageText, nil), net.ErrClosed)
	})
}

// A message that is dropped when it comes lets no Write go before those that wait.
func TestDroppedMessageHasNotLeftTheQueue(t *testing.T) {
	s := &sender{run: func() {}}
	s.queue.Reset(&SendQueueOptions{MaxMessages: 3, Policy: SendDropNew})
	send := func() SendResult {
		result, err := s.push(wsutil.NewOutgoing(ws.OpText, []byte("x")), "")
		require.NoError(t, err)
		return result
	}
	for range 3 {
		require.Equal(t, SendQueued, send())
	}
	require.Equal(t, SendDropped, send())
	require.EqualValues(t, 3, s.pushed)
	require.Zero(t, s.left())
	_, ok := s.next()
	require.True(t, ok)
	_, more := s.wrote(nil)
	require.True(t, more)
	require.EqualValues(t, 1, s.left())
}

func TestSendErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{CheckUTF8: true, Queue: SendQueueOptions{MaxBytes: 10}}, ConnOptions{})
		_, err := s.Send(7, nil)
		require.EqualError(t, err, "websocket: write: invalid message type 7")
		_, err = s.Send(MessageBinary, make([]byte, 11))
		require.ErrorIs(t, err, ErrSendTooLarge)
		require.EqualError(t, err, "websocket: send: wsutil: message exceeds MaxBytes of the send queue: 11 bytes, limit 10")
		_, err = s.Send(MessageText, []byte("\xff"))
		require.ErrorContains(t, err, "not valid UTF-8")
		for _, m := range []*PreparedMessage{nil, {}} {
			_, err = s.SendPrepared(m)
			require.ErrorIs(t, err, errNotPrepared)
		}
		require.Nil(t, within1(c, func() error { _, err := s.Send(MessageText, []byte("on")); return err }))
	})
}

// The newest value of a key is sent.
func TestSendKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := pipePair(t, ConnOptions{}, ConnOptions{})
		mustSend(t, s, "first")
		synctest.Wait()
		for i := range 1000 {
			for _, key := range []string{"a", "b"} {
				_, err := s.SendKey(MessageText, []byte(fmt.Sprint(key, i)), key)
				require.NoError(t, err)
			}
		}
		m, err := NewPreparedMessage(MessageText, []byte("prepared"))
		require.NoError(t, err)
		result, err := s.SendPreparedKey(m, "a")
		require.NoError(t, err)
		require.Equal(t, SendReplaced, result)
		go s.Close(StatusNormalClosure, "")
		texts, _ := readTexts(c)
		require.Equal(t, []string{"first", "prepared", "b999"}, texts)
		require.Zero(t, s.Dropped())
	})
}

// Many goroutines send at once: the bound holds at each moment, and what was taken
// arrives.
func TestSendConcurrently(t *testing.T) {
	s, c := tcpPair(t, ConnOptions{Queue: SendQueueOptions{MaxBytes: 5000, Policy: SendDropNew}}, ConnOptions{})
	var taken atomic.Int64
	var senders sync.WaitGroup
	for i := range 8 {
		senders.Go(func() {
			p := bytes.Repeat([]byte{byte(i)}, 500)
			for range 300 {
				result, err := s.Send(MessageBinary, p)
				if err != nil || s.Buffered() > 5000 {
					t.Error(err, s.Buffered())
				}
				if result.Taken() {
					taken.Add(1)
				}
			}
		})
	}
	go func() {
		senders.Wait()
		s.Close(StatusNormalClosure, "")
	}()
	texts, err := readTexts(c)
	require.Equal(t, StatusNormalClosure, CloseStatus(err))
	require.EqualValues(t, taken.Load(), len(texts))
	for _, text := range texts {
		require.Equal(t, strings.Repeat(text[:1], 500), text)
	}
}

// A connection that has sent nothing has one pointer more, and fits its size class.
func TestIdleConnHasNoQueue(t *testing.T) {
	s, _ := tcpPair(t, ConnOptions{}, ConnOptions{})
	require.Nil(t, s.sends.Load())
	if unsafe.Sizeof(uintptr(0)) == 8 && !race.Enabled {
		require.LessOrEqual(t, unsafe.Sizeof(*s), uintptr(480))
	}
}

func TestSendAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	prepared, err := NewPreparedMessage(MessageText, make([]byte, 100))
	require.NoError(t, err)
	s, c := tcpPair(t, ConnOptions{Stats: new(Stats)}, ConnOptions{})
	p, buf := make([]byte, 100), make([]byte, 0, 1<<10)
	require.Zero(t, testing.AllocsPerRun(200, func() {
		for range 3 {
			if _, err := s.Send(MessageText, p); err != nil {
				t.Fatal(err)
			}
			if _, err := s.SendPreparedKey(prepared, "key"); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, _, err := c.ReadAppend(background, buf); err != nil {
					t.Fatal(err)
				}
			}
		}
	}))
}

// What a message costs its sender: a write of its own, or a share of one.
func BenchmarkSend(b *testing.B) {
	p := make([]byte, 100)
	for name, send := range map[string]func(*Conn) error{
		"write": func(c *Conn) error { return c.Write(background, MessageText, p) },
		"send": func(c *Conn) error {
			for {
				if result, err := c.Send(MessageText, p); result.Taken() || err != nil {
					return err
				}
				c.flush(background) // as fast as the peer can take it
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			x, y := tcpConns(b)
			go io.Copy(io.Discard, y)
			c := newConn(connConfig{transport: x, ConnOptions: ConnOptions{Queue: SendQueueOptions{Policy: SendDropNew}}})
			defer c.CloseNow()
			b.ReportAllocs()
			for b.Loop() {
				if err := send(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestBrowserSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeBrowser{echoes: true}
		c := inBrowser(t, f, DialOptions{})
		f.hold(maxBuffered + 1)
		mustSend(t, c, "one")
		mustSend(t, c, "two")
		time.Sleep(time.Second)
		require.Equal(t, 6, c.Buffered())
		f.hold(0)
		for _, want := range []string{"one", "two"} {
			_, p, err := c.Read(background)
			require.NoError(t, err)
			require.Equal(t, want, string(p))
		}
		require.Zero(t, c.Buffered())
		require.NoError(t, c.Close(StatusNormalClosure, ""))
	})
}
