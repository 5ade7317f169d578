package wsh2

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// conn is a client connection of HTTP/2 that carries only extended CONNECT
// (receive.go, send.go, stream.go). Its reader handles one frame after another
// and never waits for the writer, which writes the content of out. mu guards
// the fields below it and all streams. It is not held during I/O.
type conn struct {
	t    *Transport
	pool *pool
	nc   net.Conn

	reader *http2.Framer // belongs to the goroutine that reads
	input  *bufio.Reader

	ready chan struct{} // closed after the server's first SETTINGS, and at the end

	mu     sync.Mutex
	err    error // why the connection ended
	health *time.Timer
	idle   *time.Timer // runs while there are no streams
	heard  bool        // a frame arrived since the timer fired last
	pinged bool        // a PING was sent, and nothing arrived since

	streams map[uint32]*stream // open ones
	active  int                // streams that are open, being opened, or reserved
	nextID  uint32             // of the next stream
	leaving bool               // the server has sent GOAWAY, or no stream IDs are left

	// Limits of the server.
	settled       bool // its first SETTINGS have arrived
	extended      bool // it accepts extended CONNECT
	maxStreams    uint32
	maxFrame      uint32
	maxHeaderList uint32
	initialWindow int64

	// Receiving: window is how many bytes the server may still send, and credit
	// how many bytes are not yet returned to its window.
	window, credit int

	// Sending.
	out        bytes.Buffer // encoded frames
	answers    int          // bytes of out that answer the server
	writer     *http2.Framer
	flush      sync.Cond // out is not empty, or err is set
	fields     *hpack.Encoder
	block      bytes.Buffer // output of the header encoder
	sendWindow int64
	requests   []*stream // with a request to send
	queue      []*stream // with bytes to send and a window for them
}

const (
	maxWindow     = 1<<31 - 1 // RFC 9113, section 6.9.1
	initialWindow = 1<<16 - 1 // section 6.5.2
	minFrame      = 1 << 14   // section 4.2: every peer accepts this
	maxStreamID   = 1<<31 - 1

	// Limits of out: frames of streams fill it up to maxOut, and answers to the
	// server may add maxAnswers. A request is never split.
	maxOut     = 64 << 10
	maxAnswers = 64 << 10

	// The maximum frame size in both directions, if the server accepts it: 32
	// KiB with the header of a WebSocket frame. Streams take turns after each
	// frame.
	largestFrame = 32<<10 + 64
)

// newConn starts HTTP/2 on a connection (RFC 9113, section 3.4).
func newConn(t *Transport, p *pool, nc net.Conn) *conn {
	c := &conn{
		t: t, pool: p, nc: nc,
		input:   bufio.NewReader(nc),
		ready:   make(chan struct{}),
		streams: make(map[uint32]*stream),
		nextID:  1, maxStreams: maxStreamID, maxFrame: minFrame, maxHeaderList: 1<<32 - 1,
		initialWindow: initialWindow, sendWindow: initialWindow, window: t.connWindow(),
	}
	c.flush.L = &c.mu
	c.reader = http2.NewFramer(nil, c.input)
	c.reader.SetReuseFrames()
	c.reader.SetMaxReadFrameSize(largestFrame)
	c.reader.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.reader.MaxHeaderListSize = uint32(t.headerBytes())
	c.writer = http2.NewFramer(&c.out, nil)
	c.fields = hpack.NewEncoder(&c.block)

	c.out.WriteString(http2.ClientPreface)
	c.writer.WriteSettings(
		http2.Setting{ID: http2.SettingEnablePush, Val: 0},
		http2.Setting{ID: http2.SettingMaxFrameSize, Val: largestFrame},
		http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(t.streamWindow())},
		http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(t.headerBytes())},
	)
	if more := c.window - initialWindow; more > 0 {
		c.writer.WriteWindowUpdate(0, uint32(more))
	}
	t.running.Add(2)
	go c.read()
	go c.write()
	return c
}

// connWindow is the receive window of a connection. Received bytes are returned
// to it immediately, so that it limits only data in flight. The sum of the
// windows of the streams limits the memory.
func (t *Transport) connWindow() int {
	return max(initialWindow, min(4*min(t.streamWindow(), maxWindow/4), maxWindow))
}

// awaitSettings waits for the server's SETTINGS. On an error the connection is
// closed.
func (c *conn) awaitSettings(ctx context.Context) error {
	select {
	case <-c.ready:
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
	case !c.settled:
		c.fail(fmt.Errorf("no SETTINGS from the server: %w", contextError(ctx)))
	case !c.extended:
		c.fail(errNotExtended)
	default:
		c.rest()
		c.watch(limitTime(c.t.PingInterval, defaultPingInterval))
		return nil
	}
	return c.err
}

// limitTime returns the effective limit for d. 0 means none.
func limitTime(d, byDefault time.Duration) time.Duration {
	if d == 0 {
		return byDefault
	}
	return max(d, 0)
}

// reservation is the outcome of reserve.
type reservation int

const (
	reserved  reservation = iota
	full                  // for now
	forbidden             // the server allows no streams at all for now
)

// reserve reserves one stream.
func (c *conn) reserve() reservation {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil || c.leaving:
		return full
	case c.maxStreams == 0:
		return forbidden
	case c.active >= min(c.t.maxStreams(), int(min(c.maxStreams, maxStreamID))):
		return full
	}
	c.active++
	if c.idle != nil {
		c.idle.Stop()
	}
	return reserved
}

// release releases a reserved stream. c.mu is held.
func (c *conn) release() {
	c.active--
	c.rest()
	c.pool.changed.tell()
}

// rest ends a connection without streams, immediately or after IdleTimeout.
func (c *conn) rest() {
	d := limitTime(c.t.IdleTimeout, defaultIdleTimeout)
	switch {
	case c.active > 0 || c.err != nil:
	case c.leaving:
		c.fail(errIdle)
	case d == 0:
	case c.idle == nil:
		c.idle = time.AfterFunc(d, c.expire)
	default:
		c.idle.Reset(d)
	}
}

func (c *conn) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active == 0 {
		c.fail(errIdle)
	}
}

// watch makes the timer check the server after d. 0 means no check.
func (c *conn) watch(d time.Duration) {
	if d == 0 {
		return
	}
	if c.health == nil {
		c.health = time.AfterFunc(d, c.examine)
	} else {
		c.health.Reset(d)
	}
}

func (c *conn) examine() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
	case c.heard:
		c.heard = false
		c.watch(limitTime(c.t.PingInterval, defaultPingInterval))
	case c.pinged:
		c.fail(&timeoutError{"the server does not answer a PING"})
	default:
		c.pinged = true
		c.writer.WritePing(false, [8]byte{'w', 's', 'h', '2'})
		c.flush.Signal()
		c.watch(limitTime(c.t.PingTimeout, defaultPingTimeout))
	}
}

// timeoutError is a [net.Error].
type timeoutError struct{ reason string }

func (e *timeoutError) Error() string   { return e.reason }
func (e *timeoutError) Timeout() bool   { return true }
func (e *timeoutError) Temporary() bool { return false }

// fail ends the connection and its streams. If the server is at fault, it sends
// GOAWAY with the code. c.mu is held.
func (c *conn) fail(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	code := http2.ErrCodeNo
	if fault, ok := errors.AsType[*faultError](err); ok {
		code = fault.code
	}
	c.writer.WriteGoAway(0, code, nil) // the server has opened no streams
	for _, s := range c.requests {
		s.end(&unprocessedError{err})
	}
	for _, s := range c.streams {
		s.end(err)
	}
	c.requests, c.queue = nil, nil
	for _, timer := range []*time.Timer{c.idle, c.health} {
		if timer != nil {
			timer.Stop()
		}
	}
	if !c.settled {
		close(c.ready)
	}
	c.nc.SetWriteDeadline(time.Now().Add(farewell)) // also ends a write in progress
	c.flush.Signal()
}

// farewell limits the time to write the last frames.
const farewell = time.Second
