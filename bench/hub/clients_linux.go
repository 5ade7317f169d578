package main

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wskit/wskit/ws"
)

// clients are the connections of a run. One epoll reads them into one buffer.
// It counts frames, and reads the time in the payload on one of fifty
// connections.
type clients struct {
	poll   int
	conns  map[int32]*receiver
	all    []net.Conn
	buf    []byte
	frames int64
	late   []time.Duration // delays of the checked messages
}

// receiver counts the frames of a connection.
type receiver struct {
	head    []byte // incomplete header of a frame
	skip    int    // remaining bytes of the payload
	sampled bool
}

func newClients() (*clients, error) {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &clients{poll: poll, conns: make(map[int32]*receiver), buf: make([]byte, 256<<10)}, err
}

// dial opens a connection on a topic. A stalled one is never read.
func (c *clients) dial(addr, topic, hello string, compress, stalled bool) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	extension := ""
	if compress {
		extension = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
	}
	fmt.Fprintf(conn, "GET /?topic=%s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%s"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", topic, addr, extension)
	if err := readHead(conn, compress); err != nil {
		return err
	}
	if hello != "" {
		if _, err := conn.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte(hello))))); err != nil {
			return err
		}
	}
	c.all = append(c.all, conn)
	if stalled {
		return conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	r := &receiver{sampled: len(c.conns)%50 == 0}
	return raw.Control(func(fd uintptr) {
		c.conns[int32(fd)] = r
		err = unix.EpollCtl(c.poll, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	})
}

// readHead reads the response byte by byte, so that data after it is not lost.
func readHead(conn net.Conn, compress bool) error {
	var head [1024]byte
	n := 0
	for n < len(head) && !bytes.HasSuffix(head[:n], []byte("\r\n\r\n")) {
		k, err := conn.Read(head[n : n+1])
		if err != nil {
			return err
		}
		n += k
	}
	if !bytes.HasPrefix(head[:n], []byte("HTTP/1.1 101 ")) {
		return fmt.Errorf("the server answers %q", head[:n])
	}
	if compress && !bytes.Contains(head[:n], []byte("permessage-deflate")) {
		return fmt.Errorf("the server does not compress")
	}
	return nil
}

// lostError reports that frames did not arrive.
type lostError struct{ came, want int64 }

func (e *lostError) Error() string { return fmt.Sprintf("received %d of %d frames", e.came, e.want) }

// until reads until the given total number of frames has arrived. It returns a *lostError if nothing
// comes for ten seconds.
func (c *clients) until(frames int64) error {
	events := make([]unix.EpollEvent, 1024)
	for c.frames < frames {
		n, err := unix.EpollWait(c.poll, events, 10_000)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return &lostError{c.frames, frames}
		}
		for _, e := range events[:n] {
			c.read(e.Fd)
		}
	}
	return nil
}

func (c *clients) read(fd int32) {
	n, err := unix.Read(int(fd), c.buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err != nil || n == 0 {
		unix.EpollCtl(c.poll, unix.EPOLL_CTL_DEL, int(fd), nil)
		return
	}
	r, p := c.conns[fd], c.buf[:n]
	if r.sampled {
		c.look(p)
	}
	c.frames += r.count(p)
}

// look reads the times in p.
func (c *clients) look(p []byte) {
	now := time.Now().UnixNano()
	for {
		_, rest, found := bytes.Cut(p, []byte(`"at":"`))
		if !found || len(rest) < 19 {
			return
		}
		if at, err := strconv.ParseInt(string(rest[:19]), 10, 64); err == nil {
			c.late = append(c.late, time.Duration(now-at))
		}
		p = rest
	}
}

// count returns how many data frames begin in p.
func (r *receiver) count(p []byte) (frames int64) {
	for len(p) > 0 {
		if r.skip > 0 {
			n := min(r.skip, len(p))
			r.skip -= n
			p = p[n:]
			continue
		}
		if len(r.head) == 0 && len(p) >= 2 && p[1] < 126 { // the usual case
			if p[0]&0x0F < 8 {
				frames++
			}
			r.skip, p = int(p[1]), p[2:]
			continue
		}
		r.head = append(r.head, p[0])
		p = p[1:]
		if h, n, err := ws.ParseHeader(r.head); err == nil && n == len(r.head) {
			if !h.OpCode.IsControl() {
				frames++
			}
			r.skip, r.head = int(h.Length), r.head[:0]
		}
	}
	return frames
}

// percentile returns a percentile of the delays.
func (c *clients) percentile(p float64) time.Duration {
	if len(c.late) == 0 {
		return 0
	}
	slices.Sort(c.late)
	return c.late[min(int(float64(len(c.late))*p), len(c.late)-1)]
}

func (c *clients) close() {
	for _, conn := range c.all {
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
	unix.Close(c.poll)
}
