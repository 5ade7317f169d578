package websocket

import (
	"context"
	"fmt"
)

// Read reads the next message into *v and returns its type. A *string takes text
// alone: with a binary message, Read leaves *v as it is and returns [MessageBinary]
// and an error; that message is gone, and the connection as usable as before. A *[]byte
// takes the payload of either type, in memory of its own. The other errors are those of
// [Conn.Read].
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
			return typ, fmt.Errorf("websocket: read into a string: the message is a %v", typ)
		}
		*v = string(p)
	}
	return typ, nil
}

// Write is [Conn.Write].
func Write(ctx context.Context, conn *Conn, typ MessageType, p []byte) error {
	return conn.Write(ctx, typ, p)
}
