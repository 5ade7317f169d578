package websocket

import (
	"context"
	"io"

	"github.com/wskit/wskit/wsutil"
)

// stream is the reader of one message. The read lock guards all fields except
// conn and ctx. The fields no longer change after conn.stream refers to another
// stream.
type stream struct {
	conn      *Conn
	ctx       context.Context
	last      wsutil.Event // the last event of the message so far
	size      int          // bytes returned so far
	resumable bool         // if a context ends within the message, the connection stays usable
	ended     bool         // Read has returned io.EOF
}

// Reader waits for the next message and returns a reader of its payload. The
// reader returns io.EOF at the end of the message. ctx limits all reads of the
// message. After the message has begun, the end of ctx closes the connection.
// Other rules and errors are those of [Conn.ReadAppend]. The next read of a
// message ends this reader, and skips the unread rest.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	s, err := c.openMessage(ctx)
	if err = c.endReadWith(err); err != nil {
		return 0, nil, err
	}
	return MessageType(s.last.OpCode), s, nil
}

// openMessage is Reader with the read lock held.
func (c *Conn) openMessage(ctx context.Context) (*stream, error) {
	if c.stream != nil {
		if err := c.skip(ctx); err != nil {
			return nil, err
		}
	}
	ev, err := c.nextChunk(ctx, nil)
	if err != nil {
		return nil, err
	}
	c.stream = &stream{conn: c, ctx: ctx, last: ev}
	return c.stream, nil
}

// nextChunk returns the next event of a message with its payload in p. It
// handles control frames.
func (c *Conn) nextChunk(ctx context.Context, p []byte) (wsutil.Event, error) {
	for {
		ev, n, err := c.protocol.NextChunk(p, c.input.p)
		c.input.p = c.input.p[n:]
		switch {
		case err == io.ErrUnexpectedEOF:
			if direct := c.protocol.Direct(p); direct != nil {
				return c.receiveChunk(ctx, direct)
			}
			err = c.fill(ctx)
		case err != nil:
			err = c.peerFault(ctx, err)
		case ev.OpCode.IsControl():
			err = c.control(ctx, ev)
		default:
			return ev, nil
		}
		if err != nil {
			return wsutil.Event{}, err
		}
	}
}

// receiveChunk is nextChunk for a part of a large frame.
func (c *Conn) receiveChunk(ctx context.Context, p []byte) (wsutil.Event, error) {
	n, err := c.receive(ctx, p)
	if err != nil {
		return wsutil.Event{}, err
	}
	ev, _, err := c.protocol.Next(p[:n])
	if err != nil {
		return wsutil.Event{}, c.peerFault(ctx, err)
	}
	return ev, nil
}

// Read reads the next bytes of the message into p.
func (s *stream) Read(p []byte) (int, error) {
	c := s.conn
	if !c.read.take() {
		return 0, c.refuseRead(s.ctx)
	}
	n, err := s.read(p)
	ended := s.ended // read it while the lock is held
	if err = c.endReadWith(err); ended {
		return n, io.EOF
	}
	return n, err
}

// read is Read with the read lock held.
func (s *stream) read(p []byte) (int, error) {
	c := s.conn
	switch {
	case s.ended:
		return 0, io.EOF
	case c.stream != s && c.protocol.Err() != nil:
		return 0, c.ended().read
	case c.stream != s:
		return 0, errStale
	case s.ctx.Done() != nil && s.ctx.Err() != nil:
		return 0, c.readEnded(s.ctx, interrupted)
	}
	for len(p) > 0 && !s.last.Last() {
		ev, err := c.nextChunk(s.ctx, p)
		if err != nil {
			return 0, err
		}
		s.last = ev
		if n := len(ev.Payload); n > 0 {
			s.size += n
			s.last.Payload = nil
			return n, nil
		}
	}
	if len(p) == 0 {
		return 0, nil
	}
	s.ended, c.stream = true, nil
	if err := c.countRead(s.last, s.size); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// skip discards the rest of the open stream.
func (c *Conn) skip(ctx context.Context) error {
	s := new(stream) // the old reader may be in use, and returns errStale
	*s = *c.stream
	c.stream = s
	for ev := s.last; !ev.Last(); s.last = ev {
		var err error
		if ev, err = c.next(ctx); err != nil {
			return err
		}
		s.size += len(ev.Payload)
	}
	c.stream = nil
	return c.countRead(s.last, s.size)
}
