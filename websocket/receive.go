package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/wskit/wskit/wsutil"
)

// inputSize is how much one read takes from a socket, and most from another transport:
// the capacity of buffers of inputClass.
const (
	inputSize  = 64 << 10
	inputClass = 3
)

// errNoBuffer asks who reads for a buffer.
var errNoBuffer = errors.New("no buffer")

// fill receives into the input, which is empty. This is where a connection that has
// nothing to do waits: nothing is held, and the frames of the functions on the way here
// are to fit the smallest stack of a goroutine, with those below.
func (c *Conn) fill(ctx context.Context) error {
	if ctx.Done() == nil && !c.timed && c.transport.socket != nil && c.input == nil && c.failure.Load() == nil {
		err := c.transport.socket.Read(c.transport.ready)
		if err == nil && c.got > 0 {
			return nil
		}
		return c.fillAgain(ctx, err)
	}
	_, err := c.receive(ctx, nil)
	return err
}

// fillAgain goes on after a read of a socket that has got nothing.
func (c *Conn) fillAgain(ctx context.Context, err error) error {
	if err == nil && c.gotErr == errNoBuffer {
		newBuffer(inputSize).free()
		return c.fill(ctx)
	}
	_, err = c.gotten(err)
	return c.readFailed(err)
}

// receive reads from the transport into p, or if p is nil into the input, which is
// empty. It waits for at least one byte.
func (c *Conn) receive(ctx context.Context, p []byte) (int, error) {
	if f := c.failure.Load(); f != nil {
		return 0, f.read
	}
	if c.input != nil { // nobody waits with a buffer
		c.shrinkInput()
	}
	if ctx.Done() == nil && !c.timed {
		n, err := c.readTransport(p)
		if err != nil {
			return 0, c.readFailed(err)
		}
		return n, nil
	}
	return c.receiveTimed(ctx, p)
}

// receiveTimed is receive under a context that may end, or with a time to keep.
func (c *Conn) receiveTimed(ctx context.Context, p []byte) (int, error) {
	if ctx.Err() != nil {
		return 0, c.readEnded(ctx, interrupted)
	}
	watched := ctx.Done() != nil
	if watched {
		c.readWatch.begin(ctx, c, false)
	}
	c.waits()
	n, err := c.readTransport(p)
	c.heardOf(n)
	how := undisturbed
	if watched {
		how = c.readWatch.finish()
	}
	if err == nil && how != destroyed {
		return n, nil
	}
	if how != undisturbed && c.failure.Load() == nil {
		return 0, c.readEnded(ctx, how)
	}
	return 0, c.readFailed(err)
}

// readTransport reads into p, or into the input if p is nil. Either n > 0, or err is set.
func (c *Conn) readTransport(p []byte) (n int, err error) {
	if c.transport.socket != nil {
		return c.readSocket(p)
	}
	if p != nil {
		return readSome(c.transport.ReadWriteCloser, p)
	}
	return c.readBuffer()
}

// readSocket is readTransport for a socket.
func (c *Conn) readSocket(p []byte) (int, error) {
	c.in = p
	err := c.transport.socket.Read(c.transport.ready)
	for err == nil && c.gotErr == errNoBuffer {
		newBuffer(inputSize).free()
		err = c.transport.socket.Read(c.transport.ready)
	}
	if p != nil {
		c.in = nil
	}
	return c.gotten(err)
}

// gotten returns what a read of the socket has come to, which err has ended, if anything.
func (c *Conn) gotten(err error) (int, error) {
	switch {
	case err != nil:
		return 0, err
	case c.gotErr != nil:
		return 0, c.gotErr
	case c.got == 0:
		return 0, io.EOF
	}
	return c.got, nil
}

// readBuffer is readTransport for another transport than a socket, into the input.
func (c *Conn) readBuffer() (int, error) {
	b := newBuffer(c.step)
	n, err := readSome(c.transport.ReadWriteCloser, b.all())
	if n == 0 {
		b.free()
		return 0, err
	}
	c.input, c.in = b, b.all()[:n]
	c.adapt(n, cap(b.b))
	return n, nil
}

// adapt has the next read ask for more if this one got all it asked for, and for less
// if it got little: what waits, waits with a small buffer. The end of a frame that was
// cut says nothing about the next one.
func (c *Conn) adapt(n, asked int) {
	switch {
	case n == asked:
		c.step = min(4*asked, inputSize)
	case n < asked/4 && c.protocol.Outstanding() == 0:
		c.step = asked / 4
	}
}

// readSome reads at least one byte. An error that comes with bytes comes again.
func readSome(r io.Reader, p []byte) (n int, err error) {
	for range 100 {
		n, err = r.Read(p)
		if n > 0 {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// readEnded is what a read returns whose context has ended.
func (c *Conn) readEnded(ctx context.Context, how outcome) error {
	switch {
	case c.half && how != destroyed && c.stream != nil && c.stream.resumable:
	case c.half:
		c.protocol.EOF()
		c.fail(failure{err: contextError(ctx, withinMessage), drop: true})
		return c.failure.Load().read
	case how == destroyed:
		c.fail(failure{err: contextError(ctx, withoutDeadlines), drop: true})
		return c.failure.Load().read
	}
	return &opError{"read", contextError(ctx, stillOpen)}
}

// readFailed ends the connection because of an error of the transport's.
func (c *Conn) readFailed(err error) error {
	end := c.protocol.EOF()
	if err == io.EOF && errors.Is(end, io.ErrUnexpectedEOF) {
		err = io.ErrUnexpectedEOF
	}
	c.fail(failure{err: fmt.Errorf("the peer is gone without a close frame: %w", err)})
	return c.failure.Load().read
}

// next returns the next chunk of a message, of which there is one for each call. Control
// frames are answered on the way. What it returns is valid until the input is read again.
func (c *Conn) next(ctx context.Context) (wsutil.Event, error) {
	for {
		if len(c.in) == 0 {
			if err := c.fill(ctx); err != nil {
				return wsutil.Event{}, err
			}
		}
		if !c.half && c.most != c.limit.Load() {
			c.takeLimit()
		}
		ev, n, err := c.protocol.Next(c.in)
		c.in = c.in[n:]
		switch {
		case err == io.ErrUnexpectedEOF:
		case err != nil:
			return wsutil.Event{}, c.peerFault(ctx, err)
		case ev.OpCode.IsControl():
			if err := c.control(ctx, ev); err != nil {
				return wsutil.Event{}, err
			}
		default:
			c.half = !ev.Last()
			return ev, nil
		}
	}
}
