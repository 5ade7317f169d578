package wstest

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// ErrInjected is the error of a [Fault] that names none.
var ErrInjected = errors.New("wstest: injected fault")

// FaultKind says what happens at the byte that a [Fault] names.
type FaultKind int

// The kinds of faults.
const (
	// FaultError makes the call fail that would pass the byte, and all behind it.
	FaultError FaultKind = iota

	// FaultCut closes the connection at the byte: the peer reads up to there.
	FaultCut

	// FaultBlock makes the call block that would pass the byte, until the connection is
	// closed or the call's deadline passes.
	FaultBlock
)

// Fault says when and how a connection fails. The bytes before the fault go through: a
// Write that reaches it is short. Counting begins with the first byte in each direction.
type Fault struct {
	Kind FaultKind

	// Write has the fault in what is written, and otherwise in what is read.
	Write bool

	// At is how many bytes go through before it.
	At int64

	// Err is what FaultError returns; nil for [ErrInjected].
	Err error
}

// InjectFault returns conn with a fault. The result may be used as conn may.
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

// room returns how many of n bytes go through.
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

// fail does what the fault says, and returns the error of the call.
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
