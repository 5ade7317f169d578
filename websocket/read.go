package websocket

import (
	"context"
	"iter"
	"slices"

	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Read reads the next message, whole, into memory of its own. See [Conn.ReadAppend].
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	typ, p, err := c.ReadAppend(ctx, []byte{})
	if err != nil {
		return 0, nil, err
	}
	return typ, p, nil
}

// ReadAppend reads the next message, whole, and appends it to dst. It returns the extended
// slice; on an error, dst as it was. dst grows with the bytes that arrive, never with the
// length that was declared, and nothing is allocated if it has room. Text is valid UTF-8.
// What a reader of [Conn.Reader] has left of the message before is skipped.
//
// While ReadAppend waits, pings and close frames of the peer are answered, also between
// the fragments of the message. If ctx ends before the first byte of a message is there,
// the error wraps ctx.Err() and the cause, and the connection is as usable as before. If
// it ends within a message, or on a transport without deadlines, the connection is closed,
// and the error says so. A context that is used again and again costs no memory.
//
// The error wraps a [CloseError] if the peer has closed the connection with a close frame,
// io.EOF, io.ErrUnexpectedEOF within a frame or message, or what the transport returned if
// it is gone without one, [ErrMessageTooBig] if the message is longer than the limit, and
// a *[ws.ProtocolError] if the peer broke another rule: it has been told with a close
// frame. Once the connection has ended, the error is the
// same for ever. A second goroutine that reads at the same time gets [ErrConcurrentRead].
func (c *Conn) ReadAppend(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, dst, err
	}
	ev, err := c.nextMessage(ctx)
	switch {
	case err != nil:
	case ev.Last() && c.inflater == nil:
		dst = append(dst, ev.Payload...)
		c.countRead(ev.OpCode, len(ev.Payload), len(ev.Payload))
	default:
		dst, err = c.gather(ctx, dst, ev)
	}
	c.endRead()
	if err != nil {
		return 0, dst, err
	}
	return MessageType(ev.OpCode), dst, nil
}

// nextMessage returns the first chunk of the next message.
func (c *Conn) nextMessage(ctx context.Context) (wsutil.Event, error) {
	if c.stream != nil {
		if err := c.skip(ctx); err != nil {
			return wsutil.Event{}, err
		}
	}
	return c.next(ctx)
}

// Messages returns an iterator over the messages of the connection, which reads them as
// [Conn.ReadAppend] does. Data is valid until the next message is asked for: all lie
// in one buffer, which grows to the longest. The error comes last, with a zero Message, also
// the [CloseError] of a connection that was closed as it should be.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		var p []byte
		for {
			var typ MessageType
			var err error
			typ, p, err = c.ReadAppend(ctx, p[:0])
			if err != nil {
				yield(Message{}, err)
				return
			}
			if !yield(Message{typ, p}, nil) {
				return
			}
		}
	}
}

// message is a message that is being gathered.
type message struct {
	start int // where it begins in what is appended to
	wire  int // its bytes before they were inflated
	text  utf8s.Validator
}

// gather appends the message of which ev is the first chunk to dst. On an error it returns
// dst as it was.
func (c *Conn) gather(ctx context.Context, dst []byte, ev wsutil.Event) ([]byte, error) {
	m := message{start: len(dst)}
	out, err := dst, error(nil)
	for {
		if ev.Rsv != 0 {
			out, err = c.inflate(ctx, &m, out, ev)
		} else {
			out, err = c.appendPlain(ctx, &m, out, ev.Payload)
		}
		if err == nil && c.half {
			ev, err = c.next(ctx)
		} else if err == nil {
			break
		}
		if err != nil {
			return dst, err
		}
	}
	c.countRead(ev.OpCode, len(out)-m.start, m.wire)
	return out, nil
}

// appendPlain appends a chunk that is not compressed, and what else of its frame comes
// without a detour.
func (c *Conn) appendPlain(ctx context.Context, m *message, dst, p []byte) ([]byte, error) {
	m.wire += len(p)
	dst = append(grow(dst, m.start, len(p), c.protocol.Outstanding()), p...)
	if len(c.in) > 0 {
		return dst, nil
	}
	return c.receiveInto(ctx, m, dst)
}

// grow returns dst with room for n bytes more, and for some of the rest that is to
// come: for as many as have arrived of the message three times over, or for directLeast.
func grow(dst []byte, start, n int, rest int64) []byte {
	if cap(dst)-len(dst) >= n && rest == 0 {
		return dst
	}
	ahead := min(rest, int64(max(3*(len(dst)-start+n), directLeast)))
	return slices.Grow(dst, n+int(ahead))
}

// directLeast is the least part of a frame that is received where the message lies
// rather than by the input.
const directLeast = 8 << 10

// largeStep is how much is read of a message at first, from another transport than a
// socket, if the one before had parts that were received where it lay: what is read
// at first has to be moved.
const largeStep = 4 * minBuffer

// receiveInto receives what is to come of the open frame behind dst, as long as it is
// large. The frame, and with it the message, may end with that.
func (c *Conn) receiveInto(ctx context.Context, m *message, dst []byte) ([]byte, error) {
	for {
		rest := c.protocol.Outstanding()
		if rest < directLeast || !c.half {
			return dst, nil
		}
		if room := cap(dst) - len(dst); room < directLeast && int64(room) < rest {
			dst = grow(dst, m.start, 0, rest)
		}
		c.step = largeStep
		have := len(dst)
		p := dst[have : have+int(min(rest, int64(cap(dst)-have)))]
		n, err := c.receive(ctx, p)
		if err != nil {
			return nil, err
		}
		ev, _, err := c.protocol.Next(p[:n])
		if err != nil {
			return nil, c.peerFault(ctx, err)
		}
		c.half = !ev.Last()
		m.wire += n
		dst = dst[:have+n]
	}
}

// inflate appends what a compressed chunk holds.
func (c *Conn) inflate(ctx context.Context, m *message, dst []byte, ev wsutil.Event) ([]byte, error) {
	have := len(dst)
	m.wire += len(ev.Payload)
	dst, err := c.inflater.Append(dst, ev.Payload, ev.Last(), c.most)
	if err == nil && ev.OpCode == ws.OpText && (!m.text.Valid(dst[have:]) || ev.Last() && !m.text.Done()) {
		err = ws.ErrProtocolInvalidUTF8
	}
	if err != nil {
		return nil, c.peerFault(ctx, err)
	}
	return dst, nil
}
