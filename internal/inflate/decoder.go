package inflate

import (
	"math"
	"slices"
)

// maxBits is the largest window of DEFLATE, 32 KiB.
const maxBits = 15

// minGrowth is the minimum growth of dst, unless the limit is smaller.
const minGrowth = 512

// Decoder inflates the messages of one direction of a connection. The zero
// value has a window of 15 bits and no takeover. A Decoder is not safe for
// concurrent use.
//
// Append and Read may be mixed in a message. Extend must inflate all of a
// message or nothing of it.
type Decoder struct {
	past     history
	takeover bool
	open     *stream // nil between messages
	made     int64   // output bytes of the open message
	whole    bool    // the caller keeps the output: Extend inflates the open message
	err      error   // the first error, until Reset
}

// Reset drops the state of d and sets the parameters of the peer's compression:
// a window of 2^bits bytes, 8 to 15, with or without context takeover (RFC
// 7692, section 7.1). Distances beyond the window are errors.
func (d *Decoder) Reset(bits int, takeover bool) {
	d.close()
	*d = Decoder{past: history{size: 1 << min(max(bits, 8), maxBits)}, takeover: takeover}
}

// Close releases the memory of an open message. A decoder with takeover then
// requires Reset, because later messages may refer to the unknown rest of the
// message. Without takeover, the next chunk begins a message.
func (d *Decoder) Close() {
	if d.open != nil && d.takeover && d.err == nil {
		d.err = errAbandoned
	}
	d.close()
}

func (d *Decoder) close() {
	if d.open != nil {
		d.open.release()
		d.open = nil
	}
	d.made, d.whole = 0, false
}

// Size returns the size of the history in bytes: at most 2^bits with takeover,
// and 0 without.
func (d *Decoder) Size() int { return cap(d.past.buf) }

// Append inflates chunk, the next piece of the open message's compressed
// payload, appends the output to dst and returns it. If there is no open
// message, chunk begins one. last says that the message ends with chunk,
// without the tail 00 00 FF FF (RFC 7692, section 7.2.2). An empty payload is
// an empty message.
//
// If the whole message inflates to more than limit bytes, Append returns
// [ErrTooLarge]. A negative limit means no limit. dst need not be the same
// slice for each chunk. Append may write to dst up to its capacity, so it must
// not overlap chunk. Append does not retain dst or chunk.
//
// The error is [ErrTooLarge] or a [*CorruptError]. The result then holds the
// output before the fault. All later calls return the same error until Reset.
func (d *Decoder) Append(dst, chunk []byte, last bool, limit int64) ([]byte, error) {
	if err := d.pieces(); err != nil {
		return dst, err
	}
	return d.append(dst, chunk, last, limit, 0)
}

// Extend is Append for a caller that keeps the message in one piece: dst ends
// with the output of the earlier chunks of the message. d then holds no copy of
// it.
func (d *Decoder) Extend(dst, chunk []byte, last bool, limit int64) ([]byte, error) {
	switch {
	case d.err != nil:
		return dst, d.err
	case d.open == nil:
		d.whole = true
	case !d.whole:
		return dst, d.fail(errMixed)
	case int64(len(dst)) < d.made:
		return dst, d.fail(errShort)
	}
	return d.append(dst, chunk, last, limit, int(d.made))
}

// pieces returns an error if Append and Read cannot continue.
func (d *Decoder) pieces() error {
	if d.err == nil && d.whole {
		return d.fail(errMixed)
	}
	return d.err
}

// append is Append. The last kept bytes of dst are the message so far.
func (d *Decoder) append(dst, chunk []byte, last bool, limit int64, kept int) ([]byte, error) {
	s := d.begin(chunk)
	start := len(dst)
	s.n, s.base = start, start-kept
	for {
		left := int64(math.MaxInt64)
		if limit >= 0 {
			left = limit - d.made - int64(s.n-start)
		}
		s.out = dst[:s.n+int(max(0, min(int64(cap(dst)-s.n), left)))]
		st := s.advance(last)
		left -= int64(s.n - len(dst))
		dst = dst[:s.n]
		switch {
		case st != needOutput:
			return dst, d.end(st, start)
		case left <= 0:
			return dst, d.fail(ErrTooLarge)
		}
		dst = slices.Grow(dst, int(min(int64(max(len(dst), minGrowth)), left)))
	}
}

// Read inflates from chunk into dst like Append. n is the number of bytes
// written to dst, and used the number of bytes consumed from chunk. done says
// that the message is complete. If the message is not complete and chunk was
// consumed, call Read with the next chunk. After the last chunk, call it with
// no chunk and more room. Read may write to all of dst.
func (d *Decoder) Read(dst, chunk []byte, last bool) (n, used int, done bool, err error) {
	if err := d.pieces(); err != nil {
		return 0, 0, false, err
	}
	s := d.begin(chunk)
	s.out, s.n, s.base = dst, 0, 0
	st := s.advance(last)
	n, used = s.n, s.used
	err = d.end(st, 0)
	return n, used, err == nil && d.open == nil, err
}

// begin returns the open message and passes chunk to it.
func (d *Decoder) begin(chunk []byte) *stream {
	if d.past.size == 0 {
		d.past.size = 1 << maxBits
	}
	if d.open == nil {
		past := &d.past
		if !d.takeover {
			past = nil
		}
		d.open = openStream(past, d.past.size)
	}
	d.open.give(chunk)
	return d.open
}

// end ends a call whose output begins at start. The output enters the history
// if later data may refer to it and the caller does not keep it.
func (d *Decoder) end(st status, start int) error {
	s := d.open
	if st == broken {
		return d.fail(s.err)
	}
	if st == complete && d.takeover || st != complete && !d.whole {
		s.past.enter(s.out[s.base:s.n])
	}
	if st == complete {
		d.close()
		return nil
	}
	d.made += int64(s.n - start)
	s.pause()
	return nil
}

func (d *Decoder) fail(err error) error {
	d.err = err
	d.close()
	return err
}
