package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Write sends p as a message. It neither changes nor retains p. The caller must
// ensure that text is valid UTF-8.
//
// A message is one frame and one write to the transport, unless it is longer
// than FragmentSize and not compressed. Such a message is cut into frames of
// that size, so that pings, pongs and a close frame can be sent between them.
// Messages of several goroutines are sent one after the other.
//
// If ctx ends while Write waits for the write lock, or before the first byte is
// written, the error wraps ctx.Err() and the cause, and the connection stays
// usable. If ctx ends later, the connection is closed, and the error says so.
// After the connection has ended or the closing handshake has begun, the error
// wraps net.ErrClosed and the reason: a [CloseError] if the peer closed the
// connection.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	op := ws.OpCode(typ)
	if op != ws.OpText && op != ws.OpBinary {
		return errType(typ)
	}
	if !c.protocol.Coalesces(len(p)) {
		return c.sendMessage(ctx, op, p)
	}
	if err := c.lock(ctx, forMessage); err != nil {
		return err
	}
	err := c.sendSmall(ctx, op, p)
	c.unlock(writeOpen, 0)
	return err
}

// HeaderRoom is the number of bytes that [Conn.WriteInPlace] needs before the
// payload.
const HeaderRoom = ws.MaxHeaderSize

// WriteInPlace is [Conn.Write] for the payload buf[HeaderRoom:], which it sends
// without a copy. It writes headers into the bytes before the payload. On the
// client's side, it masks the payload in place. On a connection with
// compression, it costs as much as Write. It does not retain buf.
//
// If buf has fewer than HeaderRoom bytes, the error wraps [ws.ErrNoHeaderRoom].
// The call may overwrite the first HeaderRoom bytes of buf, even if it fails.
// On the client's side, or if the payload is longer than FragmentSize, it may
// overwrite all of buf.
func (c *Conn) WriteInPlace(ctx context.Context, typ MessageType, buf []byte) error {
	op := ws.OpCode(typ)
	if op != ws.OpText && op != ws.OpBinary {
		return errType(typ)
	}
	m := wsutil.NewOutgoingInPlace(op, buf)
	return c.send(ctx, &m)
}

func errType(typ MessageType) error {
	return &opError{"write", fmt.Errorf("invalid message type %d", int(typ))}
}

// sendSmall sends a message that is one small frame. The write lock is held.
func (c *Conn) sendSmall(ctx context.Context, op ws.OpCode, p []byte) error {
	b := bufpool.Get(ws.MaxHeaderSize + len(p))
	out, err := c.protocol.AppendMessage(b.B, op, p)
	if err != nil {
		err = c.refused(err)
	} else if err = c.transmit(ctx, out, intact); err != nil {
		c.protocol.Undo()
	}
	b.Free()
	if err == nil && c.observed() {
		c.tellWritten(op, len(p), len(p))
	}
	return err
}

// sendMessage sends a message, frame by frame. It is a separate function to
// keep the stack frame of Write small.
//
//go:noinline
func (c *Conn) sendMessage(ctx context.Context, op ws.OpCode, p []byte) error {
	m := wsutil.NewOutgoing(op, p)
	return c.send(ctx, &m)
}

// send sends a message, frame by frame. Other goroutines may send control
// frames between its frames.
func (c *Conn) send(ctx context.Context, m *wsutil.Outgoing) error {
	if err := c.lock(ctx, forMessage); err != nil {
		return err
	}
	return c.sendLocked(ctx, m)
}

// sendLocked is send with the write lock held. It releases the lock.
func (c *Conn) sendLocked(ctx context.Context, m *wsutil.Outgoing) error {
	for {
		err := c.sendFrame(ctx, m, intact)
		if err != nil || m.Done() {
			if err == nil {
				c.countWritten(m)
			}
			c.unlock(writeOpen, 0)
			return err
		}
		c.unlock(0, writeOpen)
		if err := c.acquire(ctx, forFragment); err != nil {
			c.write.endMessage()
			return c.abandon(ctx, err)
		}
	}
}

// sendFrame sends the next frame of a message. The write lock is held. first is
// the state of the connection if ctx ends before the first byte of the message
// is written.
func (c *Conn) sendFrame(ctx context.Context, m *wsutil.Outgoing, first recovery) error {
	to := first
	if m.Begun() && first == intact {
		to = spoiled
	}
	b := bufpool.Get(c.protocol.FrameRoom(m))
	out, body, err := c.protocol.AppendFrame(b.B, m)
	if err != nil {
		b.Free()
		err = c.refused(err)
		if m.Begun() && errors.Is(err, wsutil.ErrNotSendable) {
			c.fail(fmt.Errorf("a partly sent message cannot be completed: %w", err))
		}
		return err
	}
	switch {
	case len(out) == 0:
		err = c.transmit(ctx, body, to)
	case len(body) == 0:
		b.Adopt(out)
		err = c.transmit(ctx, out, to)
	default:
		err = c.transmitTimed(ctx, out, body, to)
	}
	b.Free()
	if err != nil && (first != kept || c.unwritten == nil) { // without kept, c.unwritten may hold an earlier frame
		c.protocol.Undo()
	}
	return err
}

// abandon handles err after a part of a message was written. If ctx has ended,
// it ends the connection. The write lock is not held.
func (c *Conn) abandon(ctx context.Context, err error) error {
	if c.protocol.Err() == nil && c.broken.Load() == nil && ctx.Err() != nil {
		c.fail(contextError(ctx, withinMessage))
		return c.ended().write
	}
	return err
}

// WritePrepared writes m as [Conn.Write] does, in one frame. A client masks the
// payload each time, which costs as much as Write without compression. If the
// connection compresses messages, m is sent compressed whatever its length, if
// that makes it smaller.
func (c *Conn) WritePrepared(ctx context.Context, m *PreparedMessage) error {
	if !prepared(m) {
		return &opError{"write", errNotPrepared}
	}
	out := m.Outgoing()
	return c.send(ctx, &out)
}

// PreparedMessage is a message that is encoded once and sent to many
// connections, with [Group.Broadcast], [Conn.SendPrepared] or
// [Conn.WritePrepared]. It is compressed once for each set of negotiated
// parameters. It is safe for concurrent use, and also works for connections of
// package wsloop.
type PreparedMessage = wsutil.PreparedMessage

// prepared reports whether m is a text or binary message.
func prepared(m *PreparedMessage) bool {
	return m != nil && (m.OpCode() == ws.OpText || m.OpCode() == ws.OpBinary)
}

// NewPreparedMessage returns the message of this type and payload. It does not
// retain p. It returns an error if typ is neither [MessageText] nor
// [MessageBinary].
func NewPreparedMessage(typ MessageType, p []byte) (*PreparedMessage, error) {
	if typ != MessageText && typ != MessageBinary {
		return nil, fmt.Errorf("websocket: prepared message: invalid message type %d", int(typ))
	}
	m, err := wsutil.NewPreparedMessage(ws.OpCode(typ), p)
	if err != nil {
		return nil, fmt.Errorf("websocket: prepared message: %w", err)
	}
	return m, nil
}

// lock takes the write lock. If k is forMessage, it first waits until the
// messages that are already queued are written.
func (c *Conn) lock(ctx context.Context, k kind) error {
	if k == forMessage && c.sends.Load() != nil && ctx != nil {
		if err := c.flush(ctx); err != nil {
			return err
		}
	}
	return c.acquire(ctx, k)
}

// acquire takes the write lock.
func (c *Conn) acquire(ctx context.Context, k kind) error {
	if ctx == nil || ctx.Done() != nil && ctx.Err() != nil {
		return c.notLocked(ctx)
	}
	if !c.write.tryLock(k) && !c.write.lock(ctx, k, c.done) {
		return c.notLocked(ctx)
	}
	if c.protocol.Err() != nil || c.broken.Load() != nil {
		c.unlock(0, 0)
		return c.notLocked(ctx)
	}
	return nil
}

// notLocked returns why a write cannot begin: the end of the connection, or
// else the end of ctx.
func (c *Conn) notLocked(ctx context.Context) error {
	if ctx == nil {
		return &opError{"write", errNilContext}
	}
	if f := c.ended(); f != nil {
		return f.write
	}
	if err := c.broken.Load(); err != nil {
		return err
	}
	return &opError{"write", contextError(ctx, stillOpen)}
}

// unlock writes the replies that were left to the holder, and then releases the
// write lock. drop and set are those of [writeLock.unlock].
func (c *Conn) unlock(drop, set uint32) {
	if !c.write.tryUnlock(drop, set) {
		c.unlockCrowded(drop, set)
	}
}

// unlockCrowded is unlock if there may be waiters or replies.
func (c *Conn) unlockCrowded(drop, set uint32) {
	for rounds := 0; ; rounds++ {
		r := c.write.unlock(drop, set, rounds > 0)
		if r.Empty() {
			return
		}
		if rounds == floodRounds {
			c.write.change(drop, set) // from here on other writers may come first
			go c.serveFlood(r)
			return
		}
		c.writeReplies(r)
	}
}

// serveFlood writes replies in place of a writer that has written enough of
// them.
func (c *Conn) serveFlood(r wsutil.Replies) {
	defer c.guard()
	c.writeReplies(r)
	c.unlock(0, 0)
}

// floodRounds is how many times a writer writes replies that keep arriving.
// Then a goroutine takes over while the flood lasts.
const floodRounds = 4

// refused returns the error for a message that the protocol does not send.
func (c *Conn) refused(err error) error {
	if !errors.Is(err, wsutil.ErrClosing) {
		return &opError{"write", err}
	}
	if f := c.ended(); f != nil {
		return f.write
	}
	return &opError{"write", errClosing}
}

// recovery is the state of a connection after a write that has written nothing.
type recovery uint8

const (
	spoiled recovery = iota // ended: a part of a message was already written
	intact                  // still usable
	kept                    // still usable; the bytes are kept for the next write
)

// transmit writes p, a whole frame.
func (c *Conn) transmit(ctx context.Context, p []byte, to recovery) error {
	if ctx.Done() != nil || c.opts.WriteTimeout > 0 || c.unwritten != nil {
		return c.transmitTimed(ctx, p, nil, to)
	}
	if _, err := c.transport.Write(p); err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// transmitTimed is transmit of p and more, in one write if possible. ctx may
// end, and the write may have a time limit.
func (c *Conn) transmitTimed(ctx context.Context, p, more []byte, to recovery) error {
	if c.opts.WriteTimeout > 0 {
		c.limitWrite(c.opts.WriteTimeout)
		defer c.wrote()
	}
	watched := ctx.Done() != nil
	if watched {
		c.writeWatch.begin(ctx, c, true)
	}
	n, err := 0, error(nil)
	if c.unwritten != nil {
		err = c.writeUnwritten()
	}
	if err == nil && len(p) > 0 {
		n, err = c.transport.write(p, more)
	}
	how := undisturbed
	if watched {
		how = c.writeWatch.finish()
	}
	switch {
	case err == nil && how != destroyed:
		return nil
	case how == undisturbed || c.protocol.Err() != nil:
		return c.writeFailed(err)
	}
	if to == kept && c.unwritten == nil && how == interrupted && c.transport.survivesInterrupt() {
		c.keepUnwritten(n, p, more)
		return &opError{"write", contextError(ctx, stillOpen)}
	}
	return c.writeEnded(ctx, how, n, to)
}

// writeEnded returns the error of a write whose context has ended after n
// bytes.
func (c *Conn) writeEnded(ctx context.Context, how outcome, n int, to recovery) error {
	meaning := stillOpen
	switch {
	case n > 0:
		meaning = withinFrame
	case how == destroyed:
		meaning = withoutDeadlines
	case to == spoiled:
		meaning = withinMessage
	case !c.transport.survivesInterrupt():
		meaning = withinFrame
	default:
		return &opError{"write", contextError(ctx, meaning)}
	}
	c.fail(contextError(ctx, meaning))
	return c.ended().write
}

// writeFailed records an error of the transport. Data that the peer sent before
// can still be read, for at most CloseTimeout.
func (c *Conn) writeFailed(err error) error {
	if f := c.ended(); f != nil {
		return f.write
	}
	c.broken.CompareAndSwap(nil, &opError{"write", err})
	c.limitClosing(c.protocol.CloseTimeout())
	return c.broken.Load()
}

// vector is the memory for a vectored write.
type vector struct {
	parts [2][]byte
	v     net.Buffers // consumed by WriteTo
}

var vectors = sync.Pool{New: func() any { return new(vector) }}

// write writes p and more, in one write if the transport can.
func (t *transport) write(p, more []byte) (int, error) {
	if len(more) == 0 {
		return t.Write(p)
	}
	v := vectors.Get().(*vector)
	v.parts = [2][]byte{p, more}
	v.v = v.parts[:]
	n, err := v.v.WriteTo(t.ReadWriteCloser)
	v.parts, v.v = [2][]byte{}, nil
	vectors.Put(v)
	return int(n), err
}

// writeStream writes a message for a NetConn. If ctx ends during the write, the
// rest is kept and sent before the next frame. sent is then true, and err is
// not nil.
func (c *Conn) writeStream(ctx context.Context, op ws.OpCode, p []byte) (sent bool, err error) {
	if err := c.lock(ctx, forMessage); err != nil {
		return false, err
	}
	held := true
	defer func() {
		if held {
			c.unlock(writeOpen, 0)
		}
	}()
	if c.unwritten != nil {
		if err := c.transmitTimed(ctx, nil, nil, intact); err != nil {
			return false, err
		}
	}
	m := wsutil.NewOutgoing(op, p)
	for {
		if err = c.sendFrame(ctx, &m, kept); err != nil || m.Done() {
			break
		}
		// Other goroutines may write control frames here, which does not take
		// long. The lock is taken without ctx, because the rest of the message
		// must be kept even if ctx has ended.
		c.unlock(0, writeOpen)
		if err = c.lock(context.Background(), forFragment); err != nil {
			c.write.endMessage()
			held = false
			return false, err
		}
	}
	if err != nil && c.unwritten == nil {
		return false, err
	}
	for !m.Done() {
		var body []byte
		var refused error
		if *c.unwritten, body, refused = c.protocol.AppendFrame(*c.unwritten, &m); refused != nil {
			return false, c.refused(refused)
		}
		*c.unwritten = append(*c.unwritten, body...)
	}
	c.countWritten(&m)
	return true, err
}

// keepUnwritten keeps the rest of p and more after n bytes.
func (c *Conn) keepUnwritten(n int, p, more []byte) {
	inMore := max(n-len(p), 0)
	rest := append([]byte{}, p[min(n, len(p)):]...)
	rest = append(rest, more[inMore:]...)
	c.unwritten = &rest
}

// writeUnwritten writes the kept bytes, or as many of them as possible.
func (c *Conn) writeUnwritten() error {
	n, err := c.transport.Write(*c.unwritten)
	if *c.unwritten = (*c.unwritten)[n:]; len(*c.unwritten) == 0 {
		c.unwritten = nil
	}
	return err
}
