package websocket

import (
	"context"
	"io"

	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// stream is the reader of one message. All but conn and ctx belongs to the turn to
// read, and is at rest once conn.stream is another one.
type stream struct {
	conn      *Conn
	ctx       context.Context
	chunk     wsutil.Event // its payload is what of it was not given out yet
	resumable bool         // a context that ends within the message leaves the connection usable
	ended     bool         // the reader has been told so
	size      int          // given out so far
	wire      int          // received so far
	text      utf8s.Validator
}

// Reader waits for the next message and returns a reader of it, which ends with io.EOF
// where the message does. ctx bounds all reads of the message, too. Rules and errors are
// those of [Conn.ReadAppend]; a context that ends once the message has begun closes
// the connection. The reader ends for good when the next message is asked for: what is left
// of its own is skipped.
func (c *Conn) Reader(ctx context.Context) (MessageType, io.Reader, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, nil, err
	}
	s, err := c.openMessage(ctx)
	if err != nil {
		return 0, nil, err
	}
	return MessageType(s.chunk.OpCode), s, nil
}

// openMessage is Reader with the turn to read held, which it gives up.
func (c *Conn) openMessage(ctx context.Context) (s *stream, err error) {
	ev, err := c.nextMessage(ctx)
	if err == nil {
		s = &stream{conn: c, ctx: ctx, chunk: ev, wire: len(ev.Payload)}
		c.stream = s
	}
	c.endRead() // not if a callback panics: see call
	return s, err
}

// Read reads the next bytes of the message into p.
func (s *stream) Read(p []byte) (int, error) {
	c := s.conn
	if !c.reader.take() {
		return 0, c.refuseRead(s.ctx)
	}
	n, err := s.read(p)
	c.endRead()
	return n, err
}

// read is Read with the turn to read held.
func (s *stream) read(p []byte) (int, error) {
	c := s.conn
	switch {
	case s.ended:
		return 0, io.EOF
	case c.stream != s && c.failure.Load() != nil:
		return 0, c.failure.Load().read
	case c.stream != s:
		return 0, errStale
	case s.ctx.Done() != nil && s.ctx.Err() != nil:
		return 0, c.readEnded(s.ctx, interrupted)
	}
	for len(p) > 0 {
		n, err := s.take(p)
		if n > 0 || err != nil {
			return n, err
		}
		if n, err = s.more(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// take gives out what of the chunk was not yet, and io.EOF behind the last one.
func (s *stream) take(p []byte) (n int, err error) {
	ev := &s.chunk
	done := ev.Last()
	if ev.Rsv == 0 {
		n = copy(p, ev.Payload)
		ev.Payload = ev.Payload[n:]
		done = done && len(ev.Payload) == 0
	} else if n, done, err = s.inflate(p); err != nil {
		return 0, err
	}
	s.size += n
	if n == 0 && done {
		s.end()
		return 0, io.EOF
	}
	return n, nil
}

// inflate is take for a compressed chunk.
func (s *stream) inflate(p []byte) (n int, done bool, err error) {
	c, ev := s.conn, &s.chunk
	if len(ev.Payload) == 0 && !ev.Last() {
		return 0, false, nil
	}
	n, used, done, err := c.inflater.Read(p, ev.Payload, ev.Last())
	ev.Payload = ev.Payload[used:]
	switch {
	case err != nil:
	case c.most >= 0 && int64(s.size+n) > c.most:
		err = wsutil.ErrMessageTooLarge
	case ev.OpCode == ws.OpText && (!s.text.Valid(p[:n]) || done && !s.text.Done()):
		err = ws.ErrProtocolInvalidUTF8
	}
	if err != nil {
		return 0, false, c.peerFault(s.ctx, err)
	}
	return n, done, nil
}

// more receives another chunk. If the rest of a plain frame is large, it comes
// straight into p.
func (s *stream) more(p []byte) (int, error) {
	c := s.conn
	if s.chunk.Rsv == 0 && len(c.in) == 0 && len(p) >= directLeast && c.protocol.Outstanding() >= directLeast {
		n, err := c.receive(s.ctx, p[:min(int64(len(p)), c.protocol.Outstanding())])
		if err != nil {
			return 0, err
		}
		ev, _, err := c.protocol.Next(p[:n])
		if err != nil {
			return 0, c.peerFault(s.ctx, err)
		}
		c.half = !ev.Last()
		s.size, s.wire = s.size+n, s.wire+n
		s.chunk = ev
		s.chunk.Payload = nil
		return n, nil
	}
	ev, err := c.next(s.ctx)
	if err != nil {
		return 0, err
	}
	s.wire += len(ev.Payload)
	s.chunk = ev
	return 0, nil
}

func (s *stream) end() {
	c := s.conn
	s.ended, s.chunk.Payload = true, nil
	c.stream = nil
	c.countRead(s.chunk.OpCode, s.size, s.wire)
}

// skip reads over what is left of the open stream.
func (c *Conn) skip(ctx context.Context) error {
	s := new(stream) // the reader itself may be in somebody's hands, who gets errStale
	*s = *c.stream
	s.ctx = ctx
	c.stream = s
	scratch := newBuffer(4 * minBuffer)
	defer scratch.free()
	for c.stream == s {
		n, err := s.take(scratch.all())
		if err == nil && n == 0 {
			_, err = s.more(nil)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
