package trace

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"regexp"
)

// dumpOffset matches the start of a line of xxd ("00000000: 8105") and of
// hexdump -C ("00000000 81 05"), and dumpEnd the last line of the latter.
var (
	dumpOffset = regexp.MustCompile(`^[0-9a-fA-F]{6,16}(: |  )`)
	dumpEnd    = regexp.MustCompile(`^[0-9a-fA-F]{6,16}\s*$`)
)

// hexReader reads bytes in hexadecimal: pairs of digits with or without spaces,
// commas, colons or 0x between them, comments after "#", and the output of xxd
// and hexdump -C. It yields the bytes of a line when the line is complete.
type hexReader struct {
	text *bufio.Reader
	data []byte // decoded but not read yet
	err  error  // after data

	line    int  // its number
	begun   bool // a part of the line was decoded
	dump    bool // the line or the previous one belongs to a dump
	comment bool // the rest of the line is a comment
	high    int  // the first digit of an incomplete byte, or none
	before  byte // the last character
}

const none = -1

func newHexReader(text *bufio.Reader) *hexReader {
	return &hexReader{text: text, line: 1, high: none}
}

func (h *hexReader) Read(p []byte) (int, error) {
	for len(h.data) == 0 && h.err == nil {
		h.data = h.data[:0]
		h.err = h.next()
	}
	n := copy(p, h.data)
	h.data = h.data[n:]
	if n > 0 {
		return n, nil
	}
	return 0, h.err
}

// next decodes the next line, or the next part of a line that is longer than
// the buffer.
func (h *hexReader) next() error {
	part, end := h.text.ReadSlice('\n')
	if errors.Is(end, bufio.ErrBufferFull) {
		end = nil
	}
	if !h.begun {
		part = h.beginLine(part)
	}
	for _, c := range part {
		if !h.take(c) {
			return h.fault()
		}
		h.before = c
	}
	if len(part) > 0 && h.before == '\n' || end != nil {
		if h.high != none {
			return h.fault()
		}
		h.line, h.begun, h.comment = h.line+1, false, false
	}
	return end
}

func (h *hexReader) fault() error {
	if h.dump && h.before == '*' {
		return fmt.Errorf("line %d means that lines are omitted: dump again with hexdump -v", h.line)
	}
	return fmt.Errorf("line %d is not hexadecimal: give pairs of digits, or use --format raw or pcap", h.line)
}

// beginLine removes from a line what a dump adds to the digits.
func (h *hexReader) beginLine(line []byte) (digits []byte) {
	h.begun, h.before = true, '\n'
	m := dumpOffset.FindSubmatch(line)
	switch {
	case m != nil:
		h.dump = true
		line = line[len(m[0]):]
		gap := "|"
		if string(m[1]) == ": " {
			gap = "  "
		}
		if digits, _, found := bytes.Cut(line, []byte(gap)); found {
			return append(digits, '\n')
		}
	case h.dump && dumpEnd.Match(line):
		return []byte{'\n'}
	default:
		h.dump = h.dump && bytes.HasPrefix(line, []byte("*"))
	}
	return line
}

// take decodes one character, and reports whether it is allowed there.
func (h *hexReader) take(c byte) bool {
	digit := hexDigit(c)
	switch {
	case c == '\n', h.comment, c == ' ', c == '\t', c == '\r', c == ',', c == ':', c == '-', c == '\\':
	case c == '#':
		h.comment = true
	case c == 'x' || c == 'X':
		if h.high == 0 && h.before == '0' {
			h.high = none // the digit belonged to "0x"
			return true
		}
		return h.before == '\\'
	case digit == none:
		h.before = c
		return false
	case h.high == none:
		h.high = digit
	default:
		h.data = append(h.data, byte(h.high<<4|digit))
		h.high = none
	}
	return true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return none
}
