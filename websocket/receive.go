package websocket

import (
	"context"
	"fmt"
	"io"

	"github.com/wskit/wskit/internal/bufpool"
)

// fill receives into the empty input. An idle connection waits here: it holds
// no memory, and the stack frames of fill, its callers and its callees fit in
// the smallest stack of a goroutine.
func (c *Conn) fill(ctx context.Context) error {
	if s := c.transport.socket; s != nil && ctx.Done() == nil && !c.protocol.Timed() &&
		c.input.buffer == nil && c.protocol.Err() == nil && c.draining.Load() == 0 {
		s.p = nil
		if err := s.raw.Read(s.ready); err == nil && s.n > 0 {
			c.input.buffer, c.input.p = s.lent, s.p
			s.lent = nil
			return nil
		} else {
			return c.fillAgain(ctx, err)
		}
	}
	_, err := c.receive(ctx, nil)
	return err
}

// fillAgain continues after a read of a socket that received nothing.
func (c *Conn) fillAgain(ctx context.Context, err error) error {
	if err == nil && c.transport.socket.err == errNoBuffer {
		bufpool.Get(inputSize).Free()
		return c.fill(ctx)
	}
	if c.undrain(err) {
		return c.fill(ctx)
	}
	_, err = c.transport.socket.result(err)
	return c.readFailed(err)
}

// receive reads from the transport into p, or into the empty input if p is nil.
// It waits for at least one byte.
func (c *Conn) receive(ctx context.Context, p []byte) (int, error) {
	if f := c.ended(); f != nil {
		return 0, f.read
	}
	if c.drained() {
		return 0, ErrDraining
	}
	c.input.shrink() // hold no large buffer while waiting
	if ctx.Done() == nil && !c.protocol.Timed() {
		n, err := c.readTransport(p)
		switch {
		case err == nil:
			return n, nil
		case c.undrain(err):
			return c.receive(ctx, p)
		}
		return 0, c.readFailed(err)
	}
	return c.receiveTimed(ctx, p)
}

// receiveTimed is receive with a context that can end, or with a timeout.
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
	c.heard(n)
	how := undisturbed
	if watched {
		how = c.readWatch.finish()
	}
	if err == nil && how != destroyed {
		return n, nil
	}
	if how != undisturbed && c.protocol.Err() == nil {
		return 0, c.readEnded(ctx, how)
	}
	if c.undrain(err) {
		return c.receive(ctx, p)
	}
	return 0, c.readFailed(err)
}

// readTransport reads into p, or into the input if p is nil. It returns n > 0
// or an error.
func (c *Conn) readTransport(p []byte) (n int, err error) {
	s := c.transport.socket
	switch {
	case s != nil:
		n, err = s.read(p)
		if p == nil && err == nil {
			c.input.buffer, c.input.p = s.lent, s.p
			s.lent = nil
		}
		return n, err
	case p != nil:
		return readSome(c.transport.ReadWriteCloser, p)
	}
	return c.readBuffer()
}

// readBuffer is readTransport into the input, for a transport that is not a
// socket.
func (c *Conn) readBuffer() (int, error) {
	asked := c.input.step
	b := bufpool.Get(asked)
	n, err := readSome(c.transport.ReadWriteCloser, b.All()[:asked])
	if n == 0 {
		b.Free()
		return 0, err
	}
	c.input.buffer, c.input.p = b, b.All()[:n]
	// The next read is larger if this one filled the buffer, and smaller if it
	// read little, so that a waiting read holds a small buffer. A read for the
	// rest of a frame does not change the size.
	switch {
	case n == asked:
		c.input.step = min(4*asked, inputSize)
	case n < asked/4 && !c.protocol.InFrame():
		c.input.step = max(asked/4, minInput)
	}
	return n, nil
}

// readSome reads at least one byte. It drops an error that comes with bytes,
// because the next read returns it again.
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

// readEnded returns the error of a read whose context has ended.
func (c *Conn) readEnded(ctx context.Context, how outcome) error {
	switch {
	case c.protocol.InMessage() && how != destroyed && c.stream != nil && c.stream.resumable:
	case c.protocol.InMessage():
		return c.endReading(contextError(ctx, withinMessage))
	case how == destroyed:
		return c.endReading(contextError(ctx, withoutDeadlines))
	}
	return &opError{"read", contextError(ctx, stillOpen)}
}

// readFailed ends the connection with an error of the transport.
func (c *Conn) readFailed(err error) error {
	if err != io.EOF {
		err = fmt.Errorf("%s: %w", lostPeer, err)
		return c.endReading(err)
	}
	return c.endReading(nil)
}

// endReading ends the connection with err, or because the input ended if err is
// nil. The read lock is held.
func (c *Conn) endReading(err error) error {
	if err != nil {
		c.protocol.Fail(err)
	}
	c.protocol.EOF()
	c.shut()
	return c.ended().read
}
