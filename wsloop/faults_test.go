package wsloop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Data before a FIN is read first: the message is echoed and the close frame
// answered (RFC 6455, section 5.5.1).
func TestDataBeforeFIN(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		ends, conns := make(chan End, 1), make(chan *Conn, 1)
		h := echo()
		h.Open = func(c *Conn) { conns <- c }
		h.Close = func(_ *Conn, end End) { ends <- end }
		_, addr := serve(t, cfg, h)
		c := dial(t, addr)
		conn := await(t, conns)
		require.Eventually(t, func() bool { // or the echo would wait for the response, and be dropped
			conn.mu.Lock()
			defer conn.mu.Unlock()
			return !conn.blocked && conn.pending() == 0
		}, 10*time.Second, time.Millisecond)
		c.send(ws.NewTextFrame([]byte("last")), ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "bye")))
		require.NoError(t, c.Conn.(*net.TCPConn).CloseWrite())
		c.want("last")
		c.wantClose(ws.StatusNormalClosure)
		c.wantEnd()
		end := await(t, ends)
		require.Equal(t, ws.StatusNormalClosure, end.Code)
		require.Equal(t, "bye", end.Reason)
		require.True(t, end.PeerFirst)
	})
}

// Send does not retain the caller's bytes.
func TestSendDoesNotRetain(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		h := &Handler{Message: func(c *Conn, op ws.OpCode, p []byte) {
			for range 3 {
				c.Send(op, p)
			}
			clear(p)
		}}
		_, addr := serve(t, cfg, h)
		c := dial(t, addr)
		c.text("mine")
		for range 3 {
			c.want("mine")
		}
	})
}

// Frames that come with the request are not lost, and Open is called before
// them.
func TestFirstMessageWithRequest(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		h := echo()
		h.Open = func(c *Conn) { c.Send(ws.OpText, []byte("hello")) }
		_, addr := serve(t, cfg, h)
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, err = conn.Write(ws.AppendFrame([]byte(upgradeRequest), ws.MaskFrame(ws.NewTextFrame([]byte("early")))))
		require.NoError(t, err)
		br := bufio.NewReader(conn)
		for line := "x"; line != "\r\n"; {
			line, err = br.ReadString('\n')
			require.NoError(t, err)
		}
		c := &client{t: t, Conn: conn, r: br}
		c.want("hello")
		c.want("early")
	})
}

// What a bufio.Reader has read after the handshake raises no event.
func TestAttachFeedsBufferedBytes(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		s := start(t, cfg, echo())
		here, there := socketPair(t)
		br := bufio.NewReader(there)
		go here.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("buffered")))))
		_, err := br.Peek(1)
		require.NoError(t, err)
		_, err = s.Attach(there, br, ws.Handshake{}, ws.StateServerSide, nil)
		require.NoError(t, err)
		c := &client{t: t, Conn: here, r: bufio.NewReader(here)}
		c.want("buffered")
		c.text("more")
		c.want("more")
	})
}

// socketPair returns the two ends of a TCP connection.
func socketPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	a, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	b, err = l.Accept()
	require.NoError(t, err)
	a.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// A client on a loop: the other side of the same protocol.
func TestAttachClient(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		_, addr := serve(t, &Config{Loops: 1}, echo())
		got := make(chan string, 1)
		ends := make(chan End, 1)
		s := start(t, cfg, &Handler{
			Open:    func(c *Conn) { c.Send(ws.OpText, []byte("ping me")) },
			Message: func(c *Conn, _ ws.OpCode, p []byte) { got <- string(p); c.Close(ws.StatusNormalClosure, "") },
			Close:   func(_ *Conn, end End) { ends <- end },
		})
		conn, br, hs, err := ws.Dial(context.Background(), "ws://"+addr)
		require.NoError(t, err)
		_, err = s.Attach(conn, br, hs, ws.StateClientSide, nil)
		require.NoError(t, err)
		require.Equal(t, "ping me", await(t, got))
		end := await(t, ends)
		require.Equal(t, ws.StatusNormalClosure, end.Code)
		require.False(t, end.PeerFirst)
	})
}

// Everything sent to a slow peer arrives once and in order, over many partial
// writes, while the loop also reads from that peer.
func TestPartialWrites(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		cfg.Queue = wsutil.SendQueueOptions{MaxBytes: -1, MaxMessages: -1}
		const count, size = 400, 20_000
		asked := make(chan struct{}, 1)
		h := &Handler{Message: func(c *Conn, op ws.OpCode, p []byte) {
			if string(p) == "still there?" {
				asked <- struct{}{}
				return
			}
			message := make([]byte, size)
			for i := range count {
				binary.BigEndian.PutUint32(message, uint32(i))
				r, err := c.Send(ws.OpBinary, message)
				require.NoError(t, err)
				require.True(t, r.Taken())
			}
		}}
		_, addr := serve(t, cfg, h)
		c := dial(t, addr)
		c.text("go")
		c.text("still there?")
		await(t, asked) // nothing was read by the peer yet
		for i := range count {
			f := c.next()
			require.Len(t, f.Payload, size)
			require.EqualValues(t, i, binary.BigEndian.Uint32(f.Payload))
		}
	})
}

// Many peers that send half a frame do not delay others.
func TestHalfFrames(t *testing.T) { halfFrames(t, 200) }

func halfFrames(t *testing.T, n int) {
	_, addr := serve(t, &Config{Loops: 1}, echo())
	frame := ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("half of it"))))
	conns := make([]*client, n)
	for i := range conns {
		conns[i] = dial(t, addr)
		_, err := conns[i].Write(frame[:1+i%(len(frame)-1)])
		require.NoError(t, err)
	}
	honest := dial(t, addr)
	for range 10 {
		honest.text("hello")
		honest.want("hello")
	}
	for i, c := range conns { // and each of them is served once the rest comes
		_, err := c.Write(frame[1+i%(len(frame)-1):])
		require.NoError(t, err)
	}
	for _, c := range conns {
		c.want("half of it")
	}
}

// A new connection goes to the loop that has the fewest.
func TestFewest(t *testing.T) {
	s, addr := serve(t, &Config{Loops: 4}, echo())
	for range 40 {
		c := dial(t, addr)
		c.text("x")
		c.want("x")
	}
	for _, l := range s.loops {
		require.EqualValues(t, 10, l.conns.Load())
	}
}

// Descriptors are reused immediately while other goroutines write to ending
// connections: no connection gets the bytes of another.
func TestCloseStorm(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		cfg.Loops = 2
		cfg.Queue.Policy = wsutil.SendDropNew
		var mu sync.Mutex
		open := make(map[*Conn]bool)
		var closes, opens atomic.Int64
		h := &Handler{
			Open: func(c *Conn) {
				opens.Add(1)
				mu.Lock()
				open[c] = true
				mu.Unlock()
			},
			Message: func(c *Conn, _ ws.OpCode, p []byte) {
				c.SetValue(string(p))
			},
			Close: func(c *Conn, _ End) {
				closes.Add(1)
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			},
		}
		s, addr := serve(t, cfg, h)
		stop := make(chan struct{})
		var writers, clients sync.WaitGroup
		for range 2 {
			writers.Go(func() {
				var stale []*Conn
				for {
					select {
					case <-stop:
						return
					default:
					}
					mu.Lock()
					for c := range open {
						stale = append(stale, c)
					}
					mu.Unlock()
					for _, c := range stale { // also those that have ended meanwhile
						c.Send(ws.OpText, []byte(ValueOf[string](c)))
					}
					stale = stale[max(len(stale)-50, 0):]
					runtime.Gosched()
				}
			})
		}
		for i := range 4 {
			clients.Go(func() {
				for j := range 25 {
					id := fmt.Sprintf("client %d, connection %d", i, j)
					c := dial(t, addr)
					c.text(id)
					for range 3 {
						f := c.next()
						if text := string(f.Payload); text != id && text != "" {
							t.Errorf("%s got %q", id, text)
						}
					}
					if j%2 == 0 {
						c.Conn.(*net.TCPConn).SetLinger(0) // a reset
					}
					c.Conn.Close()
				}
			})
		}
		clients.Wait()
		close(stop)
		writers.Wait()
		s.Close()
		require.Eventually(t, func() bool { return s.Conns() == 0 }, 20*time.Second, time.Millisecond)
		require.Equal(t, opens.Load(), closes.Load())
		require.Empty(t, open)
	})
}

// Close and CloseNow of itself, of another connection and of the server may be
// called by any function of the handler.
func TestCloseInHandler(t *testing.T) {
	for _, what := range []string{"close", "close now", "close other", "close server", "close all"} {
		t.Run(what, func(t *testing.T) {
			inModes(t, func(t *testing.T, cfg *Config) {
				var other atomic.Pointer[Conn]
				ends := make(chan End, 2)
				h := &Handler{
					Open: func(c *Conn) { other.CompareAndSwap(nil, c) },
					Message: func(c *Conn, _ ws.OpCode, p []byte) {
						if string(p) == "late" {
							t.Error("a message after the connection was closed")
						}
						switch what {
						case "close":
							c.Close(4000, "enough")
						case "close now":
							c.CloseNow()
						case "close other":
							other.Load().Close(4000, "")
						case "close server":
							c.Server().Close()
						case "close all":
							c.Close(4000, "")
							c.Close(4001, "")
							c.CloseNow()
							c.Server().Close()
						}
					},
					Close: func(c *Conn, end End) {
						c.Close(1000, "")
						c.CloseNow()
						c.Send(ws.OpText, nil)
						ends <- end
					},
				}
				_, addr := serve(t, cfg, h)
				first := dial(t, addr)
				first.text("")
				if what == "close" || what == "close now" {
					first = dial(t, addr)
					first.send(ws.NewTextFrame(nil), ws.NewTextFrame([]byte("late")))
				}
				if what == "close other" {
					second := dial(t, addr)
					second.text("")
				}
				if what == "close" || what == "close other" {
					first.wantClose(4000)
					first.Conn.Close()
				}
				first.wantEnd()
				await(t, ends)
			})
		})
	}
}

// Any callback may close the server: all its loops end, each connection with
// its Close, and nothing waits for anything.
func TestServerCloseInCallbacks(t *testing.T) {
	for _, where := range []string{"request", "open", "message", "pong", "drain", "close", "end", "go"} {
		t.Run(where, func(t *testing.T) {
			inModes(t, func(t *testing.T, cfg *Config) {
				cfg.Loops = 2
				var server atomic.Pointer[Server]
				var opens, closes atomic.Int64
				shut := func(at string) {
					if at == where {
						server.Load().Close()
						server.Load().Close()
					}
				}
				cfg.OnRequest = func(r *ws.Request, o *Options) error {
					if string(r.Target) == "/chosen" {
						o.Value = true
						shut("request")
					}
					return nil
				}
				chosen := func(c *Conn, at string) {
					if ValueOf[bool](c) {
						shut(at)
					}
				}
				h := &Handler{
					Open: func(c *Conn) { opens.Add(1); chosen(c, "open"); c.OnEnd(0, func() { chosen(c, "end") }) },
					Message: func(c *Conn, op ws.OpCode, p []byte) {
						c.Send(op, p)
						chosen(c, "message")
						if where == "drain" {
							fill(t, c)
						}
						c.Go(func() { chosen(c, "go") })
					},
					Pong:  func(c *Conn, _ []byte) { chosen(c, "pong") },
					Drain: func(c *Conn) { chosen(c, "drain") },
					Close: func(c *Conn, _ End) { closes.Add(1); chosen(c, "close") },
				}
				s, addr := serve(t, cfg, h)
				server.Store(s)
				others := []*client{dial(t, addr), dial(t, addr), dial(t, addr)}
				conn, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				_, err = conn.Write([]byte(strings.Replace(upgradeRequest, "GET / ", "GET /chosen ", 1)))
				require.NoError(t, err)
				c := &client{t: t, Conn: conn, r: bufio.NewReader(conn)}
				go func() { // which may come too late
					conn.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewPongFrame(nil))))
					conn.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("x")))))
					if where == "close" || where == "end" {
						conn.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(nil))))
					}
				}()
				c.wantEnd()
				for _, other := range others {
					other.wantEnd()
				}
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				require.NoError(t, s.Shutdown(ctx))
				require.Equal(t, opens.Load(), closes.Load())
				require.Zero(t, s.Conns())
			})
		})
	}
}

// A panic, and the end of the goroutine, end the connection with 1011 and no
// other one. The peer learns of a panic (1011), even if it has read nothing,
// and has sent a close frame, before it could be told.
func TestPanicWhileBlocked(t *testing.T) {
	for name, waits := range map[string]bool{"with messages that wait": true, "with an empty queue": false} {
		t.Run(name, func(t *testing.T) {
			inModes(t, func(t *testing.T, cfg *Config) {
				panicked, ends := make(chan struct{}), make(chan End, 1)
				cfg.Panicked = func(*Conn, *PanicError) { close(panicked) }
				large := make([]byte, 32<<10)
				_, addr := serve(t, cfg, &Handler{
					Message: func(c *Conn, _ ws.OpCode, _ []byte) {
						for !c.isBlocked() {
							_, err := c.Send(ws.OpBinary, large)
							require.NoError(t, err)
							c.loop.settle(c)
						}
						if waits {
							r, err := c.Send(ws.OpBinary, large)
							require.NoError(t, err)
							require.Equal(t, wsutil.SendQueued, r)
						}
						panic("oh")
					},
					Close: func(_ *Conn, end End) { ends <- end },
				})
				c := dial(t, addr)
				c.text("x")
				await(t, panicked)
				c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
				c.wantClose(ws.StatusInternalServerError)
				end := await(t, ends)
				require.IsType(t, &PanicError{}, end.Err)
			})
		})
	}
}

func (c *Conn) isBlocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocked
}

func TestPanics(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		var panics atomic.Int64
		cfg.Panicked = func(*Conn, *PanicError) { panics.Add(1); panic("again") }
		ends := make(chan End, 10)
		h := &Handler{
			Message: func(c *Conn, op ws.OpCode, p []byte) {
				switch string(p) {
				case "panic":
					panic("oh")
				case "exit":
					runtime.Goexit()
				case "go":
					c.Go(func() { panic("oh") })
				case "go exit":
					c.Go(runtime.Goexit)
				default:
					c.Send(op, p)
				}
			},
			Pong:  func(*Conn, []byte) { panic("oh") },
			Close: func(_ *Conn, end End) { ends <- end; panic("oh") },
		}
		_, addr := serve(t, cfg, h)
		honest := dial(t, addr)
		for _, how := range []string{"panic", "exit", "go", "go exit", "pong"} {
			c := dial(t, addr)
			bad := ws.NewTextFrame([]byte(how))
			if how == "pong" {
				bad = ws.NewPongFrame(nil)
			}
			c.send(ws.NewTextFrame([]byte("before")), bad, ws.NewTextFrame([]byte("after")))
			c.want("before")
			c.wantClose(ws.StatusInternalServerError)
			c.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusInternalServerError, "")))
			c.wantEnd()
			end := await(t, ends)
			require.Equal(t, ws.StatusInternalServerError, end.Code)
			require.IsType(t, &PanicError{}, end.Err)
			honest.text("hello")
			honest.want("hello")
		}
		require.EqualValues(t, 10, panics.Load(), "one of the connection, one of Close")
	})
}

// Every function of the handler may end its goroutine. The loop continues, and
// the counts are right.
func TestGoexitEverywhere(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		for _, where := range []string{"request", "open", "message", "close"} {
			exit := func(here string) {
				if where == here {
					runtime.Goexit()
				}
			}
			cfg.OnRequest = func(*ws.Request, *Options) error { exit("request"); return nil }
			h := &Handler{
				Open:    func(*Conn) { exit("open") },
				Message: func(c *Conn, op ws.OpCode, p []byte) { exit("message"); c.Send(op, p) },
				Close:   func(*Conn, End) { exit("close") },
			}
			s, addr := serve(t, cfg, h)
			for range 3 {
				conn, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				conn.Write(ws.AppendFrame([]byte(upgradeRequest), ws.MaskFrame(ws.NewTextFrame([]byte("x")))))
				conn.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(nil))))
				io.Copy(io.Discard, conn)
				conn.Close()
			}
			require.NoError(t, s.Shutdown(t.Context()), where)
			require.Zero(t, s.Conns(), where)
		}
	})
}

// A blocking handler stops only its own loop.
func TestBlockedHandler(t *testing.T) {
	release := make(chan struct{})
	h := &Handler{Message: func(c *Conn, op ws.OpCode, p []byte) {
		if string(p) == "block" {
			<-release
		}
		c.Send(op, p)
	}}
	_, addr := serve(t, &Config{Loops: 2}, h)
	a, b := dial(t, addr), dial(t, addr)
	a.text("block")
	b.text("hello")
	b.want("hello")
	close(release)
	a.want("block")
}

// A reset, or an end, in every state of a connection leaves nothing behind.
func TestResetInEveryState(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		var opens, closes atomic.Int64
		h := echo()
		h.Open = func(*Conn) { opens.Add(1) }
		h.Close = func(*Conn, End) { closes.Add(1) }
		s, addr := serve(t, cfg, h)
		var session bytes.Buffer
		session.WriteString(upgradeRequest)
		for _, f := range []ws.Frame{
			ws.NewFrame(ws.OpText, false, []byte("frag")), ws.NewPingFrame([]byte("p")),
			ws.NewFrame(ws.OpContinuation, true, []byte("ment")), ws.NewBinaryFrame(make([]byte, 300)),
			ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")),
		} {
			session.Write(ws.AppendFrame(nil, ws.MaskFrame(f)))
		}
		step := 9
		if !race.Enabled && !testing.Short() {
			step = 1
		}
		for cut := 0; cut <= session.Len(); cut += step { // a fault at every byte of a session
			conn, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			_, err = conn.Write(session.Bytes()[:cut])
			require.NoError(t, err)
			switch cut % 3 {
			case 0:
				conn.(*net.TCPConn).SetLinger(0)
			case 1:
				conn.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, conn)
			}
			conn.Close()
		}
		require.Eventually(t, func() bool { return s.Conns() == 0 }, 20*time.Second, time.Millisecond)
		require.Equal(t, opens.Load(), closes.Load())
	})
}

// A refusal says why, also to a client that sends more than its request.
func TestRefusals(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		cfg.OnRequest = func(r *ws.Request, _ *Options) error {
			if string(r.Target) == "/panic" {
				panic("oh")
			}
			if string(r.Target) != "/" {
				return ws.RejectConnectionError(ws.RejectionStatus(404))
			}
			return nil
		}
		s, addr := serve(t, cfg, echo())
		const rest = "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
		for request, status := range map[string]string{
			"GET /nowhere HTTP/1.1\r\n" + rest + "\r\n":                             "404",
			"GET / HTTP/1.1\r\n" + rest + "Origin: http://evil.example\r\n\r\n":     "403",
			"GET / HTTP/1.1\r\n" + rest + "Origin: http://x\r\n\r\n":                "101",
			"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                                     "426",
			"garbage\r\n\r\n":                                                       "400",
			"GET / HTTP/1.1\r\nLong: " + strings.Repeat("x", 20<<10):                "431",
			"GET /" + strings.Repeat("x", 20<<10) + " HTTP/1.1\r\n" + rest + "\r\n": "414",
			"GET /panic HTTP/1.1\r\n" + rest + "\r\n":                               "",
		} {
			conn, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			conn.Write([]byte(request))
			line, _ := bufio.NewReader(conn).ReadString('\n')
			if status == "" {
				require.Empty(t, line)
			} else {
				require.Contains(t, line, " "+status+" ", "%.40q", request)
			}
			conn.Close()
		}
		require.Eventually(t, func() bool { return s.Conns() == 0 }, 20*time.Second, time.Millisecond)
	})
}

// A flooding connection gets one buffer in each iteration, like all others.
func TestFairness(t *testing.T) {
	inPoller(t, func(t *testing.T, cfg *Config) {
		cfg.ReceiveBuffer = 4 << 10
		var order []byte
		done := make(chan struct{})
		h := &Handler{Message: func(_ *Conn, _ ws.OpCode, p []byte) {
			order = append(order, p[0])
			if len(order) == 5001 {
				close(done)
			}
		}}
		s, addr := serve(t, cfg, h)
		flood, other := dial(t, addr), dial(t, addr)
		require.Eventually(t, func() bool { return s.Conns() == 2 }, 20*time.Second, time.Millisecond)
		arrived, release := make(chan struct{}), make(chan struct{})
		s.loops[0].do(func(*loop) { close(arrived); <-release })
		await(t, arrived)
		frames := bytes.Repeat(ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("flood")))), 5000)
		_, err := flood.Write(frames)
		require.NoError(t, err)
		other.text("other")
		close(release)
		await(t, done)
		frame := len(frames) / 5000
		require.LessOrEqual(t, bytes.IndexByte(order, 'o'), 3*cfg.ReceiveBuffer/frame)
	})
}

// A peer that resets its connection while nobody listens to it does not make
// the loop spin: no iteration sees an event of it.
func TestResetWhilePaused(t *testing.T) {
	inPoller(t, func(t *testing.T, cfg *Config) {
		paused := make(chan *Conn, 1)
		ends := make(chan End, 1)
		s, addr := serve(t, cfg, &Handler{
			Message: func(c *Conn, _ ws.OpCode, _ []byte) { c.Pause(); paused <- c },
			Close:   func(_ *Conn, end End) { ends <- end },
		})
		p := watch(t, s)
		c := dial(t, addr)
		c.text("pause")
		conn := await(t, paused)
		release := holdLoop(t, s) // after the iteration that has read the message
		c.Conn.(*net.TCPConn).SetLinger(0)
		c.Conn.Close()
		before := p.events[conn.id]
		require.NotZero(t, before)
		release()
		for range 10 { // iterations
			release = holdLoop(t, s)
			require.Equal(t, before, p.events[conn.id])
			release()
		}
		conn.Resume()
		require.Equal(t, ws.StatusAbnormalClosure, await(t, ends).Code)
	})
}
