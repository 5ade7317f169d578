package websocket

import (
	"context"
	"io"
	"iter"

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

// ReadAppend reads the next message, whole, and appends it to dst. It returns the
// extended slice, or on an error dst as it was. dst grows with the bytes that arrive,
// never with the length that was declared, and nothing is allocated if it has room.
// Text is valid UTF-8. What a reader of [Conn.Reader] has left of the message before
// is skipped.
//
// While ReadAppend waits, it answers pings and close frames of the peer, also between
// the fragments of the message. If ctx ends before the first byte of a message has
// arrived, the error wraps ctx.Err() and the cause, and the connection is as usable as
// before. If it ends within a message, or on a transport without deadlines, the
// connection is closed, and the error says so. A context that is used again and again
// costs no memory.
//
// The error wraps a [CloseError] if the peer has closed the connection with a close
// frame; io.EOF, io.ErrUnexpectedEOF within a frame or message, or what the transport
// returned if it is gone without one; [ErrMessageTooBig] if the message is longer than
// the limit; and a *[ws.ProtocolError] if the peer broke another rule: it has been
// told with a close frame. Once the connection has ended, every read returns the same
// error. A second goroutine that reads at the same time gets [ErrConcurrentRead].
func (c *Conn) ReadAppend(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, dst, err
	}
	// The fast path: a message that arrives whole, in one frame. A connection waits
	// here, on a stack that is shallow.
	var ev wsutil.Event
	var err error
	if c.stream == nil && len(c.input.p) == 0 {
		err = c.fill(ctx)
	}
	if err == nil && c.stream == nil && !c.observed() && c.protocol.Plain(c.input.p) {
		var n int
		ev, n, err = c.protocol.Next(c.input.p)
		c.input.p = c.input.p[n:]
		if ev.Whole() {
			dst = append(dst, ev.Payload...)
			c.endRead()
			return MessageType(ev.OpCode), dst, nil
		}
		if err != nil {
			err = c.goOn(ctx, err)
		}
	}
	if err != nil {
		return 0, dst, c.endReadWith(err)
	}
	return c.readRest(ctx, dst, ev)
}

// readRest is ReadAppend after its first event, if there was one.
func (c *Conn) readRest(ctx context.Context, dst []byte, ev wsutil.Event) (MessageType, []byte, error) {
	was := dst
	op, err := c.readMessage(ctx, &dst, ev)
	if err = c.endReadWith(err); err != nil && op == 0 {
		return 0, was, err
	}
	return MessageType(op), dst, nil
}

// readMessage appends the rest of a message to *dst, of which ev is an event that was
// not handled yet, or none. op is 0 if there is no message.
func (c *Conn) readMessage(ctx context.Context, dst *[]byte, ev wsutil.Event) (op ws.OpCode, err error) {
	start := len(*dst)
	switch {
	case c.stream != nil:
		err = c.skip(ctx)
	case ev.OpCode.IsControl():
		err = c.control(ctx, ev)
	case ev.OpCode != 0:
		*dst = c.protocol.Extend(*dst, ev)
	}
	for err == nil && (!ev.Last() || ev.OpCode.IsControl()) {
		if len(c.input.p) == 0 {
			if ev, err = c.receiveInto(ctx, dst); err != nil || ev.Last() {
				break
			}
			if err = c.fill(ctx); err != nil {
				break
			}
		}
		var n int
		ev, n, err = c.protocol.Gather(dst, c.input.p)
		c.input.p = c.input.p[n:]
		switch {
		case err != nil:
			err = c.goOn(ctx, err)
		case ev.OpCode.IsControl():
			err = c.control(ctx, ev)
		}
	}
	if err != nil {
		return 0, err
	}
	return ev.OpCode, c.countRead(ev, len(*dst)-start)
}

// goOn returns what an error of the protocol means for a read: nil if more input is
// needed, and otherwise how the connection ends.
func (c *Conn) goOn(ctx context.Context, err error) error {
	if err == io.ErrUnexpectedEOF {
		return nil
	}
	return c.peerFault(ctx, err)
}

// receiveInto receives what is to come of a large frame behind *dst. The frame, and
// with it the message, may end with that: then ev is its last event.
func (c *Conn) receiveInto(ctx context.Context, dst *[]byte) (ev wsutil.Event, err error) {
	for !ev.Last() {
		var room []byte
		if *dst, room = c.protocol.Room(*dst); room == nil {
			return wsutil.Event{}, nil
		}
		c.input.step = largeStep
		n, err := c.receive(ctx, room)
		if err != nil {
			return wsutil.Event{}, err
		}
		if ev, _, err = c.protocol.Next(room[:n]); err != nil {
			return wsutil.Event{}, c.peerFault(ctx, err)
		}
		*dst = (*dst)[:len(*dst)+n]
	}
	return ev, nil
}

// largeStep is how much is read of a message at first, from a transport that is not a
// socket, if the one before had parts that were received where it lay: what is read at
// first has to be moved.
const largeStep = 4 * minInput

// next returns the next event of a message that nobody wants; its payload is valid until
// the next call. It handles control frames.
func (c *Conn) next(ctx context.Context) (wsutil.Event, error) {
	for {
		ev, n, err := c.protocol.Next(c.input.p)
		c.input.p = c.input.p[n:]
		switch {
		case err == io.ErrUnexpectedEOF:
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

// Messages returns an iterator over the messages of the connection, which reads them
// as [Conn.Read] does: each message lies in memory of its own, which the caller owns. The
// error comes last, with a zero Message, also the [CloseError] of a connection that was
// closed as it should be. [Conn.BorrowedMessages] saves the memory.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return c.messages(ctx, func([]byte) []byte { return []byte{} })
}

// BorrowedMessages is [Conn.Messages] with Data that is valid only until the next message is
// asked for: all messages lie in one buffer, which grows to the longest.
func (c *Conn) BorrowedMessages(ctx context.Context) iter.Seq2[Message, error] {
	return c.messages(ctx, func(last []byte) []byte { return last[:0] })
}

// messages iterates over the messages. room returns what to append the next one to, given
// the last one.
func (c *Conn) messages(ctx context.Context, room func(last []byte) []byte) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		var p []byte
		for {
			var typ MessageType
			var err error
			typ, p, err = c.ReadAppend(ctx, room(p))
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
