package wsflate

import (
	"io"

	"github.com/wskit/wskit/internal/inflate"
	"github.com/wskit/wskit/ws"
)

// Receiver inflates the messages that one side of a connection receives (RFC 7692, section
// 7.2.2). With context takeover it holds the end of what it has inflated, and every
// compressed message has to go through it; without, it holds nothing between messages. See
// the package comment for how much.
//
// Its errors stay until a Reset: [ErrCorrupt] and [ErrTooLarge] are the peer's
// fault. A Receiver is made by NewReceiver, or is a field of another struct and made
// ready by Reset. It must not be copied, and is not for concurrent use.
type Receiver struct {
	dec inflate.Decoder
}

// NewReceiver returns a Receiver for a connection that has agreed on p. side is the side
// on which we are.
func NewReceiver(p Parameters, side ws.State) *Receiver {
	r := new(Receiver)
	r.Reset(p, side)
	return r
}

// Reset makes r what NewReceiver returns, whatever it was before.
func (r *Receiver) Reset(p Parameters, side ws.State) {
	d := p.received(side)
	r.dec.Reset(d.bits, d.takeover)
}

// Append inflates chunk, the next piece of a compressed message's payload in any cut, and
// appends the result to dst. last says that the message ends with chunk, which may be empty.
// The message may inflate to limit bytes, in all its chunks, and one more is [ErrTooLarge]; a
// negative limit stands for none. It does not retain chunk or dst, and allocates nothing if dst
// has room. Bytes behind the result may be written to, up to the capacity of dst: chunk must not
// lie there. With an error it returns what came before it.
func (r *Receiver) Append(dst, chunk []byte, last bool, limit int64) ([]byte, error) {
	dst, err := r.dec.Append(dst, chunk, last, limit)
	return dst, fault(err)
}

// Extend is Append for a caller that keeps the message in one piece: dst ends with
// what the earlier chunks of the message have inflated to, and so does what Extend
// returns. While the message is open, r holds no copy of it then, which saves up to
// 40 KiB and the copying. A message that Extend has begun cannot go on by Append or
// Read, nor the reverse: that is an error, and so is a dst that is too short.
func (r *Receiver) Extend(dst, chunk []byte, last bool, limit int64) ([]byte, error) {
	dst, err := r.dec.Extend(dst, chunk, last, limit)
	return dst, fault(err)
}

// Read inflates from chunk into dst, as Append does but for the limit, which is the caller's to
// keep: n bytes were put into dst and used bytes of chunk were used. done says that the
// message is complete. If it is not and chunk was used up, the next chunk is wanted, or, after
// the last one, more room: then call with no chunk. All of dst may be written to, also behind
// those n bytes, and must not overlap chunk.
func (r *Receiver) Read(dst, chunk []byte, last bool) (n, used int, done bool, err error) {
	n, used, done, err = r.dec.Read(dst, chunk, last)
	return n, used, done, fault(err)
}

// Size returns the bytes that r holds between messages, beyond its own struct.
func (r *Receiver) Size() int { return r.dec.Size() }

// Reader returns a Reader that inflates one message after the other through r: [Reader.Reset]
// begins the next one. Until a message has been read to its end, r is not to be used otherwise.
func (r *Receiver) Reader(src io.Reader) *Reader {
	rd := &Reader{receiver: r}
	rd.Reset(src)
	return rd
}

// Close gives back what an abandoned message holds. With takeover, later messages
// may refer to what was not inflated, and r is of no use any longer without a Reset.
func (r *Receiver) Close() { r.dec.Close() }
