package wsflate

import (
	"bytes"
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/deflate"
	"github.com/wskit/wskit/ws"
)

// Helper compresses and decompresses single messages without context takeover.
// The zero value is ready to use. A Helper is safe for concurrent use.
type Helper struct {
	// Compressor and Decompressor return the compressor and decompressor to
	// use: see [NewWriter] and [NewReader]. nil means those of this package,
	// with the largest window and level 1.
	Compressor   func(io.Writer) Compressor
	Decompressor func(io.Reader) Decompressor

	// MaxMessage is the maximum size of a decompressed message in bytes. 0
	// means [DefaultMaxMessage], and a negative value means no limit.
	MaxMessage int64
}

// Buffer collects what is written to it. [bytes.Buffer] implements it.
type Buffer interface {
	Bytes() []byte
	Write([]byte) (int, error)
}

// CompressFrame returns a compressed copy of f with RSV1 set. It does not
// modify f. It returns a control frame unchanged. For a frame that has RSV1
// set, it returns [ErrUnexpectedCompressionBit]. It also returns an error for a
// fragment or a masked frame, which is a mistake of the caller.
func (h *Helper) CompressFrame(f ws.Frame) (ws.Frame, error) {
	return h.CompressFrameBuffer(new(bytes.Buffer), f)
}

// CompressFrameBuffer is [Helper.CompressFrame], but appends the payload to
// buf. The payload is valid until buf is changed.
func (h *Helper) CompressFrameBuffer(buf Buffer, f ws.Frame) (ws.Frame, error) {
	if f.Header.OpCode.IsControl() {
		return f, nil
	}
	header, err := SetBit(f.Header)
	if err == nil {
		err = whole(f.Header)
	}
	if err != nil {
		return ws.Frame{}, err
	}
	return reframe(buf, header, f.Payload, h.CompressTo)
}

// DecompressFrame returns a decompressed copy of f without RSV1. It does not
// modify f. It returns an uncompressed frame unchanged. For a control frame
// that has RSV1 set, it returns [ErrUnexpectedCompressionBit]. It also returns
// an error for a continuation, and for a compressed frame that is a fragment or
// masked. These are mistakes of the caller.
func (h *Helper) DecompressFrame(f ws.Frame) (ws.Frame, error) {
	return h.DecompressFrameBuffer(new(bytes.Buffer), f)
}

// DecompressFrameBuffer is [Helper.DecompressFrame], but appends the payload to
// buf. The payload is valid until buf is changed.
func (h *Helper) DecompressFrameBuffer(buf Buffer, f ws.Frame) (ws.Frame, error) {
	header, compressed, err := UnsetBit(f.Header)
	if err == nil && (compressed || header.OpCode == ws.OpContinuation) {
		err = whole(header)
	}
	if err != nil {
		return ws.Frame{}, err
	}
	if !compressed {
		return f, nil
	}
	return reframe(buf, header, f.Payload, h.DecompressTo)
}

// whole returns an error if the frame is a fragment or masked.
func whole(h ws.Header) error {
	switch {
	case !h.Fin || h.OpCode == ws.OpContinuation:
		return errFragmented
	case h.Masked:
		return errMasked
	}
	return nil
}

// reframe returns a frame whose payload is the output of convert for p.
func reframe(buf Buffer, h ws.Header, p []byte, convert func(io.Writer, []byte) error) (ws.Frame, error) {
	before := len(buf.Bytes())
	if err := convert(buf, p); err != nil {
		return ws.Frame{}, err
	}
	payload := buf.Bytes()[before:]
	h.Length = int64(len(payload))
	return ws.Frame{Header: h, Payload: payload}, nil
}

// Compress returns the compressed payload of the message p, without the tail
// (RFC 7692, section 7.2.1). It does not retain p.
func (h *Helper) Compress(p []byte) ([]byte, error) {
	var out bytes.Buffer
	err := h.CompressTo(&out, p)
	return out.Bytes(), err
}

// CompressTo writes the compressed payload of the message p to w, without the
// tail. It does not retain p.
func (h *Helper) CompressTo(w io.Writer, p []byte) error {
	if h.Compressor == nil {
		var enc deflate.Encoder
		out := bufpool.Get(deflate.Room(len(p)))
		defer out.Free()
		payload := enc.Append(out.B, p)
		out.Adopt(payload)
		_, err := w.Write(payload)
		return err
	}
	c := NewWriter(w, h.Compressor)
	if _, err := c.Write(p); err != nil {
		return err
	}
	return c.Close()
}

// Decompress returns the message with the compressed payload p, which has no
// tail. It does not retain p. Errors are those of [Reader.Read].
func (h *Helper) Decompress(p []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := h.DecompressTo(&out, p); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// DecompressTo writes the message with the compressed payload p to w. It does
// not retain p. If the message is corrupt or too large, the data before the
// fault has been written. Errors are those of [Reader.Read] and of w.
func (h *Helper) DecompressTo(w io.Writer, p []byte) error {
	r := NewReader(bytes.NewReader(p), h.Decompressor)
	r.SetLimit(h.MaxMessage)
	out := bufpool.Get(partSize)
	defer out.Free()
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, r, out.All())
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return err
}
