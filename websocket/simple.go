package websocket

import (
	"context"
	"fmt"
)

// Read reads the next message into *v and returns its type. If v is a *string,
// a binary message is an error: Read discards the message, returns
// [MessageBinary], and changes neither *v nor the state of the connection. If v
// is a *[]byte, Read sets *v to the payload of a message of either type, in new
// memory. The other errors are those of [Conn.Read].
func Read[T *string | *[]byte](ctx context.Context, conn *Conn, v T) (MessageType, error) {
	typ, p, err := conn.Read(ctx)
	if err != nil {
		return typ, err
	}
	switch v := any(v).(type) {
	case *[]byte:
		*v = p
	case *string:
		if typ != MessageText {
			return typ, fmt.Errorf("websocket: cannot read a message of type %v into a string", typ)
		}
		*v = string(p)
	}
	return typ, nil
}

// Write is [Conn.Write].
func Write(ctx context.Context, conn *Conn, typ MessageType, p []byte) error {
	return conn.Write(ctx, typ, p)
}
