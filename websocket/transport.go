package websocket

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/wskit/wskit/internal/httpstream"
	"github.com/wskit/wskit/wsutil"
)

// Optional methods of a transport.
type (
	readDeadliner  interface{ SetReadDeadline(time.Time) error }
	writeDeadliner interface{ SetWriteDeadline(time.Time) error }
	writeCloser    interface{ CloseWrite() error }

	// handshaker is a TLS connection. After an interrupted write, no other
	// write can follow.
	handshaker interface{ HandshakeContext(context.Context) error }

	// secured is a TLS connection. Closing it sends an alert to the peer, which
	// may take seconds if the peer does not read.
	secured interface {
		handshaker
		NetConn() net.Conn
	}
)

// transport is the stream of bytes under a connection. Only the holder of the
// read lock reads from it, and only the holder of the write lock writes to it.
type transport struct {
	io.ReadWriteCloser
	socket *socket // for reads that wait without a buffer, or nil
}

// longAgo is a deadline that interrupts pending calls.
var longAgo = time.Unix(1, 0)

// interrupt ends pending reads or writes.
func (t *transport) interrupt(write bool) outcome {
	if t.setDeadline(write, longAgo) == nil {
		return interrupted
	}
	t.Close()
	return destroyed
}

// armRead prepares a transport for later calls of interrupt, if its reads
// cannot be interrupted otherwise.
func (t *transport) armRead() {
	if r, ok := t.ReadWriteCloser.(interface{ ArmRead() }); ok {
		r.ArmRead()
	}
}

// resume makes the transport usable again after interrupt.
func (t *transport) resume(write bool) { t.setDeadline(write, time.Time{}) }

func (t *transport) setDeadline(write bool, at time.Time) error {
	if write {
		if d, ok := t.ReadWriteCloser.(writeDeadliner); ok {
			return d.SetWriteDeadline(at)
		}
		return errNoDeadlines
	}
	if d, ok := t.ReadWriteCloser.(readDeadliner); ok {
		return d.SetReadDeadline(at)
	}
	return errNoDeadlines
}

// survivesInterrupt reports whether writes can continue after one that was
// interrupted before its first byte.
func (t *transport) survivesInterrupt() bool {
	_, tls := t.ReadWriteCloser.(handshaker)
	return !tls && !t.handlers()
}

// handlers reports whether the transport belongs to a handler.
func (t *transport) handlers() bool {
	_, ok := t.ReadWriteCloser.(*httpstream.Stream)
	return ok
}

// halfCloses reports whether the transport can close only its sending
// direction.
func (t *transport) halfCloses() bool {
	_, ok := t.ReadWriteCloser.(writeCloser)
	return ok
}

// closeWrite closes the sending direction of a transport for which halfCloses
// is true. Under TLS it also half-closes the connection below, because the
// alert ends only the records, and the peer may wait for the end of TCP.
func (t *transport) closeWrite() error {
	err := t.ReadWriteCloser.(writeCloser).CloseWrite()
	if tls, ok := t.ReadWriteCloser.(secured); ok && err == nil {
		if raw, ok := tls.NetConn().(writeCloser); ok {
			err = raw.CloseWrite()
		}
	}
	return err
}

// drop reads and discards data until the peer ends its side. A socket waits
// without a buffer.
func (t *transport) drop() {
	var err error
	if s := t.socket; s != nil {
		for err == nil {
			_, err = s.read(nil)
			s.lent.Free()
			s.lent, s.p = nil, nil
		}
		return
	}
	p := make([]byte, 512)
	for err == nil {
		_, err = readSome(t.ReadWriteCloser, p)
	}
}

// shut closes the transport. If polite is true, it first sends the alert of
// TLS, for at most a short time.
func (t *transport) shut(polite bool) {
	if s, ok := t.ReadWriteCloser.(*httpstream.Stream); ok {
		s.Finish(!polite)
		return
	}
	if tls, ok := t.ReadWriteCloser.(secured); ok {
		raw := tls.NetConn()
		if polite {
			defer time.AfterFunc(wsutil.LingerTime, func() { raw.Close() }).Stop()
		} else {
			raw.Close()
		}
	}
	t.Close()
}
