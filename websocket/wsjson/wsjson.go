package wsjson

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"github.com/wskit/wskit/websocket"
)

// maxKept is the maximum size of a buffer that is kept for another message.
const maxKept = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func release(b *bytes.Buffer) {
	if b.Cap() <= maxKept {
		b.Reset()
		buffers.Put(b)
	}
}

// Read reads the next message of c, of either type, and stores its value in v
// as [json.Unmarshal] does. If the message is not valid JSON or does not fit in
// v, Read closes the connection with [websocket.StatusInvalidFramePayloadData],
// and the error wraps that of encoding/json. Read waits for the peer's close
// frame at most until ctx ends. If v is nil or not a pointer, Read reads
// nothing and returns an error that wraps a *[json.InvalidUnmarshalError]. The
// other errors are those of [websocket.Conn.Read].
func Read(ctx context.Context, c *websocket.Conn, v any) error {
	if p := reflect.ValueOf(v); p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("wsjson: read: %w", &json.InvalidUnmarshalError{Type: reflect.TypeOf(v)})
	}
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)

	_, p, err := c.ReadAppend(ctx, b.AvailableBuffer())
	if err != nil {
		return fmt.Errorf("wsjson: read: %w", err)
	}
	*b = *bytes.NewBuffer(p) // p may have grown
	if err := json.Unmarshal(p, v); err != nil {
		c.CloseContext(ctx, websocket.StatusInvalidFramePayloadData, "message is not the JSON that was expected")
		return fmt.Errorf("wsjson: read: %w", err)
	}
	return nil
}

// Write writes v as one text message, encoded as by [json.Marshal]. If v cannot
// be encoded, the connection stays usable. The other errors are those of
// [websocket.Conn.Write].
func Write(ctx context.Context, c *websocket.Conn, v any) error {
	b := buffers.Get().(*bytes.Buffer)
	defer release(b)

	if err := json.NewEncoder(b).Encode(v); err != nil {
		return fmt.Errorf("wsjson: write: %w", err)
	}
	p := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if err := c.Write(ctx, websocket.MessageText, p); err != nil {
		return fmt.Errorf("wsjson: write: %w", err)
	}
	return nil
}
