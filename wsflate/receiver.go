package wsflate

import (
	"io"

	"github.com/wskit/wskit/internal/inflate"
	"github.com/wskit/wskit/ws"
)

// Receiver inflates the messages that one side of a connection receives (RFC
// 7692, section 7.2.2). With context takeover, it holds the end of the inflated
// data, and every compressed message must pass through it. Without takeover, it
// holds nothing between messages. The package comment lists how much memory it
// holds.
//
// All calls return the first error until Reset. [ErrCorrupt] and [ErrTooLarge]
// are the peer's fault. Create a Receiver with NewReceiver, or call Reset on a
// zero Receiver. A Receiver must not be copied and is not safe for concurrent
// use.
type Receiver struct {
	dec inflate.Decoder
}

// NewReceiver returns a Receiver for a connection with the agreed parameters p.
// side is the side that receives.
func NewReceiver(p Parameters, side ws.State) *Receiver {
	r := new(Receiver)
	r.Reset(p, side)
	return r
}

// Reset makes r equivalent to the result of NewReceiver. It may be called at
// any time.
func (r *Receiver) Reset(p Parameters, side ws.State) {
	d := p.received(side)
	r.dec.Reset(d.bits, d.takeover)
}

// Append inflates chunk, the next piece of a compressed payload, and appends
// the result to dst. The payload may be cut anywhere. last says whether the
// message ends with chunk. chunk may be empty. If the whole message inflates to
// more than limit bytes, Append returns [ErrTooLarge]; a negative limit means
// no limit. It does not retain chunk or dst, and does not allocate if dst has
// room. It may use the capacity of dst beyond the result as scratch space;
// chunk must not overlap it. On an error, the result holds the data before the
// fault.
func (r *Receiver) Append(dst, chunk []byte, last bool, limit int64) ([]byte, error) {
	dst, err := r.dec.Append(dst, chunk, last, limit)
	return dst, fault(err)
}

// Extend is Append for a caller that keeps the message in one piece: dst must
// end with the inflated data of the earlier chunks of the message. r then holds
// no copy of an open message, which saves up to 40 KiB and the time to copy it.
// It is an error to mix Extend with Append or Read in one message. A dst that
// is too short is also an error.
func (r *Receiver) Extend(dst, chunk []byte, last bool, limit int64) ([]byte, error) {
	dst, err := r.dec.Extend(dst, chunk, last, limit)
	return dst, fault(err)
}

// Read inflates from chunk into dst like Append, but without a limit, which the
// caller must enforce. n is the number of bytes written to dst, and used the
// number of bytes consumed from chunk. done says whether the message is
// complete. If it is not, call Read again: with the rest of chunk, or with the
// next chunk if there is no rest. After the last chunk, call Read with an empty
// chunk and last set until done is true. Read may write to all of dst, which
// must not overlap chunk.
func (r *Receiver) Read(dst, chunk []byte, last bool) (n, used int, done bool, err error) {
	n, used, done, err = r.dec.Read(dst, chunk, last)
	return n, used, done, fault(err)
}

// Size returns the number of bytes that r holds between messages, without its
// own struct.
func (r *Receiver) Size() int { return r.dec.Size() }

// Reader returns a Reader that inflates messages through r. [Reader.Reset]
// begins the next message. Until a message has been read to its end, r must not
// be used directly.
func (r *Receiver) Reader(src io.Reader) *Reader {
	rd := &Reader{receiver: r}
	rd.Reset(src)
	return rd
}

// Close releases the memory of an abandoned message. With takeover, r cannot be
// used after Close without a Reset, because later messages may refer to data
// that was not inflated.
func (r *Receiver) Close() { r.dec.Close() }
