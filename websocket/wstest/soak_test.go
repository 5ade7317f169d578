package wstest_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
)

var (
	soakFor   = flag.Duration("soak", 0, "how long the soak run opens connections; 0 for a few hundred in all")
	soakConns = flag.Int("soak.conns", 50, "how many connections of the soak run are open at once")
	soakSeed  = flag.Uint64("soak.seed", 1, "where the random operations of the soak run begin")
)

// TestSoak opens connections, does random things on them and ends them in
// random ways, also by force and from either side. No message may be lost or
// come out of order, and in the end goroutines, memory and descriptors are back
// where they were.
func TestSoak(t *testing.T) {
	before := rest()
	s := newSoakServer()
	total := soakConnections(t, s.url())
	s.stop()
	after := rest()
	for range 600 {
		if after.goroutines <= before.goroutines && after.descriptors <= before.descriptors {
			break
		}
		time.Sleep(50 * time.Millisecond) // the network stack's own pace
		after = rest()
	}
	require.LessOrEqual(t, after.goroutines, before.goroutines, "goroutines are left")
	require.LessOrEqual(t, after.descriptors, before.descriptors, "descriptors are left")
	t.Logf("%d connections, %d messages, %d ended by force; %+v before, %+v after", total.conns.Load(), total.messages.Load(), total.killed.Load(), before, after)
	require.Less(t, after.heap, before.heap+8<<20, "heap")
	require.NotZero(t, total.messages.Load())
	require.NotZero(t, total.killed.Load())
}

type soakTotal struct {
	conns, messages, killed atomic.Int64
}

func soakConnections(t *testing.T, url string) *soakTotal {
	total := new(soakTotal)
	var all sync.WaitGroup
	stop := time.Now().Add(*soakFor)
	for worker := range *soakConns {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(*soakSeed, uint64(worker)))
			for i := 0; i < 6 || *soakFor > 0 && time.Now().Before(stop); i++ {
				total.conns.Add(1)
				c := soakClient{rng: rng, total: total}
				if err := c.run(url); err != nil {
					t.Errorf("connection %d of worker %d: %v", i, worker, err)
					return
				}
			}
		})
	}
	all.Wait()
	return total
}

// resources are what has to be given back.
type resources struct {
	goroutines, descriptors int
	heap                    uint64
}

func rest() (r resources) {
	http.DefaultClient.CloseIdleConnections()
	for range 3 { // a pool lets go of its buffers in the second one
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.heap, r.goroutines = m.HeapAlloc, runtime.NumGoroutine()
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		r.descriptors = len(fds)
	}
	return r
}

// soakServer echoes. When a message says so it ends the connection by force.
type soakServer struct {
	*httptest.Server
	handlers sync.WaitGroup
}

const killMe = "kill me"

var modes = []websocket.CompressionMode{
	websocket.CompressionDisabled, websocket.CompressionNoContextTakeover, websocket.CompressionContextTakeover,
}

func newSoakServer() *soakServer {
	s := new(soakServer)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handlers.Add(1)
		defer s.handlers.Done()
		mode := modes[int(r.URL.Query().Get("mode")[0]-'0')]
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: mode, CompressionThreshold: 1})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(1 << 20)
		for {
			typ, p, err := c.Read(context.Background())
			if err != nil || string(p) == killMe {
				return
			}
			if c.Write(context.Background(), typ, p) != nil {
				return
			}
		}
	}))
	return s
}

func (s *soakServer) url() string { return "ws" + strings.TrimPrefix(s.URL, "http") }

func (s *soakServer) stop() {
	s.handlers.Wait()
	s.Close()
}

// soakClient is one connection.
type soakClient struct {
	rng   *rand.Rand
	total *soakTotal

	mu   sync.Mutex
	sent [][]byte // not yet come back, in order
}

func (c *soakClient) run(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var socket net.Conn
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		socket = conn
		return conn, err
	}}}
	opts := &websocket.DialOptions{HTTPClient: client, CompressionMode: modes[c.rng.IntN(len(modes))], CompressionThreshold: 1}
	conn, _, err := websocket.Dial(ctx, fmt.Sprintf("%s/?mode=%d", url, c.rng.IntN(len(modes))), opts)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(1 << 20)
	received := make(chan error, 1)
	go func() { received <- c.receive(ctx, conn) }()
	for n := range c.rng.IntN(20) {
		if err := c.send(ctx, conn, n); err != nil {
			return err
		}
		if c.rng.IntN(8) == 0 {
			if err := conn.Ping(ctx); err != nil {
				return err
			}
		}
	}
	return c.end(ctx, conn, socket, received)
}

// send sends a message of random size, in one piece or several.
func (c *soakClient) send(ctx context.Context, conn *websocket.Conn, n int) error {
	p := make([]byte, 8+c.rng.IntN(1<<c.rng.IntN(17)))
	for i := range p {
		p[i] = byte(c.rng.UintN(1 << (1 + c.rng.IntN(8))))
	}
	binary.BigEndian.PutUint64(p, uint64(n))
	c.mu.Lock()
	c.sent = append(c.sent, p)
	c.mu.Unlock()
	if c.rng.IntN(2) == 0 {
		return conn.Write(ctx, websocket.MessageBinary, p)
	}
	w, err := conn.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		return err
	}
	for rest := p; len(rest) > 0; {
		k := 1 + c.rng.IntN(len(rest))
		if _, err := w.Write(rest[:k]); err != nil {
			return err
		}
		rest = rest[k:]
	}
	return w.Close()
}

// receive holds what comes back against what was sent.
func (c *soakClient) receive(ctx context.Context, conn *websocket.Conn) error {
	for {
		_, p, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		c.mu.Lock()
		if len(c.sent) == 0 || !bytes.Equal(p, c.sent[0]) {
			c.mu.Unlock()
			return errOutOfOrder
		}
		c.sent = c.sent[1:]
		c.mu.Unlock()
		c.total.messages.Add(1)
	}
}

var errOutOfOrder = errors.New("a message is lost, changed or out of order")

// end ends the connection in one of the ways in which they end.
func (c *soakClient) end(ctx context.Context, conn *websocket.Conn, socket net.Conn, received chan error) error {
	way := c.rng.IntN(6)
	switch way {
	case 0, 1: // by the handshake, with everything received
		if err := c.drain(ctx, conn); err != nil {
			return err
		}
		if err := conn.Close(websocket.StatusNormalClosure, "done"); err != nil {
			return fmt.Errorf("close: %w", err)
		}
	case 2: // by the handshake, with messages in flight
		if err := conn.Close(websocket.StatusNormalClosure, "early"); err != nil {
			return fmt.Errorf("early close: %w", err)
		}
	case 3:
		c.total.killed.Add(1)
		conn.CloseNow()
	case 4:
		c.total.killed.Add(1)
		socket.(*net.TCPConn).SetLinger(0)
		socket.Close()
	case 5:
		c.total.killed.Add(1)
		if err := conn.Write(ctx, websocket.MessageText, []byte(killMe)); err != nil {
			return err
		}
	}
	err := <-received
	if errors.Is(err, errOutOfOrder) || err == nil || ctx.Err() != nil {
		return fmt.Errorf("end %d: %w", way, err)
	}
	if way < 2 && len(c.sent) > 0 {
		return fmt.Errorf("%d messages are lost: %w", len(c.sent), err)
	}
	return nil
}

// drain waits until all messages have been echoed: the pong comes after them.
func (c *soakClient) drain(ctx context.Context, conn *websocket.Conn) error {
	for {
		c.mu.Lock()
		left := len(c.sent)
		c.mu.Unlock()
		if left == 0 {
			return nil
		}
		if err := conn.Ping(ctx); err != nil {
			return fmt.Errorf("%d messages under way: %w", left, err)
		}
	}
}
