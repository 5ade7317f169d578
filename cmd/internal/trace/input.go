package trace

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/wskit/wskit/cmd/internal/ui"
)

// The formats of the input.
const (
	formatAuto = "auto"
	formatHex  = "hex"
	formatRaw  = "raw"
	formatPcap = "pcap"
)

// open opens the named file, or stdin if there is no name or the name is "-".
// The end of ctx ends reads.
func open(ctx context.Context, stdin io.Reader, names []string) (io.Reader, io.Closer, error) {
	if len(names) == 0 || names[0] == "-" {
		return ui.Reader(ctx, stdin), io.NopCloser(nil), nil
	}
	f, err := os.Open(names[0])
	if err != nil {
		return nil, nil, err
	}
	return ui.Reader(ctx, f), f, nil
}

// prompt is an input that flushes the output before it waits for more.
type prompt struct {
	io.Reader
	out *bufio.Writer
}

func (p prompt) Read(b []byte) (int, error) {
	if err := p.out.Flush(); err != nil {
		return 0, err
	}
	return p.Reader.Read(b)
}

// chunk is how many bytes of the input are decoded at a time.
const chunk = 32 << 10

// decode emits the frames of the input, each as soon as it is complete.
func (o options) decode(in io.Reader, emit func(frame)) error {
	r := bufio.NewReaderSize(in, chunk)
	format := o.format
	if format == formatAuto {
		var err error
		if format, err = guess(r); err != nil {
			return err
		}
	}
	switch format {
	case formatPcap:
		return o.decodeCapture(r, emit)
	case formatHex:
		return o.decodeBytes(newHexReader(r), emit)
	}
	return o.decodeBytes(r, emit)
}

// decodeBytes emits the frames of one direction.
func (o options) decodeBytes(r io.Reader, emit func(frame)) error {
	s := o.stream(o.direction, emit)
	p := make([]byte, chunk)
	for total := 0; ; {
		n, err := r.Read(p)
		total += n
		s.feed(time.Time{}, p[:n])
		switch {
		case errors.Is(err, io.EOF) && total == 0:
			return errors.New("the input is empty: give a file, or bytes on stdin")
		case errors.Is(err, io.EOF):
			s.end(time.Time{})
			return nil
		case err != nil:
			return err
		}
	}
}

// maxGuessed is how many bytes are inspected to detect the format.
const maxGuessed = 64

// guess detects the format. It inspects as few bytes as necessary.
func guess(r *bufio.Reader) (string, error) {
	for n := 1; ; n++ {
		p, err := r.Peek(n)
		if format := guessed(p); format != "" {
			return format, nil
		}
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return "", err
		case err != nil || n == maxGuessed:
			return formatHex, nil
		}
	}
}

// guessed returns the format of an input that begins with p, or "" if more
// bytes are needed. Text is hexadecimal if it has only digits up to the end of
// a line. Almost every frame contains bytes that are not in text.
func guessed(p []byte) string {
	switch {
	case len(p) == 0:
		return ""
	case startsWith(p, captureMagics):
		return formatPcap
	case startsWith(p, handshakeStarts):
		return formatRaw
	case mayStartWith(p, captureMagics):
		return ""
	case !isText(p[len(p)-1]):
		return formatRaw
	case p[len(p)-1] == '\n' && len(bytes.TrimSpace(p)) > 0:
		return formatHex
	}
	return ""
}

func isText(c byte) bool {
	return c >= ' ' && c <= '~' || c == '\n' || c == '\r' || c == '\t'
}

// startsWith reports whether p begins with one of starts.
func startsWith(p []byte, starts []string) bool {
	for _, start := range starts {
		if bytes.HasPrefix(p, []byte(start)) {
			return true
		}
	}
	return false
}

// mayStartWith reports whether p is shorter than one of starts, and begins like it.
func mayStartWith(p []byte, starts []string) bool {
	for _, start := range starts {
		if len(p) < len(start) && start[:len(p)] == string(p) {
			return true
		}
	}
	return false
}
