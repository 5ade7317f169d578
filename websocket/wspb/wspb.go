package wspb

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/wskit/wskit/websocket"
)

// keepMost is the size up to which a buffer is kept for another message.
const keepMost = 64 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// hold returns a buffer from the pool; release is to be called with what became of it.
func hold() *[]byte { return buffers.Get().(*[]byte) }

func release(b *[]byte) {
	if cap(*b) <= keepMost {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// Read reads the next message of c and stores it in v as [proto.Unmarshal] does. A text
// message closes the connection with [websocket.StatusUnsupportedData], one that is not
// of the type of v with [websocket.StatusInvalidFramePayloadData]; the error wraps that of
// proto then. For the peer's close frame Read waits until ctx ends at most. The other errors are those of [websocket.Conn.Read].
func Read(ctx context.Context, c *websocket.Conn, v proto.Message) error {
	b := hold()
	defer release(b)

	typ, p, err := c.ReadAppend(ctx, *b)
	if err != nil {
		return fmt.Errorf("wspb: read: %w", err)
	}
	*b = p // which may have grown
	if typ != websocket.MessageBinary {
		c.CloseContext(ctx, websocket.StatusUnsupportedData, "expected a binary message")
		return fmt.Errorf("wspb: read: the message is a %v", typ)
	}
	if err := proto.Unmarshal(p, v); err != nil {
		c.CloseContext(ctx, websocket.StatusInvalidFramePayloadData, "message is not the protocol buffer that was expected")
		return fmt.Errorf("wspb: read: %w", err)
	}
	return nil
}

// Write writes v in the form of [proto.Marshal] as one binary message. The connection is as
// usable as before if v has no such form. The other errors are those of
// [websocket.Conn.Write].
func Write(ctx context.Context, c *websocket.Conn, v proto.Message) error {
	b := hold()
	defer release(b)

	p, err := proto.MarshalOptions{}.MarshalAppend(*b, v)
	if err != nil {
		return fmt.Errorf("wspb: write: %w", err)
	}
	*b = p
	if err := c.Write(ctx, websocket.MessageBinary, p); err != nil {
		return fmt.Errorf("wspb: write: %w", err)
	}
	return nil
}
