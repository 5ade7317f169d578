package wsflate

import (
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/deflate"
)

// partSize is the size in bytes of the pieces in which a message is compressed
// or read.
const partSize = 16 << 10

// Compressor compresses data to the DEFLATE format (RFC 1951) and writes the
// result to its destination, as the writers of compress/flate do. Flush is a
// sync flush: it writes all pending data and then an empty stored block.
type Compressor interface {
	Write([]byte) (int, error)
	Flush() error
}

// WriteResetter is a Compressor that can be reused. Reset makes it equivalent
// to the result of the function given to [NewWriter] for this destination.
type WriteResetter interface {
	Reset(io.Writer)
}

// Writer compresses a message and writes the payload to its destination, which
// must turn it into frames, as a wsutil.Writer does. The caller must mark the
// message as compressed, with a [MessageState]. Call Write, then Close, then
// flush the destination. A Writer is not safe for concurrent use.
//
// All calls return the first error until Reset.
type Writer struct {
	tail    tailWriter
	sender  *Sender         // nil: comp compresses
	room    *bufpool.Buffer // not yet passed to sender
	comp    Compressor
	newComp func(io.Writer) Compressor
	begun   bool // a part of the message has been flushed
	dirty   bool // something was written since
	closed  bool
	err     error
}

// NewWriter returns a Writer that writes the output of compressor to dest,
// without the tail, which is not sent (RFC 7692, section 7.2.1). If compressor
// is nil, the Writer uses the compressor of this package, at level 1, with the
// largest window and without context takeover. For the parameters of a
// connection, use [Sender.Writer]. dest may be nil until Reset.
func NewWriter(dest io.Writer, compressor func(io.Writer) Compressor) *Writer {
	w := &Writer{newComp: compressor}
	if compressor == nil {
		w.sender = NewSender(noTakeover(), 0, nil)
	}
	w.Reset(dest)
	return w
}

// Reset makes w begin a message to dest. It discards unflushed data and the
// error of the previous message.
func (w *Writer) Reset(dest io.Writer) {
	w.release()
	*w = Writer{sender: w.sender, comp: w.comp, newComp: w.newComp}
	w.tail.dest = dest
	if c, ok := w.comp.(WriteResetter); ok {
		c.Reset(&w.tail)
	} else {
		w.comp = nil
	}
}

// ready prepares w for a write, or returns an error.
func (w *Writer) ready() error {
	switch {
	case w.err != nil:
		return w.err
	case w.closed:
		return errClosed
	case w.tail.dest == nil:
		return errNoDestination
	case w.sender == nil && w.comp == nil:
		w.comp = w.newComp(&w.tail)
	}
	return nil
}

// Write compresses p as a part of the message. It does not retain p. Output may
// be buffered until Flush or Close.
func (w *Writer) Write(p []byte) (n int, err error) {
	if err := w.ready(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if w.sender == nil {
		w.dirty = true
		n, w.err = w.comp.Write(p)
		return n, w.err
	}
	for n < len(p) {
		k := min(partSize-w.waiting(), len(p)-n)
		w.room = w.room.Append(p[n : n+k])
		n += k
		w.dirty = true
		if w.waiting() == partSize {
			if w.err = w.send(); w.err != nil {
				return n, w.err
			}
		}
	}
	return n, nil
}

// waiting returns the number of bytes in room.
func (w *Writer) waiting() int {
	if w.room == nil {
		return 0
	}
	return len(w.room.B)
}

// send compresses what is in room.
func (w *Writer) send() error {
	if w.waiting() == 0 {
		return nil
	}
	out := bufpool.Get(deflate.Room(w.waiting()))
	defer out.Free()
	part := w.sender.AppendPart(out.B, w.room.B, false)
	out.Adopt(part)
	w.room.B = w.room.B[:0]
	w.begun, w.dirty = true, false
	_, err := w.tail.Write(part)
	return err
}

// Flush writes all pending data, so that the peer can decompress it. It does
// not write the tail at the end of the data. The message may continue. If
// nothing was written, the first Flush writes the compressed form of an empty
// message. Otherwise Flush does nothing if no data is pending.
func (w *Writer) Flush() error {
	if err := w.ready(); err != nil {
		return err
	}
	if w.begun && !w.dirty {
		return nil
	}
	w.err = w.flush()
	return w.err
}

func (w *Writer) flush() (err error) {
	switch {
	case w.sender == nil:
		if err = w.comp.Flush(); err == nil && !w.tail.atTail() {
			err = errNoTail
		}
	case w.dirty:
		err = w.send()
	default:
		_, err = w.tail.Write([]byte(emptyMessage))
	}
	w.begun, w.dirty = true, false
	return err
}

// Close ends the message: it flushes and releases the memory of w. It neither
// closes nor flushes the destination. If the Compressor is an io.Closer, Close
// also closes it, and discards what it then writes. The next message needs a
// Reset. Close may be called again until then.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	err := w.Flush()
	w.release()
	if err != nil {
		return err
	}
	w.closed = true
	if c, ok := w.comp.(io.Closer); ok {
		w.tail.dest = io.Discard
		w.err = c.Close()
	}
	return w.err
}

// release releases the memory of an open message.
func (w *Writer) release() {
	w.room.Free()
	w.room = nil
	if w.sender != nil {
		w.sender.endParts()
	}
}

// Err returns the first error, or nil.
func (w *Writer) Err() error { return w.err }
