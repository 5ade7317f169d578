package ws

import (
	"bufio"
	"io"

	"github.com/wskit/wskit/httphead"
)

// This file has names of github.com/gobwas/ws for which this package has better
// replacements. The deprecated fields Extension of [Upgrader] and
// [HTTPUpgrader] also belong to these names.

// MustCompileFrame returns the wire form of f in a new slice. It does not
// panic.
//
// Deprecated: Use [AppendFrame], which appends to the caller's buffer.
//
//go:fix inline
func MustCompileFrame(f Frame) []byte { return AppendFrame(nil, f) }

// MustReadFrame is [ReadFrame], but panics on an error.
//
// Deprecated: Use [ReadFrame]. Errors of the network and of the peer occur in
// every program.
func MustReadFrame(r io.Reader) Frame {
	f, err := ReadFrame(r)
	if err != nil {
		panic(err)
	}
	return f
}

// MustWriteFrame is [WriteFrame], but panics on an error.
//
// Deprecated: Use [WriteFrame]. Errors of the network occur in every program.
func MustWriteFrame(w io.Writer, f Frame) {
	if err := WriteFrame(w, f); err != nil {
		panic(err)
	}
}

// ReadHeaderBuffer is [ReadHeader]. It does not use buf.
//
// Deprecated: Use [ReadHeader], which does not allocate.
//
//go:fix inline
func ReadHeaderBuffer(r io.Reader, buf []byte) (Header, error) { return ReadHeader(r) }

// WriteHeaderBuffer is [WriteHeader]. It does not use buf.
//
// Deprecated: Use [WriteHeader], which does not allocate.
//
//go:fix inline
func WriteHeaderBuffer(w io.Writer, h Header, buf []byte) error { return WriteHeader(w, h) }

// ParseCloseFrameDataUnsafe is [ParseCloseFrameData]: the reason is a copy, not
// a view into p.
//
// Deprecated: Use [ParseCloseBody], which checks what it parses, or
// [ParseCloseFrameData].
//
//go:fix inline
func ParseCloseFrameDataUnsafe(p []byte) (code StatusCode, reason string) {
	return ParseCloseFrameData(p)
}

// PutReader does nothing. A reader of [Dialer.Dial] or [Dialer.Upgrade] shares
// its bytes with the connection, so it cannot be reused.
//
// Deprecated: Delete the call.
func PutReader(*bufio.Reader) {}

// Wire forms of unmasked frames without payload, for a server to send. Programs
// must not change the bytes. This module does not use them.
//
// Deprecated: Use [AppendFrame] with [NewPingFrame] or [NewPongFrame] into a
// variable of the program.
var (
	CompiledPing = AppendFrame(nil, NewPingFrame(nil))
	CompiledPong = AppendFrame(nil, NewPongFrame(nil))
)

// Wire forms of unmasked close frames with a code and no reason, for a server
// to send; CompiledClose has no code. Programs must not change the bytes. This
// module does not use them.
//
// [StatusNoMeaningYet] and [StatusTLSHandshake] must not be sent (RFC 6455,
// section 7.4.1): peers answer those two frames with [StatusProtocolError].
//
// Deprecated: Use [AppendFrame] with [NewCloseFrame] and [NewCloseFrameBody],
// which also take a reason.
var (
	CompiledClose                        = compiledClose(0)
	CompiledCloseNormalClosure           = compiledClose(StatusNormalClosure)
	CompiledCloseGoingAway               = compiledClose(StatusGoingAway)
	CompiledCloseProtocolError           = compiledClose(StatusProtocolError)
	CompiledCloseUnsupportedData         = compiledClose(StatusUnsupportedData)
	CompiledCloseNoMeaningYet            = compiledClose(StatusNoMeaningYet)
	CompiledCloseInvalidFramePayloadData = compiledClose(StatusInvalidFramePayloadData)
	CompiledClosePolicyViolation         = compiledClose(StatusPolicyViolation)
	CompiledCloseMessageTooBig           = compiledClose(StatusMessageTooBig)
	CompiledCloseMandatoryExt            = compiledClose(StatusMandatoryExt)
	CompiledCloseInternalServerError     = compiledClose(StatusInternalServerError)
	CompiledCloseTLSHandshake            = compiledClose(StatusTLSHandshake)
)

func compiledClose(code StatusCode) []byte {
	return AppendFrame(nil, NewCloseFrame(NewCloseFrameBody(code, "")))
}

// negotiate returns the callback for offered extensions: Negotiate, or a
// wrapper of Extension, or nil.
func (u *Upgrader) negotiate() func(httphead.Option) (httphead.Option, error) {
	if u.Negotiate != nil || u.Extension == nil {
		return u.Negotiate
	}
	return func(offer httphead.Option) (accepted httphead.Option, err error) {
		if u.Extension(offer) {
			accepted = offer
		}
		return accepted, nil
	}
}
