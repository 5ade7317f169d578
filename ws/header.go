package ws

import (
	"bufio"
	"encoding/binary"
	"errors"

	"io"
	"math"
	"strconv"
	"sync"

	"github.com/wskit/wskit/internal/framing"
)

// Sizes of a frame header in bytes and of a control frame's payload (RFC 6455,
// sections 5.2 and 5.5).
const (
	MinHeaderSize              = 2
	MaxHeaderSize              = 14
	MaxControlFramePayloadSize = 125
)

// OpCode is the opcode of a frame (RFC 6455, section 11.8).
type OpCode byte

// The opcodes that RFC 6455 defines.
const (
	OpContinuation OpCode = 0x0
	OpText         OpCode = 0x1
	OpBinary       OpCode = 0x2
	OpClose        OpCode = 0x8
	OpPing         OpCode = 0x9
	OpPong         OpCode = 0xa
)

// IsControl reports whether c is the opcode of a control frame, defined or
// reserved: its top bit is set (RFC 6455, section 5.5).
func (c OpCode) IsControl() bool { return c&0x8 != 0 }

// IsData reports whether c is the opcode of a data frame, defined or reserved;
// a continuation is one (RFC 6455, section 5.6).
func (c OpCode) IsData() bool { return c&0x8 == 0 }

// IsReserved reports whether RFC 6455 leaves c undefined. It is also true for
// numbers above 15, which do not fit into four bits.
func (c OpCode) IsReserved() bool {
	return 0x3 <= c && c <= 0x7 || c >= 0xb
}

// String returns the name of the opcode in the RFC, such as "text". For a
// reserved opcode it returns the number, as in "opcode 11".
func (c OpCode) String() string {
	switch c {
	case OpContinuation:
		return "continuation"
	case OpText:
		return "text"
	case OpBinary:
		return "binary"
	case OpClose:
		return "close"
	case OpPing:
		return "ping"
	case OpPong:
		return "pong"
	}
	return "opcode " + strconv.Itoa(int(c))
}

// Header is the header of a frame (RFC 6455, section 5.2). It is a small,
// comparable value and refers to no memory.
type Header struct {
	Fin    bool
	Rsv    byte // the three bits as returned by [Rsv]: RSV1 is 4, RSV2 is 2, RSV3 is 1
	OpCode OpCode
	Masked bool
	Mask   [4]byte // used only if Masked
	Length int64   // of the payload, in bytes
}

// Rsv1 reports whether the first reserved bit is set.
func (h Header) Rsv1() bool { return h.Rsv&0x4 != 0 }

// Rsv2 reports whether the second reserved bit is set.
func (h Header) Rsv2() bool { return h.Rsv&0x2 != 0 }

// Rsv3 reports whether the third reserved bit is set.
func (h Header) Rsv3() bool { return h.Rsv&0x1 != 0 }

// Rsv packs the three reserved bits for [Header].Rsv.
func Rsv(r1, r2, r3 bool) (rsv byte) {
	if r1 {
		rsv |= 0x4
	}
	if r2 {
		rsv |= 0x2
	}
	if r3 {
		rsv |= 0x1
	}
	return rsv
}

// RsvBits unpacks the result of [Rsv].
func RsvBits(rsv byte) (r1, r2, r3 bool) {
	return rsv&0x4 != 0, rsv&0x2 != 0, rsv&0x1 != 0
}

// Errors about a length field (RFC 6455, section 5.2). The first three are the
// peer's fault, the last is the caller's.
var (
	ErrHeaderLengthMSB        = &ProtocolError{StatusProtocolError, "5.2", "the top bit of a 64-bit payload length is set"}
	ErrHeaderLengthNotMinimal = &ProtocolError{StatusProtocolError, "5.2", "payload length is not in its shortest form"}
	ErrHeaderLengthOverflow   = &ProtocolError{StatusMessageTooBig, "5.2", "payload length does not fit this machine's int"}

	ErrHeaderLengthUnexpected = errors.New("ws: header length is negative or differs from the length of the payload")
)

// HeaderSize returns the number of bytes that [AppendHeader] appends for h, or
// -1 if h.Length is negative.
func HeaderSize(h Header) int {
	if h.Length < 0 {
		return -1
	}
	return framing.Size(uint64(h.Length), h.Masked)
}

// AppendHeader appends the wire form of h to dst and returns the extended slice
// (RFC 6455, section 5.2). It does not fail, and allocates only if dst has no
// room for [HeaderSize] more bytes. It does not check whether the header may be
// sent: see [CheckHeader]. Excess bits of a field are cut off, and a negative
// length is encoded in 64 bits with the top bit set.
func AppendHeader(dst []byte, h Header) []byte {
	lead := framing.Lead(h.Fin, h.Rsv, byte(h.OpCode))
	if h.Masked {
		return framing.AppendMasked(dst, lead, uint64(h.Length), binary.LittleEndian.Uint32(h.Mask[:]))
	}
	return framing.Append(dst, lead, uint64(h.Length))
}

// ParseHeader decodes the frame header at the start of p (RFC 6455, section
// 5.2); n is its size in bytes. It does not retain p.
//
// It returns [io.ErrUnexpectedEOF] if p holds only a part of a header, and
// [ErrHeaderLengthMSB], [ErrHeaderLengthNotMinimal] or
// [ErrHeaderLengthOverflow] for an invalid length. It does not check whether
// the header is allowed in this state: see [CheckHeader].
func ParseHeader(p []byte) (h Header, n int, err error) {
	n, err = h.parse(p, false)
	return h, n, err
}

// ParseHeaderNonMinimal is [ParseHeader], but accepts lengths that are not in
// their shortest form, which RFC 6455, section 5.2 forbids.
func ParseHeaderNonMinimal(p []byte) (h Header, n int, err error) {
	n, err = h.parse(p, true)
	return h, n, err
}

// parse decodes into h, which must be zero and stays zero on an error. It and
// its callers take a pointer: passing a Header by value right after its fields
// were written takes longer than decoding it.
func (h *Header) parse(p []byte, nonMinimal bool) (n int, err error) {
	if len(p) < 2 {
		return 0, io.ErrUnexpectedEOF
	}
	n = 2
	length := int64(p[1] & 0x7f)
	if length > 125 {
		if length, n, err = parseLength(p, nonMinimal); err != nil {
			return 0, err
		}
	}
	if p[1]&0x80 != 0 {
		if len(p) < n+4 {
			return 0, io.ErrUnexpectedEOF
		}
		h.Masked = true
		h.Mask = [4]byte(p[n:])
		n += 4
	}
	h.Fin = p[0]&0x80 != 0
	h.Rsv = p[0] >> 4 & 0x7
	h.OpCode = OpCode(p[0] & 0xf)
	h.Length = length
	return n, nil
}

// parseLength decodes the two longer forms of a length. n is the number of
// bytes up to its end.
func parseLength(p []byte, nonMinimal bool) (length int64, n int, err error) {
	var u, least uint64
	if p[1]&0x7f == 126 {
		if len(p) < 4 {
			return 0, 0, io.ErrUnexpectedEOF
		}
		u, n, least = uint64(binary.BigEndian.Uint16(p[2:])), 4, 126
	} else {
		if len(p) < 10 {
			return 0, 0, io.ErrUnexpectedEOF
		}
		u, n, least = binary.BigEndian.Uint64(p[2:]), 10, math.MaxUint16+1
	}
	switch {
	case u > math.MaxInt64:
		return 0, 0, ErrHeaderLengthMSB
	case u < least && !nonMinimal:
		return 0, 0, ErrHeaderLengthNotMinimal
	case u > math.MaxInt:
		return 0, 0, ErrHeaderLengthOverflow
	}
	return int64(u), n, nil
}

// sizeByLead returns the size of the header whose first two bytes are p.
func sizeByLead(p []byte) int {
	n := 2
	switch p[1] & 0x7f {
	case 126:
		n = 4
	case 127:
		n = 10
	}
	if p[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// scratch holds the few bytes that would otherwise escape to the heap for every
// header that passes through an interface.
var scratch = sync.Pool{New: func() any { return new([MaxHeaderSize]byte) }}

// ReadHeader reads one frame header from r. It does not read past the header.
// It returns [io.EOF] if r ends before the first byte, [io.ErrUnexpectedEOF] if
// r ends inside the header, and the errors of [ParseHeader]. It does not
// allocate. It decodes in place from a *bufio.Reader or *bufio.ReadWriter, and
// needs two calls of Read for other readers.
func ReadHeader(r io.Reader) (h Header, err error) {
	err = h.read(r, false)
	return h, err
}

// ReadHeaderNonMinimal is [ReadHeader], but accepts lengths that are not in
// their shortest form: see [ParseHeaderNonMinimal].
func ReadHeaderNonMinimal(r io.Reader) (h Header, err error) {
	err = h.read(r, true)
	return h, err
}

func (h *Header) read(r io.Reader, nonMinimal bool) error {
	switch r := r.(type) {
	case *bufio.Reader:
		return h.peek(r, nonMinimal)
	case *bufio.ReadWriter:
		return h.peek(r.Reader, nonMinimal)
	}
	b := scratch.Get().(*[MaxHeaderSize]byte)
	defer scratch.Put(b)
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return err
	}
	n := sizeByLead(b[:2])
	if _, err := io.ReadFull(r, b[2:n]); err != nil {
		return inside(err)
	}
	_, err := h.parse(b[:n], nonMinimal)
	return err
}

func (h *Header) peek(br *bufio.Reader, nonMinimal bool) error {
	need := 2
	if br.Buffered() >= MaxHeaderSize {
		need = MaxHeaderSize // the size need not be computed
	}
	p, err := br.Peek(need)
	if err == nil && need == 2 {
		p, err = br.Peek(sizeByLead(p))
	}
	if err != nil {
		if len(p) > 0 {
			err = inside(err)
		}
		return err
	}
	n, err := h.parse(p, nonMinimal)
	if err != nil {
		return err
	}
	_, err = br.Discard(n)
	return err
}

// inside converts io.EOF to io.ErrUnexpectedEOF.
func inside(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// WriteHeader writes the wire form of h to w with one Write. It does not
// allocate. It returns [ErrHeaderLengthUnexpected] if h.Length is negative.
// Other errors are those of w.
func WriteHeader(w io.Writer, h Header) error {
	if h.Length < 0 {
		return ErrHeaderLengthUnexpected
	}
	switch bw := w.(type) {
	case *bufio.Writer:
		return bufferHeader(bw, h)
	case *bufio.ReadWriter:
		return bufferHeader(bw.Writer, h)
	}
	return writeHeader(w, h)
}

func bufferHeader(bw *bufio.Writer, h Header) error {
	if bw.Available() < MaxHeaderSize {
		return writeHeader(bw, h)
	}
	_, err := bw.Write(AppendHeader(bw.AvailableBuffer(), h))
	return err
}

func writeHeader(w io.Writer, h Header) error {
	b := scratch.Get().(*[MaxHeaderSize]byte)
	defer scratch.Put(b)
	return writeFull(w, AppendHeader(b[:0], h))
}

// writeFull writes p with one Write. It returns an error for a short write even
// if the writer violates [io.Writer] and returns none.
func writeFull(w io.Writer, p []byte) error {
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}
