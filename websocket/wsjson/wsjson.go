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

// keepMost is the size up to which a buffer is kept for another message.
const keepMost = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func release(b *bytes.Buffer) {
	if b.Cap() <= keepMost {
		b.Reset()
		buffers.Put(b)
	}
}

// Read reads the next message of c, of either type, and stores its value in v as
// [json.Unmarshal] does. What is not JSON, or does not fit v, closes the connection with
// [websocket.StatusInvalidFramePayloadData], for which Read waits until ctx ends at most; the
// error wraps that of encoding/json. If v is no pointer, or nil, that is a
// *[json.InvalidUnmarshalError], and nothing is read. The other errors are those of
// [websocket.Conn.Read].
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
	*b = *bytes.NewBuffer(p) // which may have grown
	if err := json.Unmarshal(p, v); err != nil {
		c.CloseContext(ctx, websocket.StatusInvalidFramePayloadData, "message is not the JSON that was expected")
		return fmt.Errorf("wsjson: read: %w", err)
	}
	return nil
}

// Write writes v in the form of [json.Marshal] as one text message. The connection is as
// usable as before if v has no such form. The other errors are those of
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
