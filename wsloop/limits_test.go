package wsloop

import (
	"bufio"
	"net"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/heap"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// A client above a limit is refused. After another one has left, there is room
// again.
func TestMaxConns(t *testing.T) {
	for name, set := range map[string]func(*Config){
		"in all":   func(cfg *Config) { cfg.MaxConns = 2 },
		"per addr": func(cfg *Config) { cfg.MaxConnsPerAddr = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			inModes(t, func(t *testing.T, cfg *Config) {
				set(cfg)
				s, addr := serve(t, cfg, echo())
				a, b := dial(t, addr), dial(t, addr)
				a.text("x")
				a.want("x")
				b.text("x")
				b.want("x")
				refused, err := net.Dial("tcp", addr)
				require.NoError(t, err)
				defer refused.Close()
				refused.SetDeadline(time.Now().Add(20 * time.Second))
				line, err := bufio.NewReader(refused).ReadString('\n')
				require.NoError(t, err)
				require.Contains(t, line, " 503 ")
				refused.Close()
				a.Conn.Close()
				require.Eventually(t, func() bool { return s.Conns() == 1 }, 20*time.Second, time.Millisecond)
				c := dial(t, addr)
				c.text("x")
				c.want("x")
			})
		})
	}
}

// A message in and out costs no allocation.
func TestAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	_, addr := serve(t, &Config{Loops: 1}, echo())
	c := dial(t, addr)
	frame := ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame(make([]byte, 64))))
	answer := make([]byte, 66)
	exchange := func() {
		if _, err := c.Write(frame); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(answer); {
			m, err := c.Read(answer[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
	}
	c.text("first")
	c.want("first")
	c.SetDeadline(time.Time{})
	for range 100 {
		exchange()
	}
	require.Less(t, testing.AllocsPerRun(1000, exchange), 0.5)
}

// The size of the struct of a connection on a 64-bit system.
func TestConnSize(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) < 8 {
		t.Skip("for 64-bit systems")
	}
	require.LessOrEqual(t, unsafe.Sizeof(Conn{}), uintptr(320))
}

// Idle connections hold little memory, and nothing after their end: no
// descriptor, no goroutine, no heap.
func TestIdleMemory(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector needs memory of its own")
	}
	const n = 1000
	s, addr := serve(t, &Config{Loops: 1}, echo())
	conns := make([]net.Conn, n)
	frame := ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame(make([]byte, 64))))
	answer := make([]byte, 1<<10)
	connect := func() {
		for i := range conns {
			conn, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			conn.Write(append([]byte(upgradeRequest), frame...))
			for n := 0; n < 129+66; { // the answer, and the echo
				m, err := conn.Read(answer[:])
				require.NoError(t, err)
				n += m
			}
			conns[i] = conn
		}
	}
	disconnect := func() {
		for _, c := range conns {
			c.Close()
		}
		require.Eventually(t, func() bool { return s.Conns() == 0 }, 20*time.Second, time.Millisecond)
	}
	connect()
	disconnect()
	goroutines, before := runtime.NumGoroutine(), heap.InUse()
	connect()
	held := heap.InUse()
	for _, l := range s.loops {
		done := make(chan struct{})
		l.do(func(l *loop) {
			for _, c := range l.slots {
				if c != nil && (c.out != nil || c.stash != nil || c.queue != nil || c.rare != nil) {
					t.Error("a connection that waits holds more than itself")
				}
			}
			close(done)
		})
		<-done
	}
	disconnect()
	require.LessOrEqual(t, runtime.NumGoroutine(), goroutines+2)
	// The clients of the test are in the same heap, so their memory is
	// included.
	t.Log((held-before)/n, "bytes a connection, with that of the client")
	require.Less(t, (held-before)/n, int64(1500))
	require.Less(t, heap.InUse()-before, int64(100<<10))
}

// A handler decides by the request: its path, its fields, and its subprotocol.
func TestOnRequest(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		other := &Handler{Open: func(c *Conn) {
			c.Send(ws.OpText, []byte(ValueOf[string](c)+" "+c.Subprotocol()))
		}}
		cfg.Upgrader.Protocol = func(p []byte) bool { return string(p) == "chat.v2" }
		cfg.OnRequest = func(r *ws.Request, o *Options) error {
			if string(r.Target) == "/chat" {
				o.Handler = other
				o.Value = "for " + string(r.Host)
				o.Header = ws.HandshakeHeaderString("X-Room: 7\r\n")
			}
			return nil
		}
		_, addr := serve(t, cfg, echo())
		var room string
		d := ws.Dialer{Protocols: []string{"chat.v1", "chat.v2"}, OnHeader: func(key, value []byte) error {
			if string(key) == "X-Room" {
				room = string(value)
			}
			return nil
		}}
		conn, br, hs, err := d.Dial(t.Context(), "ws://"+addr+"/chat")
		require.NoError(t, err)
		defer conn.Close()
		require.Equal(t, "chat.v2", hs.Protocol)
		require.Equal(t, "7", room)
		if br == nil {
			br = bufio.NewReader(conn)
		}
		c := &client{t: t, Conn: conn, r: br}
		c.want("for " + addr + " chat.v2")
	})
}

// The counters tell what has happened.
func TestStats(t *testing.T) {
	s, addr := serve(t, &Config{Loops: 2}, echo())
	c := dial(t, addr)
	for range 10 {
		c.text("four")
		c.want("four")
	}
	require.Eventually(t, func() bool { return s.Stats().MessagesIn == 10 }, 20*time.Second, time.Millisecond)
	st := s.Stats()
	require.Equal(t, 1, st.Conns)
	require.EqualValues(t, 1, st.Accepted)
	require.EqualValues(t, 10, st.MessagesOut)
	require.GreaterOrEqual(t, st.BytesIn, uint64(10*10))
	require.GreaterOrEqual(t, st.BytesOut, uint64(10*6))
	require.NotZero(t, st.Turns)
	require.NotZero(t, st.LongestTurn)
}

// All messages that one iteration sends to a connection are one write, from any
// sender.
func TestCorking(t *testing.T) {
	var other *Conn
	writes := make(chan int, 100)
	h := &Handler{
		Open: func(c *Conn) {
			if other == nil {
				other = c
			}
		},
		Message: func(c *Conn, op ws.OpCode, p []byte) {
			for range 10 {
				c.Send(op, p)
				other.Send(op, p)
			}
		},
	}
	s := start(t, &Config{Loops: 1, Goroutines: true}, h)
	var peers [2]*client
	for i := range peers {
		a, b := socketPair(t)
		_, err := s.Attach(&countedWrites{b, writes}, nil, ws.Handshake{}, ws.StateServerSide, nil)
		require.NoError(t, err)
		peers[i] = &client{t: t, Conn: a, r: bufio.NewReader(a)}
		if i == 0 {
			require.Eventually(t, func() bool { return s.Stats().Turns > 0 }, 20*time.Second, time.Millisecond)
		}
	}
	peers[1].send(ws.NewTextFrame([]byte("abcd")), ws.NewTextFrame([]byte("efgh")))
	for _, c := range peers {
		for range 20 {
			c.next()
		}
	}
	require.Equal(t, 20*6, <-writes)
	require.Equal(t, 20*6, <-writes)
}

type countedWrites struct {
	net.Conn
	writes chan int
}

func (c *countedWrites) Write(p []byte) (int, error) {
	c.writes <- len(p)
	return c.Conn.Write(p)
}

// A prepared message is sent to all, whatever they have agreed on.
func TestSendPrepared(t *testing.T) {
	m, err := wsutil.NewPreparedMessage(ws.OpText, []byte("to all"))
	require.NoError(t, err)
	inModes(t, func(t *testing.T, cfg *Config) {
		_, addr := serve(t, cfg, &Handler{Message: func(c *Conn, _ ws.OpCode, _ []byte) {
			r, err := c.SendPrepared(m)
			require.NoError(t, err)
			require.True(t, r.Taken()) // it waits, if the answer of the handshake is being written
		}})
		c := dial(t, addr)
		c.text("x")
		c.want("to all")
	})
}

const upgradeRequest = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
