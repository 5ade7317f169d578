//go:build linux

package wsloop

import (
	"context"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// descriptors returns how many descriptors this process has.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries) - 1
}

// limitWithFree returns the limit under which this process gets n descriptors
// more.
func limitWithFree(n int) (limit uint64) {
	for ; n > 0; limit++ {
		if _, err := unix.FcntlInt(uintptr(limit), unix.F_GETFD, 0); err == unix.EBADF {
			n--
		}
	}
	return limit
}

// Without descriptors, no connected client is lost, the loop does not spin,
// waiting clients are served when others leave, and accepting continues.
func TestOutOfDescriptors(t *testing.T) {
	s, addr := serve(t, &Config{Loops: 1}, echo())
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	restore := func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) }
	defer restore()

	var served []*client
	for range 3 {
		c := dial(t, addr)
		c.text("x")
		c.want("x")
		served = append(served, c)
	}
	waiting := make([]net.Conn, 5) // dialed with descriptors of ours, before there are none
	lowered := limit
	lowered.Cur = limitWithFree(len(waiting))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lowered))
	stop := make(chan struct{})
	blocked := make(chan struct{})
	s.loops[0].do(func(*loop) { close(blocked); <-stop }) // so that none is accepted before
	<-blocked
	for i := range waiting {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		conn.Write([]byte(upgradeRequest))
		waiting[i] = conn
	}
	turns := s.Stats().Turns
	close(stop)
	for range 3 {
		for _, c := range served {
			c.text("still")
			c.want("still")
		}
	}
	delay := make(chan time.Duration)
	s.loops[0].do(func(l *loop) { delay <- l.acceptors[0].delay })
	require.NotZero(t, <-delay, "there were descriptors enough")
	require.Less(t, s.Stats().Turns-turns, uint64(1000), "the loop spins")
	for _, c := range served {
		c.Conn.Close()
	}
	restore() // and there are descriptors again
	for _, conn := range waiting {
		p := make([]byte, 12)
		_, err := conn.Read(p)
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 101", string(p))
	}
	c := dial(t, addr)
	c.text("x")
	c.want("x")
}

// A client that has waited for a second is refused with the descriptor in
// reserve.
func TestRefusesWithReserve(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	fd, _, err := duplicate(l)
	require.NoError(t, err)
	a := &acceptor{listening: &listening{s: new(Server), done: make(chan struct{})}, fd: fd, reserve: reserve()}
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	a.refuse()
	p := make([]byte, 12)
	_, err = conn.Read(p)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 503", string(p))
	require.GreaterOrEqual(t, a.reserve, 0)
	closeDescriptor(a.reserve)
	closeDescriptor(fd)
}

// No descriptor is left after sessions that end in any way.
func TestNoDescriptorLeft(t *testing.T) {
	round := func() {
		for _, set := range modes {
			cfg := &Config{Loops: 2}
			set(cfg)
			s, err := New(cfg, echo())
			require.NoError(t, err)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			done := make(chan error)
			go func() { done <- s.Serve(l) }()
			for i := range 20 {
				c := dial(t, l.Addr().String())
				c.text("x")
				c.want("x")
				switch i % 3 {
				case 0:
					c.Conn.Close()
				case 1:
					c.Conn.(*net.TCPConn).SetLinger(0)
					c.Conn.Close()
				default:
					defer c.Conn.Close()
				}
			}
			s.Close()
			require.ErrorIs(t, <-done, ErrServerClosed)
			require.NoError(t, s.Shutdown(t.Context()))
		}
	}
	round()
	before := descriptors(t)
	for range 3 {
		round()
	}
	require.LessOrEqual(t, descriptors(t), before)
}

// Serve of a closed server leaves no descriptor.
func TestServeAfterClose(t *testing.T) {
	s := start(t, &Config{Loops: 1}, nil)
	require.NoError(t, s.Shutdown(t.Context()))
	before := descriptors(t)
	for range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.ErrorIs(t, s.Serve(l), ErrServerClosed)
	}
	require.LessOrEqual(t, descriptors(t), before)
}

// SendWait returns when its message fits, not only when everything was written.
func TestSendWaitForRoom(t *testing.T) {
	const most = 1 << 20
	sent := make(chan int, 1) // messages that did not wait
	left := make(chan int, 1)
	h := &Handler{
		Open: func(c *Conn) { // so that the system holds little
			require.NoError(t, unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10))
		},
		Message: func(c *Conn, _ ws.OpCode, _ []byte) {
			message := make([]byte, 1000)
			n := 0
			for r := wsutil.SendSent; r.Taken(); {
				if r, _ = c.Send(ws.OpBinary, message); r == wsutil.SendSent {
					n++
				}
			}
			sent <- n
			c.Go(func() {
				if c.SendWait(context.Background(), ws.OpBinary, message) == nil {
					left <- c.Buffered()
				}
			})
		},
	}
	_, addr := serve(t, &Config{Loops: 1, Queue: wsutil.SendQueueOptions{MaxBytes: most, MaxMessages: -1, Policy: wsutil.SendDropNew}}, h)
	c := dial(t, addr)
	c.text("go")
	for range await(t, sent) + 100 { // of a thousand that wait
		c.next()
	}
	require.Greater(t, await(t, left), most/10)
}

// However much waits, and however fast the peer reads, an iteration of the loop
// writes a bounded part of it.
func TestFlushIsBounded(t *testing.T) {
	const wait = 256
	var conn *Conn
	var sent int
	h := &Handler{Open: func(c *Conn) { // so that the system takes more than that part
		require.NoError(t, unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20))
	}}
	cfg := &Config{Loops: 1, Queue: wsutil.SendQueueOptions{MaxBytes: -1, MaxMessages: -1}}
	c := stuck(t, cfg, h, func(c *Conn, n int) {
		conn, sent = c, n
		for range wait - 1 {
			c.Send(ws.OpBinary, make([]byte, 16<<10))
		}
	})
	release := holdLoop(t, conn.Server())
	for range sent - 1 { // makes room
		c.next()
	}
	before, written := conn.loop.bytesOut.Load(), make(chan uint64, 1)
	conn.loop.do(func(l *loop) { written <- l.bytesOut.Load() - before })
	release()
	const most = (maxWrites + 1) * (64<<10 + wait*ws.MaxHeaderSize)
	// Until then, the loop flushes at the end of this iteration, and for an event of
	// the next one.
	require.LessOrEqual(t, await(t, written), uint64(2*most))
	for range wait + 1 {
		require.Len(t, c.next().Payload, 16<<10)
	}
}

// A peer that reads slowly, but reads, does not stall: with TLS, the bytes that
// count are those of the socket.
func TestProgressWithTLS(t *testing.T) {
	const size = 4 << 20
	conns := make(chan *Conn, 1)
	h := &Handler{
		Open: func(c *Conn) {
			require.NoError(t, unix.SetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10))
		},
		Message: func(c *Conn, _ ws.OpCode, _ []byte) {
			c.Send(ws.OpBinary, make([]byte, size))
			conns <- c
		},
	}
	_, addr := serveTLS(t, &Config{Loops: 1, Queue: wsutil.SendQueueOptions{MaxBytes: -1}}, h)
	c := dialTLS(t, addr)
	raw := c.Conn.(interface{ NetConn() net.Conn }).NetConn()
	require.NoError(t, raw.(*net.TCPConn).SetReadBuffer(64<<10)) // so that it does not grow
	c.text("go")
	conn := await(t, conns)
	stalled := func() time.Duration {
		conn.mu.Lock()
		defer conn.mu.Unlock()
		return conn.stalled
	}
	require.Eventually(t, conn.isBlocked, 20*time.Second, time.Millisecond)
	before := stalled()
	_, err := io.CopyN(io.Discard, c.r, size/4)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return stalled() > before }, 20*time.Second, time.Millisecond)
}

// Five thousand peers that send half a frame hold up nobody. Each takes two
// descriptors of this process.
func TestHalfFrames5000(t *testing.T) {
	if race.Enabled || testing.Short() {
		t.Skip("TestHalfFrames does the same with fewer peers")
	}
	const peers = 5000
	var limit, raised syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	raised = limit
	raised.Cur = raised.Max
	if raised.Cur < 2*peers+200 {
		t.Skipf("ulimit -n allows for %d descriptors, and %d peers need %d", raised.Cur, peers, 2*peers+200)
	}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised))
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) })
	halfFrames(t, peers)
}
