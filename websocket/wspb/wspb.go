package wspb

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/wskit/wskit/websocket"
)

// maxKept is the maximum size of a buffer that is kept for another message.
const maxKept = 64 << 10

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// hold returns a buffer from the pool. The caller passes the final buffer to
// release.
func hold() *[]byte { return buffers.Get().(*[]byte) }

func release(b *[]byte) {
	if cap(*b) <= maxKept {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// Read reads the next message of c and stores it in v as [proto.Unmarshal]
// does. A text message closes the connection with
// [websocket.StatusUnsupportedData]. A message that cannot be decoded closes it
// with [websocket.StatusInvalidFramePayloadData], and the error wraps that of
// proto. Read waits for the peer's close frame at most until ctx ends. The
// other errors are those of [websocket.Conn.Read].
func Read(ctx context.Context, c *websocket.Conn, v proto.Message) error {
	b := hold()
	defer release(b)

	typ, p, err := c.ReadAppend(ctx, *b)
	if err != nil {
		return fmt.Errorf("wspb: read: %w", err)
	}
	*b = p // p may have grown
	if typ != websocket.MessageBinary {
		c.CloseContext(ctx, websocket.StatusUnsupportedData, "expected a binary message")
		return fmt.Errorf("wspb: read: unexpected message of type %v", typ)
	}
	if err := proto.Unmarshal(p, v); err != nil {
		c.CloseContext(ctx, websocket.StatusInvalidFramePayloadData, "message is not the protocol buffer that was expected")
		return fmt.Errorf("wspb: read: %w", err)
	}
	return nil
}

// Write writes v as one binary message, encoded as by [proto.Marshal]. If v
// cannot be encoded, the connection stays usable. The other errors are those of
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
