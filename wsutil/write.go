package wsutil

import (
	"encoding/binary"
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/framing"
	"github.com/wskit/wskit/ws"
)

// WriteMessage writes a message to w in one frame, as the side that s names sends it.
// It neither changes nor retains p and allocates nothing in steady state. A server's
// frame takes one Write, or for more than 64 KiB what [ws.WriteFrame] does: one
// vectored write on sockets, without a copy of p, and two Writes elsewhere. A client's is masked into a pooled
// buffer and takes one Write for every MiB of p.
//
// Where w has a buffer, as a *bufio.Writer and a *bufio.ReadWriter have, the message may be
// left in it: to flush it is the caller's part, so that several messages can leave together.
//
// With op [ws.OpContinuation] it writes the last frame of a message whose other frames the
// caller has written. It returns [ErrControlOverflow], having written nothing, for a control
// frame of more than 125 bytes, [ErrNotSendable] for a reserved opcode, and otherwise the
// error of w. Messages that several goroutines write to one w are theirs to serialise.
func WriteMessage(w io.Writer, s ws.State, op ws.OpCode, p []byte) error {
	if op > ws.OpBinary {
		if err := checkWhole(op, len(p)); err != nil {
			return err
		}
	}
	return writeFrame(w, s, &ws.Header{Fin: true, OpCode: op}, p)
}

// WriteMessageInPlace is [WriteMessage] for the payload buf[ws.MaxHeaderSize:]: it
// writes the header into the bytes before the payload, masks a client's payload in
// place, and writes the frame with one Write, without a copy. What buf holds
// afterwards is of no use on the client's side; a server's payload is unchanged, and
// may be sent again.
//
// It returns [ErrNotSendable] and [ws.ErrNoHeaderRoom], having written nothing, if
// buf has fewer than [ws.MaxHeaderSize] bytes, and otherwise the errors of
// WriteMessage.
func WriteMessageInPlace(w io.Writer, s ws.State, op ws.OpCode, buf []byte) error {
	if len(buf) < ws.MaxHeaderSize {
		return errNoRoom
	}
	if op > ws.OpBinary {
		if err := checkWhole(op, len(buf)-ws.MaxHeaderSize); err != nil {
			return err
		}
	}
	h := ws.Header{Fin: true, OpCode: op, Masked: s.ClientSide()}
	if h.Masked {
		h.Mask = ws.NewMask()
	}
	frame, err := ws.FrameInPlace(buf, h)
	if err != nil {
		return err
	}
	return writeFull(w, frame)
}

// mostCopied is how much a server copies behind a header. [ws.WriteFrame] would do the
// same, and takes longer to be told. For more it knows sockets. What is none may be a
// socket in a wrapper, on which two Writes of 1 MiB took 230 us and one with a copy
// 320, but 43 and 31 us at 128 KiB; or TLS, which cuts all into records and took the
// same time for both. No copy is what a large message needs most.
const mostCopied = 64 << 10

// mostMasked is how much a client masks and writes at once, with the header in front.
const mostMasked = 1<<20 + ws.MaxHeaderSize

// writeFrame writes a frame of p as the side that s names sends it. Fin, Rsv and OpCode
// are those of h; the rest is made here. It takes a pointer because a Header that was
// just written field by field is slow to pass on.
func writeFrame(w io.Writer, s ws.State, h *ws.Header, p []byte) error {
	switch {
	case s.ClientSide():
		return writeMasked(w, lead(h), p)
	case len(p) > mostCopied:
		h.Length = int64(len(p))
		return ws.WriteFrame(w, ws.Frame{Header: *h, Payload: p})
	}
	b := bufpool.Get(ws.MaxHeaderSize + len(p))
	defer b.Free()
	return writeFull(w, append(framing.Append(b.B, lead(h), uint64(len(p))), p...))
}

// writeFull writes p with one Write. Not every writer keeps the promise of [io.Writer]
// to say why it took less.
func writeFull(w io.Writer, p []byte) error {
	if w == nil {
		return errNilDestination
	}
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// writeMasked writes the frame of a client.
func writeMasked(w io.Writer, lead byte, p []byte) error {
	key := ws.NewMask()
	b := bufpool.Get(min(ws.MaxHeaderSize+len(p), mostMasked))
	defer b.Free()
	out := framing.AppendMasked(b.B, lead, uint64(len(p)), binary.LittleEndian.Uint32(key[:]))
	for pos := 0; ; out = out[:0] {
		n := min(len(p)-pos, cap(out)-len(out))
		ws.CipherCopy(out[len(out):cap(out)], p[pos:pos+n], key, pos)
		if err := writeFull(w, out[:len(out)+n]); err != nil {
			return err
		}
		if pos += n; pos == len(p) {
			return nil
		}
	}
}
