package wsflate

import (
	"bytes"
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/deflate"
	"github.com/wskit/wskit/ws"
)

// Helper compresses and inflates whole messages that stand alone, without context takeover. The
// zero value is ready; a Helper is not changed by its use and serves any number of goroutines
// at once.
type Helper struct {
	// Compressor and Decompressor make what compresses and inflates: see [NewWriter] and
	// [NewReader]. nil stands for this package's own, with the largest window; level 1.
	Compressor   func(io.Writer) Compressor
	Decompressor func(io.Reader) Decompressor

	// MaxMessage is the most bytes to which a message may inflate. 0 stands for
	// [DefaultMaxMessage], a negative value for no limit.
	MaxMessage int64
}

// Buffer collects what is written to it; a [bytes.Buffer] is one.
type Buffer interface {
	Bytes() []byte
	Write([]byte) (int, error)
}

// CompressFrame returns f compressed, with RSV1, in memory of its own; it does not change f. A
// control frame comes back as it is. A fragment, or a frame that is masked, is the
// caller's mistake, and one with RSV1 is [ErrUnexpectedCompressionBit].
func (h *Helper) CompressFrame(f ws.Frame) (ws.Frame, error) {
	return h.CompressFrameBuffer(new(bytes.Buffer), f)
}

// CompressFrameBuffer is CompressFrame with the payload in buf, behind what buf holds: it is
// valid until buf is changed.
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

// DecompressFrame returns f inflated, without RSV1, in memory of its own; it does not change f.
// A frame that is not compressed comes back as it is. A fragment, or a frame that is masked, is
// the caller's mistake; a control frame with RSV1 is [ErrUnexpectedCompressionBit].
func (h *Helper) DecompressFrame(f ws.Frame) (ws.Frame, error) {
	return h.DecompressFrameBuffer(new(bytes.Buffer), f)
}

// DecompressFrameBuffer is DecompressFrame with the payload in buf, behind what buf holds: it
// is valid until buf is changed.
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

// whole returns an error for a frame that is not a whole message that can be read.
func whole(h ws.Header) error {
	switch {
	case !h.Fin || h.OpCode == ws.OpContinuation:
		return errFragmented
	case h.Masked:
		return errMasked
	}
	return nil
}

// reframe returns a frame of what convert makes of p.
func reframe(buf Buffer, h ws.Header, p []byte, convert func(io.Writer, []byte) error) (ws.Frame, error) {
	before := len(buf.Bytes())
	if err := convert(buf, p); err != nil {
		return ws.Frame{}, err
	}
	payload := buf.Bytes()[before:]
	h.Length = int64(len(payload))
	return ws.Frame{Header: h, Payload: payload}, nil
}

// Compress returns the compressed payload of the message p, without the tail. It does not
// retain p.
func (h *Helper) Compress(p []byte) ([]byte, error) {
	var out bytes.Buffer
	err := h.CompressTo(&out, p)
	return out.Bytes(), err
}

// CompressTo writes the compressed payload of the message p to w, without the tail. It does not
// retain p.
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

// Decompress returns the message whose compressed payload is p, without the tail. It does not
// retain p. Errors are those of [Reader.Read].
func (h *Helper) Decompress(p []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := h.DecompressTo(&out, p); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// DecompressTo writes the message whose compressed payload is p to w. It does not retain p.
// When the message turns out to be corrupt or too large, what came before that has been
// written. Errors are those of [Reader.Read] and of w.
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
