package wsutil

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/wskit/wskit/ws"
)

// Tracer reads and writes a connection and prints each frame on one line:
//
//	< text 5 "Hello"
//	> text more 3 "Hel"
//	< ping masked 37fa213d 4 "ping"
//	> close 5 1000 "bye"
//
// "<" marks a received frame and ">" a sent one. "more" means that fragments
// follow, and rsv1 to rsv3 are reserved bits. Payload is shown unmasked. For a
// data frame, the line shows only the first bytes, in hexadecimal if the
// message is binary or compressed. Each line is one Write, made as soon as the
// bytes that it shows have passed. If the bytes are not a frame, the Tracer
// prints a last line with the error.
//
// One goroutine may read while another one writes.
type Tracer struct {
	rw      io.ReadWriter
	in, out frameScanner

	mu  sync.Mutex // guards log
	log io.Writer
}

// NewTracer returns a Tracer of rw, which must be between two frames. It prints
// to log and ignores errors of log.
func NewTracer(rw io.ReadWriter, log io.Writer) *Tracer {
	return &Tracer{rw: rw, log: log, in: frameScanner{sign: '<'}, out: frameScanner{sign: '>'}}
}

// Read reads from the connection.
func (t *Tracer) Read(p []byte) (int, error) {
	if t.rw == nil {
		return 0, errNilSource
	}
	n, err := t.rw.Read(p)
	t.in.scan(p[:n], t.print)
	return n, err
}

// Write writes to the connection.
func (t *Tracer) Write(p []byte) (int, error) {
	if t.rw == nil {
		return 0, errNilDestination
	}
	n, err := t.rw.Write(p)
	t.out.scan(p[:n], t.print)
	return n, err
}

func (t *Tracer) print(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.Write(line)
}

// maxShown is the maximum number of bytes of a data frame's payload in a line.
const maxShown = 32

// frameScanner finds the frames in the bytes of one direction, cut anywhere.
type frameScanner struct {
	sign byte
	lost bool

	head []byte // the start of a header

	h     ws.Header // of the open frame, if open
	open  bool
	bytes bool   // the open message is binary or has a reserved bit set
	left  int64  // payload bytes still to come
	shown []byte // its first bytes, still masked
	due   int    // how many of them the line shows
}

// scan takes the next bytes and calls print with each line.
func (s *frameScanner) scan(p []byte, print func(line []byte)) {
	for len(p) > 0 && !s.lost {
		if s.left == 0 {
			p = s.header(p, print)
		} else {
			p = s.payload(p)
		}
		if s.open && len(s.shown) == s.due {
			print(s.line())
			s.open = false
		}
	}
}

// header consumes the next bytes of a header and returns the rest of p.
func (s *frameScanner) header(p []byte, print func(line []byte)) (rest []byte) {
	had := len(s.head)
	s.head = append(s.head, p[:min(len(p), ws.MaxHeaderSize-had)]...)
	h, n, err := ws.ParseHeaderNonMinimal(s.head)
	switch {
	case err == io.ErrUnexpectedEOF:
		return nil
	case err != nil:
		s.lost = true
		print(fmt.Appendf(nil, "%c not a frame: %x: %v\n", s.sign, s.head, err))
		return nil
	}
	s.head = s.head[:0]
	s.h, s.open, s.left, s.shown = h, true, h.Length, s.shown[:0]
	limit := int64(maxShown)
	switch {
	case h.OpCode.IsControl():
		limit = ws.MaxControlFramePayloadSize
	case h.OpCode == ws.OpContinuation:
		s.bytes = s.bytes || h.Rsv != 0
	default:
		s.bytes = h.OpCode == ws.OpBinary || h.Rsv != 0
	}
	s.due = int(min(limit, h.Length))
	return p[n-had:]
}

// payload consumes the next bytes of a payload and returns the rest of p.
func (s *frameScanner) payload(p []byte) (rest []byte) {
	n := int(min(int64(len(p)), s.left))
	s.left -= int64(n)
	s.shown = append(s.shown, p[:min(n, s.due-len(s.shown))]...)
	return p[n:]
}

func (s *frameScanner) line() []byte {
	p := append(make([]byte, 0, 128), s.sign, ' ')
	p = append(p, s.h.OpCode.String()...)
	if !s.h.Fin {
		p = append(p, " more"...)
	}
	for i := range 3 {
		if s.h.Rsv>>(2-i)&1 != 0 {
			p = append(p, " rsv"...)
			p = append(p, byte('1'+i))
		}
	}
	if s.h.Masked {
		p = hex.AppendEncode(append(p, " masked "...), s.h.Mask[:])
		ws.Cipher(s.shown, s.h.Mask, 0)
	}
	p = strconv.AppendInt(append(p, ' '), s.h.Length, 10)
	if len(s.shown) > 0 {
		p = s.appendShown(append(p, ' '))
	}
	if int64(len(s.shown)) < s.h.Length {
		p = append(p, "..."...)
	}
	return append(p, '\n')
}

func (s *frameScanner) appendShown(p []byte) []byte {
	if s.h.Rsv != 0 || s.bytes && s.h.OpCode.IsData() {
		return hex.AppendEncode(p, s.shown)
	}
	text := s.shown
	if s.h.OpCode == ws.OpClose && len(text) > 1 {
		code, _ := ws.ParseCloseFrameData(text)
		p = strconv.AppendInt(p, int64(code), 10)
		if text = text[2:]; len(text) == 0 {
			return p
		}
		p = append(p, ' ')
	}
	return strconv.AppendQuote(p, string(text))
}
