package wsflate

import (
	"fmt"
	"io"
)

// Decompressor decompresses DEFLATE data (RFC 1951) from its source, as the
// readers of compress/flate do. It returns io.EOF after the last block.
type Decompressor interface {
	Read([]byte) (int, error)
}

// ReadResetter is a Decompressor that can be reused. Reset makes it equivalent
// to the result of the function given to [NewReader] for this source. A
// Decompressor with the method Reset(io.Reader, []byte) error, as in
// compress/flate, is also reused.
type ReadResetter interface {
	Reset(io.Reader)
}

// Reader decompresses a message. Its source returns the payload of the message
// and then io.EOF, as a wsutil.Reader does over all fragments. Use a
// [MessageState] to find out which messages are compressed. A Reader is not
// safe for concurrent use.
//
// All calls return the first error until Reset. Faults of the peer are
// [ErrCorrupt] and [ErrTooLarge]; errors of the source are returned unchanged.
type Reader struct {
	src      tailReader
	receiver *Receiver // nil: dec inflates
	alone    bool      // receiver belongs to this Reader and has no takeover
	dec      Decompressor
	newDec   func(io.Reader) Decompressor
	limit    int64 // as it was set
	made     int64 // bytes of the message so far
	over     bool  // the message has been read to its end
	closed   bool
	err      error
}

// NewReader returns a Reader that decompresses src with the result of
// decompressor. It adds the tail that the sender removed (RFC 7692, section
// 7.2.2). If decompressor is nil, the Reader uses the decompressor of this
// package, with the largest window and without context takeover. For the
// parameters of a connection, use [Receiver.Reader]. src may be nil until
// Reset.
func NewReader(src io.Reader, decompressor func(io.Reader) Decompressor) *Reader {
	r := &Reader{newDec: decompressor}
	if decompressor == nil {
		r.receiver, r.alone = new(Receiver), true
	}
	r.Reset(src)
	return r
}

// SetLimit changes the maximum size of decompressed messages in bytes, from the
// current message on. 0 means [DefaultMaxMessage], and a negative value means
// no limit. Reset keeps it.
func (r *Reader) SetLimit(n int64) { r.limit = n }

// Reset makes r begin the message in src. It discards the state and the error
// of the previous message. A Receiver with context takeover cannot continue if
// that message was not read to its end.
func (r *Reader) Reset(src io.Reader) {
	r.release()
	*r = Reader{receiver: r.receiver, alone: r.alone, dec: r.dec, newDec: r.newDec, limit: r.limit}
	r.src.src = src
	switch {
	case r.alone:
		r.receiver.Reset(noTakeover(), 0)
	case r.receiver == nil:
		r.src.tail = readTail
		r.resetDecompressor()
	}
}

// resetDecompressor prepares the Decompressor to read from the current position
// of the source. It removes a Decompressor that cannot be reset.
func (r *Reader) resetDecompressor() {
	switch dec := r.dec.(type) {
	case ReadResetter:
		dec.Reset(&r.src)
	case interface {
		Reset(io.Reader, []byte) error
	}:
		if dec.Reset(&r.src, nil) != nil {
			r.dec = nil
		}
	default:
		r.dec = nil
	}
}

// Read reads decompressed bytes into p. It returns io.EOF at the end of the
// message.
func (r *Reader) Read(p []byte) (n int, err error) {
	switch {
	case r.err != nil:
		return 0, r.err
	case r.closed:
		return 0, errClosed
	case r.over:
		return 0, io.EOF
	case r.src.src == nil:
		return 0, errNoSource
	case len(p) == 0:
		return 0, nil
	}
	left := int64(len(p))
	if limit := limitOf(r.limit); limit >= 0 && limit-r.made < left {
		left = max(limit-r.made, 0)
		p = p[:left+1] // one more byte, to detect an excess
	}
	if r.receiver != nil {
		n, err = r.receive(p)
	} else {
		n, err = r.decompress(p)
	}
	if int64(n) > left {
		n, err = int(left), ErrTooLarge
	}
	r.made += int64(n)
	r.end(err)
	return n, err
}

// end records the result of a call.
func (r *Reader) end(err error) {
	switch err {
	case nil:
		return
	case io.EOF:
		r.over = true
	default:
		r.err = err
	}
	r.release()
}

// receive reads through our own decoder.
func (r *Reader) receive(p []byte) (int, error) {
	for {
		r.src.fill()
		last := r.src.err == io.EOF
		if len(r.src.p) == 0 && !last {
			return 0, r.src.err
		}
		n, used, done, err := r.receiver.Read(p, r.src.p, last)
		r.src.p = r.src.p[used:]
		switch {
		case err != nil:
			return n, err
		case done:
			return n, io.EOF
		case n > 0:
			return n, nil
		}
	}
}

// decompress reads through a Decompressor.
func (r *Reader) decompress(p []byte) (n int, err error) {
	if r.src.taken == 0 && !r.src.fill() && r.src.err == io.EOF {
		return 0, io.EOF // no payload at all is an empty message, as in our own decoder
	}
	for {
		if r.dec == nil {
			r.dec = r.newDec(&r.src)
		}
		before := r.src.taken
		n, err = r.dec.Read(p)
		switch {
		case r.src.err != nil && r.src.err != io.EOF:
			return n, r.src.err
		case err == nil:
			return n, nil
		case err != io.EOF:
			return n, fmt.Errorf("%w: %w", ErrCorrupt, err)
		case r.src.exhausted():
			return n, io.EOF
		}
		// The peer has set BFINAL, but the message may continue (RFC 7692,
		// section 7.2.3.4).
		if r.resetDecompressor(); n > 0 {
			return n, nil
		}
		if r.src.taken == before {
			return 0, errNoProgress
		}
	}
}

// release releases the memory of an open message.
func (r *Reader) release() {
	r.src.release()
	if r.receiver != nil {
		r.receiver.Close()
	}
}

// Err returns the first error other than io.EOF, or nil.
func (r *Reader) Err() error { return r.err }

// Close releases the memory of r and closes its Decompressor, if that is an
// io.Closer. It does not read the rest of the message and does not close the
// source. It returns the first error. r must not be read until Reset; Close may
// be called again.
func (r *Reader) Close() error {
	if r.closed {
		return r.err
	}
	r.closed = true
	r.release()
	if c, ok := r.dec.(io.Closer); ok {
		if err := c.Close(); r.err == nil {
			r.err = err
		}
	}
	return r.err
}
