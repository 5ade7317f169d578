package inflate

import (
	"math"
	"slices"
)

// maxBits is the window of DEFLATE, 32 KiB.
const maxBits = 15

// minGrowth is the least by which dst grows, but for the limit.
const minGrowth = 512

// Decoder inflates the messages of one direction of a connection. The zero value
// has a window of 15 bits and no takeover. A Decoder is not for use by several
// goroutines at once.
//
// Append and Read may take turns within a message. Extend inflates all of a message
// or nothing of it.
type Decoder struct {
	past     history
	takeover bool
	open     *stream // nil between messages
	made     int64   // bytes of the open message that have been put out
	whole    bool    // the caller keeps these bytes: Extend inflates the open message
	err      error   // the first; stays
}

// Reset makes d as new, for a peer that compresses with a window of 2^bits
// bytes, 8 to 15, and with or without context takeover (RFC 7692, section 7.1).
// An open message is abandoned and what came before is dropped. Distances
// beyond the window are errors.
func (d *Decoder) Reset(bits int, takeover bool) {
	d.close()
	*d = Decoder{past: history{size: 1 << min(max(bits, 8), maxBits)}, takeover: takeover}
}

// Close gives back what an open message holds. After it, only Reset makes a
// decoder with takeover useful again: the rest of the message is not known, and
// the following ones may refer back to it. Without takeover, the next chunk
// begins a message.
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

// Size returns the number of bytes that d holds between messages: the history,
// at most 2^bits bytes with takeover and none without.
func (d *Decoder) Size() int { return cap(d.past.buf) }

// Append inflates chunk, the next piece of the open message's compressed
// payload, appends the output to dst and returns it. If there is no open message,
// chunk opens one. last says that the message ends with chunk, which is without
// the tail 00 00 FF FF (RFC 7692, section 7.2.2). A payload of no bytes is taken
// for an empty message.
//
// The message may inflate to limit bytes, in all its chunks; one more is
// [ErrTooLarge]. Below 0 there is no limit. dst grows with what is put out, and
// need not be the same for each chunk. Its bytes up to its capacity may be
// written to. It must not overlap chunk. Append does not retain either.
//
// The error is [ErrTooLarge] or a [*CorruptError], with what was put out before
// it, and is the answer to all following calls until Reset.
func (d *Decoder) Append(dst, chunk []byte, last bool, limit int64) ([]byte, error) {
	if err := d.pieces(); err != nil {
		return dst, err
	}
	return d.append(dst, chunk, last, limit, 0)
}

// Extend is Append for a caller that keeps the message in one piece: dst ends with
// all that the earlier chunks of the message have been inflated to. While the
// message is open, d then holds no copy of that.
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

// pieces returns an error if Append and Read cannot go on.
func (d *Decoder) pieces() error {
	if d.err == nil && d.whole {
		return d.fail(errMixed)
	}
	return d.err
}

// append is Append where the last bytes of dst, kept of them, are the message so far.
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

// Read inflates from chunk into dst, as Append does: n bytes were put into dst
// and used bytes of chunk were used. done says that the message is complete. If
// it is not and chunk was used up, the next chunk is wanted, or, after the last
// one, more room: then call with no chunk. All of dst may be written to.
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

// begin returns the open message, to be given chunk.
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

// end ends a call that has put out from start on: that enters the history if
// something may refer back to it that does not have it otherwise.
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
