package wstest

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// ErrInjected is the error of a [Fault] without an Err.
var ErrInjected = errors.New("wstest: injected fault")

// FaultKind says what happens at the position of a [Fault].
type FaultKind int

// The kinds of faults.
const (
	// FaultError fails the call that would pass the byte, and all later calls.
	FaultError FaultKind = iota

	// FaultCut closes the connection at the byte. The peer reads the bytes
	// before it.
	FaultCut

	// FaultBlock blocks the call that would pass the byte, until the connection
	// is closed or the deadline of the call passes.
	FaultBlock
)

// Fault describes when and how a connection fails. The bytes before the fault
// pass, so a Write that reaches it is short. Bytes are counted from the first
// one in each direction.
type Fault struct {
	Kind FaultKind

	// Write puts the fault into writes instead of reads.
	Write bool

	// At is the number of bytes before the fault.
	At int64

	// Err is the error of FaultError. If it is nil, the error is [ErrInjected].
	Err error
}

// InjectFault returns conn with a fault. The result supports the same
// concurrency as conn.
func InjectFault(conn net.Conn, f Fault) net.Conn {
	if f.Err == nil {
		f.Err = ErrInjected
	}
	c := &faultyConn{Conn: conn, fault: f, left: f.At}
	c.changed.L = &c.mu
	c.deadline.changed = &c.changed
	return c
}

type faultyConn struct {
	net.Conn
	fault Fault

	mu       sync.Mutex
	changed  sync.Cond
	left     int64 // bytes before the fault
	closed   bool
	deadline deadline // of the direction of the fault
}

func (c *faultyConn) Read(p []byte) (int, error) {
	if c.fault.Write || len(p) == 0 {
		return c.Conn.Read(p)
	}
	room := c.room(len(p))
	if room == 0 {
		return 0, c.fail()
	}
	n, err := c.Conn.Read(p[:room])
	c.pass(n)
	return n, err
}

func (c *faultyConn) Write(p []byte) (int, error) {
	if !c.fault.Write || len(p) == 0 {
		return c.Conn.Write(p)
	}
	room := c.room(len(p))
	n, err := 0, error(nil)
	if room > 0 {
		n, err = c.Conn.Write(p[:room])
		c.pass(n)
	}
	if err == nil && n < len(p) {
		err = c.fail()
	}
	return n, err
}

// room returns how many of n bytes pass.
func (c *faultyConn) room(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(min(int64(n), c.left))
}

func (c *faultyConn) pass(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left -= int64(n)
}

// fail executes the fault and returns the error of the call.
func (c *faultyConn) fail() error {
	switch c.fault.Kind {
	case FaultCut:
		c.Close()
		return net.ErrClosed
	case FaultBlock:
		return c.block()
	}
	return c.fault.Err
}

func (c *faultyConn) block() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && !c.deadline.passed {
		c.changed.Wait()
	}
	if c.closed {
		return net.ErrClosed
	}
	return os.ErrDeadlineExceeded
}

func (c *faultyConn) Close() error {
	c.mu.Lock()
	c.closed = true
	c.changed.Broadcast()
	c.mu.Unlock()
	return c.Conn.Close()
}

func (c *faultyConn) SetDeadline(t time.Time) error {
	c.deadline.set(t)
	return c.Conn.SetDeadline(t)
}

func (c *faultyConn) SetReadDeadline(t time.Time) error {
	if !c.fault.Write {
		c.deadline.set(t)
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *faultyConn) SetWriteDeadline(t time.Time) error {
	if c.fault.Write {
		c.deadline.set(t)
	}
	return c.Conn.SetWriteDeadline(t)
}
