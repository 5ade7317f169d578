package wsutil

import "github.com/wskit/wskit/ws"

// RecvExtension handles the reserved bits of the frames that a [Reader]
// receives (RFC 6455, section 9.1). The Reader calls UnsetBits with the header
// of every frame, after checking it. UnsetBits returns the header without the
// bits that belong to the extension; the Reader uses only the bits of the
// result. An error ends the Reader. UnsetBits returns a *[ws.ProtocolError] for
// a fault of the peer.
type RecvExtension interface {
	UnsetBits(ws.Header) (ws.Header, error)
}

// RecvExtensionFunc is a function that implements [RecvExtension].
type RecvExtensionFunc func(ws.Header) (ws.Header, error)

// UnsetBits calls fn. If fn is nil, it returns h unchanged.
func (fn RecvExtensionFunc) UnsetBits(h ws.Header) (ws.Header, error) {
	if fn == nil {
		return h, nil
	}
	return fn(h)
}

// SendExtension sets the reserved bits of the frames that a [Writer] sends. The
// Writer calls SetBits with the header of every frame, including continuations.
// SetBits returns the header with the bits that the extension sets; the Writer
// uses only the bits of the result.
type SendExtension interface {
	SetBits(ws.Header) (ws.Header, error)
}

// SendExtensionFunc is a function that implements [SendExtension].
type SendExtensionFunc func(ws.Header) (ws.Header, error)

// SetBits calls fn. If fn is nil, it returns h unchanged.
func (fn SendExtensionFunc) SetBits(h ws.Header) (ws.Header, error) {
	if fn == nil {
		return h, nil
	}
	return fn(h)
}
