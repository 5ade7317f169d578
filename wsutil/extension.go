package wsutil

import "github.com/wskit/wskit/ws"

// RecvExtension is what a [Reader] asks about the reserved bits of the frames
// that it receives. UnsetBits is called with the header of every frame, once it
// has been checked, and returns it without the bits that belong to the extension
// (RFC 6455, section 9.1); nothing but the bits is taken from what it returns. An
// error ends the Reader; a fault of the peer is a *[ws.ProtocolError].
type RecvExtension interface {
	UnsetBits(ws.Header) (ws.Header, error)
}

// RecvExtensionFunc is a function that is a [RecvExtension].
type RecvExtensionFunc func(ws.Header) (ws.Header, error)

// UnsetBits calls fn. A nil fn leaves h as it is.
func (fn RecvExtensionFunc) UnsetBits(h ws.Header) (ws.Header, error) {
	if fn == nil {
		return h, nil
	}
	return fn(h)
}

// SendExtension is what a [Writer] asks about the reserved bits of the frames
// that it sends. SetBits is called with the header of every frame, continuations
// among them, and returns it with the bits that the extension wants set; nothing
// but the bits is taken from what it returns.
type SendExtension interface {
	SetBits(ws.Header) (ws.Header, error)
}

// SendExtensionFunc is a function that is a [SendExtension].
type SendExtensionFunc func(ws.Header) (ws.Header, error)

// SetBits calls fn. A nil fn leaves h as it is.
func (fn SendExtensionFunc) SetBits(h ws.Header) (ws.Header, error) {
	if fn == nil {
		return h, nil
	}
	return fn(h)
}
