package wstest

import (
	"context"
	"net"
	"sync"
)

// Listener is a [net.Listener] in memory, whose connections are like those of
// [Pipe]. An http.Server can serve it. An http.Transport or another dialer
// connects with DialContext.
type Listener struct {
	options *PipeOptions
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

// Listen returns a Listener whose connections have these options. o may be nil.
func Listen(o *PipeOptions) *Listener {
	return &Listener{options: o, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// DialContext connects to l and ignores the address. It waits until Accept
// takes the connection or ctx ends. If l is closed, it returns net.ErrClosed.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := Pipe(l.options)
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for a call of DialContext.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and DialContext. Connections stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns a placeholder address.
func (l *Listener) Addr() net.Addr { return pipeAddr{} }
