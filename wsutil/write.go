package wsutil

import (
	"io"

	"github.com/wskit/wskit/ws"
)

// WriteMessage writes a message to w in one frame, as the side that s names sends it.
// It neither changes nor retains p and allocates nothing in steady state. A server's
// frame is written as [ws.WriteFrame] does: one Write, or for more than 64 KiB one
// vectored write on sockets, without a copy of p. A client's is masked into a pooled
// buffer and takes one Write for every MiB.
//
// It returns [ErrControlOverflow], having written nothing, for a control frame of
// more than 125 bytes, and otherwise the error of w. Messages that several goroutines
// write to one w are theirs to serialise.
func WriteMessage(w io.Writer, s ws.State, op ws.OpCode, p []byte) error {
	if op.IsControl() && len(p) > ws.MaxControlFramePayloadSize {
		return ErrControlOverflow
	}
	return writeFrame(w, s, ws.Header{Fin: true, OpCode: op}, p)
}

// WriteServerMessage, for a server: [WriteMessage] to a client.
func WriteServerMessage(w io.Writer, op ws.OpCode, p []byte) error {
	return WriteMessage(w, ws.StateServerSide, op, p)
}

// WriteServerText, for a server: [WriteMessage] of a text to a client. That p is UTF-8
// is the caller's to see to.
func WriteServerText(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateServerSide, ws.OpText, p)
}

// WriteServerBinary, for a server: [WriteMessage] of a binary message to a client.
func WriteServerBinary(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateServerSide, ws.OpBinary, p)
}

// WriteClientMessage, for a client: [WriteMessage] to a server.
func WriteClientMessage(w io.Writer, op ws.OpCode, p []byte) error {
	return WriteMessage(w, ws.StateClientSide, op, p)
}

// WriteClientText, for a client: [WriteMessage] of a text to a server. That p is UTF-8
// is the caller's to see to.
func WriteClientText(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateClientSide, ws.OpText, p)
}

// WriteClientBinary, for a client: [WriteMessage] of a binary message to a server.
func WriteClientBinary(w io.Writer, p []byte) error {
	return WriteMessage(w, ws.StateClientSide, ws.OpBinary, p)
}

// mostMasked is how much a client masks and writes at once.
const mostMasked = 1 << 20

// writeFrame writes a frame with this header and payload as the side that s names
// sends it; length and mask are set here.
func writeFrame(w io.Writer, s ws.State, h ws.Header, p []byte) error {
	h.Length = int64(len(p))
	if !s.ClientSide() {
		return ws.WriteFrame(w, ws.Frame{Header: h, Payload: p})
	}
	h.Masked, h.Mask = true, ws.NewMask()
	b := newBuffer(min(ws.HeaderSize(h)+len(p), mostMasked))
	defer b.free()
	out := ws.AppendHeader(b.b, h)
	for pos := 0; ; out = out[:0] {
		n := min(len(p)-pos, cap(out)-len(out))
		ws.CipherCopy(out[len(out):cap(out)], p[pos:pos+n], h.Mask, pos)
		if _, err := w.Write(out[:len(out)+n]); err != nil {
			return err
		}
		if pos += n; pos == len(p) {
			return nil
		}
	}
}
