package wstest

import (
	"context"
	"net"
	"sync"
)

// Listener is a [net.Listener] in memory, with connections as those of [Pipe]. An
// http.Server serves it, and DialContext is what an http.Transport or another dialer
// connects with.
type Listener struct {
	options *PipeOptions
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

// Listen returns a Listener whose connections have this shape; nil stands for none.
func Listen(o *PipeOptions) *Listener {
	return &Listener{options: o, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// DialContext connects to l, whatever address it is given. It waits for Accept until
// ctx ends or l is closed, which is net.ErrClosed.
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

// Accept waits for DialContext.
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

// Addr returns an address without a meaning.
func (l *Listener) Addr() net.Addr { return pipeAddr{} }
