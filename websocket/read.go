package websocket

import (
	"context"
	"io"
	"iter"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Read reads the next message into new memory. See [Conn.ReadAppend].
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	typ, p, err := c.ReadAppend(ctx, []byte{})
	if err != nil {
		return 0, nil, err
	}
	return typ, p, nil
}

// ReadAppend reads the next message and appends it to dst. It returns the
// extended slice; on error it returns dst unchanged. dst grows with the bytes
// that arrive, never with the declared length. ReadAppend does not allocate if
// dst has room. Text is valid UTF-8. ReadAppend skips the unread rest of the
// message of [Conn.Reader].
//
// While ReadAppend waits, it answers pings and close frames of the peer, also
// between the fragments of a message. If ctx ends before the first byte of a
// message arrives, the error wraps ctx.Err() and the cause, and the connection
// stays usable. If ctx ends within a message, or if the transport has no
// deadlines, the connection is closed, and the error says so. Using the same
// context for many calls does not allocate.
//
// If the peer has closed the connection with a close frame, the error wraps a
// [CloseError]. If the connection is lost without a close frame, it wraps
// io.EOF, io.ErrUnexpectedEOF within a frame or message, or the error of the
// transport. If the message exceeds the read limit, it wraps
// [ErrMessageTooBig]. If the peer breaks another rule, it wraps a
// *[ws.ProtocolError], and ReadAppend has sent a close frame with the reason.
// After the end of the connection, all reads return the same error. A
// concurrent read returns [ErrConcurrentRead].
func (c *Conn) ReadAppend(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	if err := c.beginRead(ctx); err != nil {
		return 0, dst, err
	}
	// The fast path: an unfragmented message that arrives at once. A connection
	// waits here, so the stack must be shallow.
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

// readRest is ReadAppend after its first event, if any.
func (c *Conn) readRest(ctx context.Context, dst []byte, ev wsutil.Event) (MessageType, []byte, error) {
	was := dst
	op, err := c.readMessage(ctx, &dst, ev)
	if err = c.endReadWith(err); err != nil && op == 0 {
		return 0, was, err
	}
	return MessageType(op), dst, nil
}

// readMessage appends the rest of a message to *dst. ev is an event that was
// not handled yet, or the zero Event. op is 0 if there is no message.
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

// goOn handles an error of the protocol in a read. It returns nil if more input
// is needed, and otherwise how the connection ends.
func (c *Conn) goOn(ctx context.Context, err error) error {
	if err == io.ErrUnexpectedEOF {
		return nil
	}
	return c.peerFault(ctx, err)
}

// receiveInto receives the rest of a large frame into the free capacity of
// *dst. If the frame and the message end with it, ev is the last event.
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

// largeStep is the size of the first read of a message from a transport that is
// not a socket, if parts of the previous message were received directly into
// place. Bytes of the first read have to be moved.
const largeStep = 4 * minInput

// next returns the next event of a message that is being discarded. The payload
// is valid until the next call. It handles control frames.
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

// Messages returns an iterator over the messages of the connection. It reads
// them as [Conn.Read] does, each into new memory that the caller owns. The
// iteration ends with a zero Message and an error, which is a [CloseError] even
// after a normal closure. [Conn.BorrowedMessages] uses less memory.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return c.messages(ctx, func([]byte) []byte { return []byte{} })
}

// BorrowedMessages is [Conn.Messages] with Data that is valid only until the
// next iteration. All messages use one buffer, which grows to the longest
// message.
func (c *Conn) BorrowedMessages(ctx context.Context) iter.Seq2[Message, error] {
	return c.messages(ctx, func(last []byte) []byte { return last[:0] })
}

// messages iterates over the messages. room returns the slice to append the
// next message to, given the last one.
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
