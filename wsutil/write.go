package wsutil

import (
	"encoding/binary"
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/framing"
	"github.com/wskit/wskit/ws"
)

// WriteMessage writes a message to w in one frame; s is the side of the caller.
// It neither modifies nor retains p, and does not allocate in steady state. A
// server makes one Write for up to 64 KiB. For more, [ws.WriteFrame] makes one
// vectored write on a socket, without a copy of p, and two Writes elsewhere. A
// client masks into a pooled buffer and makes one Write for each MiB of p.
//
// WriteMessage does not flush a *bufio.Writer or *bufio.ReadWriter: the caller
// flushes it, so that several messages can be sent together.
//
// With [ws.OpContinuation], WriteMessage writes the last frame of a message
// whose other frames the caller has written. It returns [ErrControlOverflow]
// for a control frame of more than 125 bytes, and [ErrNotSendable] for a
// reserved opcode. In both cases it writes nothing. Other errors are those of
// w. The caller serializes messages that several goroutines write to one w.
func WriteMessage(w io.Writer, s ws.State, op ws.OpCode, p []byte) error {
	if op > ws.OpBinary {
		if err := checkWhole(op, len(p)); err != nil {
			return err
		}
	}
	return writeFrame(w, s, &ws.Header{Fin: true, OpCode: op}, p)
}

// WriteMessageInPlace is [WriteMessage] for the payload buf[ws.MaxHeaderSize:].
// It writes the header into the bytes before the payload, masks a client's
// payload in place, and writes the frame with one Write, without a copy. On a
// client the content of buf is then undefined; a server's payload is unchanged
// and may be sent again.
//
// If buf has fewer than [ws.MaxHeaderSize] bytes, it writes nothing and returns
// an error that wraps [ErrNotSendable] and [ws.ErrNoHeaderRoom]. Other errors
// are those of WriteMessage.
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

// maxCopied is the longest payload that a server copies after its header. For a
// longer one, ws.WriteFrame avoids the copy. That is faster on sockets. If w
// wraps a socket, two Writes of 1 MiB took 230 us and one Write with a copy 320
// us; at 128 KiB they took 43 and 31 us. TLS cuts the payload into records and
// took the same time for both.
const maxCopied = 64 << 10

// maxMasked is the maximum number of bytes that a client masks and writes at
// once, including the header.
const maxMasked = 1<<20 + ws.MaxHeaderSize

// writeFrame writes a frame of p; s is the side of the caller. It uses Fin, Rsv
// and OpCode of h and sets the rest itself. It takes a pointer because passing
// a Header by value right after its fields were written stalls.
func writeFrame(w io.Writer, s ws.State, h *ws.Header, p []byte) error {
	switch {
	case s.ClientSide():
		return writeMasked(w, lead(h), p)
	case len(p) > maxCopied:
		h.Length = int64(len(p))
		return ws.WriteFrame(w, ws.Frame{Header: *h, Payload: p})
	}
	b := bufpool.Get(ws.MaxHeaderSize + len(p))
	defer b.Free()
	return writeFull(w, append(framing.Append(b.B, lead(h), uint64(len(p))), p...))
}

// writeFull writes p with one Write. It checks the count, because some writers
// return a short count without an error.
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
	b := bufpool.Get(min(ws.MaxHeaderSize+len(p), maxMasked))
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
