package wsflate

import (
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/deflate"
)

// partSize is how much of a message is compressed or read in one piece.
const partSize = 16 << 10

// Compressor makes DEFLATE data (RFC 1951) of what is written to it and writes it to the
// destination it was made with, such as the writers of compress/flate. Flush writes all that it
// was given so far and an empty stored block behind it, which is called a sync flush.
type Compressor interface {
	Write([]byte) (int, error)
	Flush() error
}

// WriteResetter is a Compressor that can be used again: Reset makes it what the function
// given to [NewWriter] returns for this destination.
type WriteResetter interface {
	Reset(io.Writer)
}

// Writer compresses a message and writes the payload to its destination, which makes frames of
// it: a wsutil.Writer does. That the message is marked as compressed is for the caller to see
// to, with a [MessageState]. Write, then Close, then Flush the destination. A Writer is not for
// concurrent use.
//
// The first error stays, until a Reset.
type Writer struct {
	tail    tailWriter
	sender  *Sender         // nil: comp compresses
	room    *bufpool.Buffer // what sender has not yet got
	comp    Compressor
	newComp func(io.Writer) Compressor
	begun   bool // something of the message has been flushed
	dirty   bool // something was written since
	closed  bool
	err     error
}

// NewWriter returns a Writer that writes to dest what compressor makes, but for the tail, which
// does not travel (RFC 7692, section 7.2.1). If compressor is nil it is this package's own, at
// level 1, with the largest window and without context takeover; [Sender.Writer] is for the
// parameters of a connection. dest may be nil until a Reset.
func NewWriter(dest io.Writer, compressor func(io.Writer) Compressor) *Writer {
	w := &Writer{newComp: compressor}
	if compressor == nil {
		w.sender = NewSender(noTakeover(), 0, nil)
	}
	w.Reset(dest)
	return w
}

// Reset makes w begin a message, written to dest. What was not flushed of another is
// forgotten, and so is an error.
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

// ready makes w ready to be written to, or returns why it cannot be.
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

// Write compresses p as a part of the message. It does not retain p. What it makes may wait for a
// Flush or Close.
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

// Flush writes out all that was written so far, so that the peer can inflate it: of the tail
// that ends it, the destination gets nothing. The message may go on. If there is nothing to
// flush it does nothing; but where nothing was written at all, the message is then empty.
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

// Close ends the message: it flushes and gives back what w holds. The destination is not
// closed or flushed. A Compressor that is an io.Closer is closed; what it writes then goes
// nowhere. The next message needs a Reset; Close may be called again until then.
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

// release gives back what an open message holds.
func (w *Writer) release() {
	w.room.Free()
	w.room = nil
	if w.sender != nil {
		w.sender.endParts()
	}
}

// Err returns the first error, nil if all is well.
func (w *Writer) Err() error { return w.err }
