package bench

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"

	klauspost "github.com/klauspost/compress/flate"
)

// A deflater is a writer of a DEFLATE engine.
type deflater interface {
	io.Writer
	Flush() error
	Reset(io.Writer)
}

// stdEngine is compress/flate.
func stdEngine(level int) Flate {
	f := Flate{
		Name:     fmt.Sprint("std-", level),
		JSON:     level > 1,
		Contexts: bothContexts,
		Compress: func(conn *Conn, takeover bool, messages [][]byte) (Job, error) {
			out := new(bytes.Buffer)
			w, err := flate.NewWriter(out, level)
			return compressWith(conn, takeover, messages, out, w), err
		},
	}
	if level == 1 { // there is only one decompressor
		f.Decompress = decompressWith(func(r io.Reader) io.Reader { return flate.NewReader(r) })
	}
	return f
}

// klauspostEngine is github.com/klauspost/compress/flate.
func klauspostEngine(level int) Flate {
	f := Flate{
		Name:     fmt.Sprint("klauspost-", level),
		JSON:     level > 1,
		Contexts: bothContexts,
		Compress: func(conn *Conn, takeover bool, messages [][]byte) (Job, error) {
			out := new(bytes.Buffer)
			w, err := klauspost.NewWriter(out, level)
			return compressWith(conn, takeover, messages, out, w), err
		},
	}
	if level == 1 { // there is only one decompressor
		f.Decompress = decompressWith(func(r io.Reader) io.Reader { return klauspost.NewReader(r) })
	}
	return f
}

// klauspostStateless holds nothing between messages.
var klauspostStateless = Flate{
	Name:     "klauspost-stateless",
	Contexts: noContext,
	Compress: func(conn *Conn, _ bool, messages [][]byte) (Job, error) {
		out := new(bytes.Buffer)
		i := 0
		return func(n int) error {
			for range n {
				m := messages[i]
				i = (i + 1) % len(messages)
				out.Reset()
				if err := klauspost.StatelessDeflate(out, m, false, nil); err != nil {
					return err
				}
				if _, err := conn.Write(bytes.TrimSuffix(out.Bytes(), deflateTail)); err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
}

// compressWith compresses with w, which writes to out.
func compressWith(conn *Conn, takeover bool, messages [][]byte, out *bytes.Buffer, w deflater) Job {
	i := 0
	return func(n int) error {
		for range n {
			m := messages[i]
			i = (i + 1) % len(messages)
			if out.Reset(); !takeover {
				w.Reset(out)
			}
			if _, err := w.Write(m); err != nil {
				return err
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if _, err := conn.Write(bytes.TrimSuffix(out.Bytes(), deflateTail)); err != nil {
				return err
			}
		}
		return nil
	}
}

// decompressWith decompresses with the result of open, a flate.Resetter. The
// context is the last 32 KiB, which are copied for each message.
func decompressWith(open func(io.Reader) io.Reader) func(*Conn, bool, [][]byte, int, func([]byte)) (Job, error) {
	return func(_ *Conn, takeover bool, payloads [][]byte, size int, every func([]byte)) (Job, error) {
		src := new(ending)
		r := open(src)
		past, out := make([]byte, 0, 64<<10), make([]byte, 0, size+512)
		return func(n int) (err error) {
			for i := range n {
				src.reset(payloads[i%len(payloads)])
				if err = r.(flate.Resetter).Reset(src, past); err != nil {
					return err
				}
				if out, err = readAll(r, out); err != nil {
					return err
				}
				if takeover {
					past = appendPast(past, out)
				}
				every(out)
			}
			return nil
		}, nil
	}
}

// appendPast appends p to past and keeps the last 32 KiB.
func appendPast(past, p []byte) []byte {
	const window = 32 << 10
	if len(p) >= window {
		return append(past[:0], p[len(p)-window:]...)
	}
	if len(past)+len(p) > cap(past) {
		past = past[:copy(past, past[len(past)+len(p)-window:])]
	}
	past = append(past, p...)
	return past[max(0, len(past)-window):]
}
