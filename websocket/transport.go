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

	// handshaker is a TLS connection. A write of it that was interrupted cannot be
	// followed by another one.
	handshaker interface{ HandshakeContext(context.Context) error }

	// secured is a TLS connection. To close one sends an alert to the peer, which
	// may take seconds if that does not read.
	secured interface {
		handshaker
		NetConn() net.Conn
	}
)

// transport is the stream of bytes under a connection. Reads belong to the holder of
// the read lock, writes to the holder of the write lock.
type transport struct {
	io.ReadWriteCloser
	socket *socket // whose reads wait without a buffer, or nil
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

// armRead tells a transport whose reads cannot be interrupted by themselves that they
// have to be from now on.
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

// halfCloses reports whether the transport can close only its writing side.
func (t *transport) halfCloses() bool {
	_, ok := t.ReadWriteCloser.(writeCloser)
	return ok
}

// closeWrite ends the sending of a transport that halfCloses. Under TLS, so does the
// connection below: the alert ends no more than the records, and a peer that waits
// for the end of TCP would wait on.
func (t *transport) closeWrite() error {
	err := t.ReadWriteCloser.(writeCloser).CloseWrite()
	if tls, ok := t.ReadWriteCloser.(secured); ok && err == nil {
		if raw, ok := tls.NetConn().(writeCloser); ok {
			err = raw.CloseWrite()
		}
	}
	return err
}

// drop reads and drops what arrives until the peer ends its side. A socket waits
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

// shut closes the transport. polite says that the alert of TLS is to go out, if that
// does not take long.
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
