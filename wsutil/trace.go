package wsutil

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/wskit/wskit/ws"
)

// Tracer passes everything through to a connection and prints the frames that it
// sees, one line each:
//
//	< text 5 "Hello"
//	> text more 3 "Hel"
//	< ping masked 37fa213d 4 "ping"
//	> close 5 1000 "bye"
//
// "<" is received and ">" is sent; "more" stands for a fragment that others follow,
// rsv1 to rsv3 for reserved bits. Payload is shown unmasked, of data frames the first
// bytes, which are hexadecimal in binary and compressed messages. A line is written
// with one Write, as soon as the bytes that it shows have passed. Where something
// passes that is no frame, a last line says so.
//
// One goroutine may read and another one write at the same time.
type Tracer struct {
	rw      io.ReadWriter
	in, out frameScanner

	mu  sync.Mutex // guards log
	log io.Writer
}

// NewTracer returns a Tracer of rw, which stands between two frames, and prints to
// log. Errors of log are not looked at.
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

// mostShown is how much of a data frame's payload a line shows.
const mostShown = 32

// frameScanner finds the frames in the bytes of one direction, cut anywhere.
type frameScanner struct {
	sign byte
	lost bool

	head []byte // the start of a header

	h     ws.Header // of the open frame, if open
	open  bool
	bytes bool   // the open message is binary, or an extension has changed it
	left  int64  // bytes of its payload to come
	shown []byte // its first bytes, still masked
	due   int    // as many of them as the line needs
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

// header takes the next bytes of a header and returns those behind it.
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
	most := int64(mostShown)
	switch {
	case h.OpCode.IsControl():
		most = ws.MaxControlFramePayloadSize
	case h.OpCode == ws.OpContinuation:
		s.bytes = s.bytes || h.Rsv != 0
	default:
		s.bytes = h.OpCode == ws.OpBinary || h.Rsv != 0
	}
	s.due = int(min(most, h.Length))
	return p[n-had:]
}

// payload takes the next bytes of a payload and returns those behind it.
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
