package wstest

import (
	"encoding/binary"
	"io"
	"unicode/utf8"

	"github.com/wskit/wskit/ws"
)

// This file implements the rules for received frames independently of package
// ws, because that package is also under test.

// readHeader reads the header of a frame.
func (p *peer) readHeader() (h ws.Header, err error) {
	var b [8]byte
	if _, err := io.ReadFull(p.r, b[:2]); err != nil {
		return h, err
	}
	h = ws.Header{Fin: b[0]&0x80 != 0, Rsv: b[0] >> 4 & 7, OpCode: ws.OpCode(b[0] & 15), Masked: b[1]&0x80 != 0}
	n, least := uint64(b[1]&0x7f), uint64(0)
	switch n {
	case 126:
		_, err = io.ReadFull(p.r, b[:2])
		n, least = uint64(binary.BigEndian.Uint16(b[:])), 126
	case 127:
		_, err = io.ReadFull(p.r, b[:])
		n, least = binary.BigEndian.Uint64(b[:]), 1<<16
	}
	switch {
	case err != nil:
		return h, err
	case n < least:
		return h, failed("the peer sent a length of %d, not in its shortest form", n)
	case n > maxReceived:
		return h, failed("the peer declared a frame of %d bytes", n)
	}
	h.Length = int64(n)
	if h.Masked {
		_, err = io.ReadFull(p.r, h.Mask[:])
	}
	return h, err
}

// allowed returns an error if the peer must not send a frame with this header
// now (RFC 6455, sections 5.1, 5.2, 5.4 and 5.5, and RFC 7692, section 6).
func (p *peer) allowed(h ws.Header) error {
	control, begun := h.OpCode >= 8, p.open.begun
	rsv := h.Rsv
	if p.flate != nil && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary) {
		rsv &^= rsv1
	}
	name := h.OpCode.String()
	switch {
	case h.OpCode > ws.OpBinary && !control, h.OpCode > ws.OpPong:
		return failed("the peer sent a frame with the reserved %s", name)
	case rsv != 0:
		return failed("the peer sent a %s frame with RSV=%03b", name, h.Rsv)
	case h.Masked && p.client:
		return failed("the server sent a %s frame that is masked", name)
	case !h.Masked && !p.client:
		return failed("the client sent a %s frame that is not masked", name)
	case control && !h.Fin:
		return failed("the peer sent a %s frame without FIN", name)
	case control && h.Length > 125:
		return failed("the peer sent a %s frame of %d bytes", name, h.Length)
	case h.OpCode == ws.OpContinuation && !begun:
		return failed("the peer sent a continuation frame outside of a message")
	case !control && h.OpCode != ws.OpContinuation && begun:
		return failed("the peer sent a %s frame inside a message", name)
	}
	return nil
}

// parseClose parses the body of the peer's close frame (RFC 6455, sections
// 5.5.1 and 7.4).
func parseClose(body []byte) (c closeFrame, err error) {
	switch len(body) {
	case 0:
		return c, nil
	case 1:
		return c, failed("the peer sent a close frame with a body of one byte")
	}
	c = closeFrame{ws.StatusCode(binary.BigEndian.Uint16(body)), string(body[2:])}
	switch code := c.code; {
	case code < 1000, code >= 1004 && code <= 1006, code >= 1015 && code < 3000, code >= 5000:
		return c, failed("the peer sent a close frame with code %d, which is not for the wire", code)
	case !utf8.ValidString(c.reason):
		return c, failed("the peer sent a close frame whose reason is not UTF-8")
	}
	return c, nil
}
