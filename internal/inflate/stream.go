package inflate

import (
	"encoding/binary"
	"sync"

	"github.com/wskit/wskit/internal/deflate"
)

// tail is the end of the message that the sender omits (RFC 7692, section
// 7.2.1).
var tail = [len(deflate.Tail)]byte([]byte(deflate.Tail))

// stream is one open message. Each step consumes a whole element of the format,
// or nothing.
type stream struct {
	message
	lens    lengths
	builder builder
	codes   *codes  // nil while the stream waits for input or does not need them
	kept    *code   // of the open block, while codes is nil
	own     history // for messages that come in pieces, without takeover
}

// message is the part of a stream that is reset for each message.
type message struct {
	in []byte // the chunk, or the tail
	i  int    // consumed bytes of in
	b  uint64 // the next bits of the input; see refill
	nb uint   // number of valid bits

	out  []byte   // the caller's memory, up to the limit
	n    int      // index of the next output byte
	base int      // start of the output of this call
	past *history // output of earlier calls

	at       place
	final    bool  // the block is the last of a DEFLATE stream
	clean    bool  // no DEFLATE stream is open
	length   int   // rest of a match or stored block
	distance int   // of the match
	code     *code // of the block
	offset   int64 // of in within the message
	used     int   // consumed bytes of the chunk
	inTail   bool  // the last chunk is consumed
	err      error
}

// place is a position in the format, named after the next element.
type place uint8

const (
	atHeader place = iota
	atStoredLength
	atStored
	atCounts
	atLengthCode
	atLengths
	atSymbols
)

// status is the reason for the end of a step.
type status uint8

const (
	goOn status = iota
	needInput
	needOutput // and there is more
	complete   // the message
	broken     // with err set
)

var streams = sync.Pool{New: func() any { return new(stream) }}

// openStream returns a stream at the beginning of a message after past. If past
// is nil, there is no history and size is the window.
func openStream(past *history, size int) *stream {
	s := streams.Get().(*stream)
	if past == nil {
		s.own = history{size: size, borrows: true}
		past = &s.own
	}
	s.past = past
	s.clean = true
	return s
}

// release returns s to its pool, without references to the caller's memory.
func (s *stream) release() {
	s.at = atHeader
	s.parkCodes()
	s.own.release()
	s.message = message{}
	streams.Put(s)
}

// give passes the next chunk to s.
func (s *stream) give(chunk []byte) {
	s.used = 0
	if !s.inTail {
		s.in, s.i = chunk, 0
		s.lens.start = -1
	}
}

// advance decodes the chunk, and if it is the last, also the tail.
func (s *stream) advance(last bool) status {
	st := s.run()
	if !s.inTail {
		s.used = s.i
		if st != needInput || !last {
			return st
		}
		if s.between() && s.clean || s.at == atStoredLength && s.nb == 0 {
			return complete // the tail is the rest of an empty stored block
		}
		s.offset += int64(s.i)
		s.in, s.i, s.inTail = tail[:], 0, true
		s.lens.start = -1
		st = s.run()
	}
	if st != needInput {
		return st
	}
	if !s.between() {
		return s.corrupt("", "")
	}
	return complete
}

// between reports whether the input so far consists of whole blocks.
func (s *stream) between() bool { return s.at == atHeader && s.nb == 0 }

// pause drops references to the caller's memory, and releases memory that the
// rest of the message does not need.
func (s *stream) pause() {
	s.parkCodes()
	if !s.inTail {
		s.offset += int64(s.used)
		s.in = nil
	}
	s.out = nil
}

// run executes steps until one needs more input or room. If it needs input, all
// input was consumed.
func (s *stream) run() status {
	for {
		switch st := s.step(); st {
		case goOn:
		case needOutput:
			s.unread()
			return st
		default:
			return st
		}
	}
}

func (s *stream) step() status {
	switch s.at {
	case atHeader:
		return s.header()
	case atStoredLength:
		return s.storedLength()
	case atStored:
		return s.stored()
	case atCounts:
		return s.counts()
	case atLengthCode:
		return s.lengthCode()
	case atLengths:
		return s.codeLengths()
	default:
		return s.symbols()
	}
}

// header reads the first bits of a block (RFC 1951, section 3.2.3).
func (s *stream) header() status {
	if !s.have(3) {
		return needInput
	}
	s.clean = false
	s.final = s.b&1 != 0
	kind := s.b >> 1 & 3
	s.drop(3)
	switch kind {
	case 0:
		s.drop(s.nb & 7)
		s.at = atStoredLength
	case 1:
		s.code = fixed
		s.at = atSymbols
	case 2:
		return s.dynamic()
	default:
		return s.corrupt("RFC 1951, section 3.2.3", "reserved block type")
	}
	return goOn
}

// endBlock ends the block. After the last block of a DEFLATE stream, another
// stream begins at the next byte (RFC 7692, section 7.2.3.4).
func (s *stream) endBlock() {
	if s.final {
		s.drop(s.nb & 7)
		s.clean = true
	}
	s.at = atHeader
}

// storedLength reads LEN and NLEN (RFC 1951, section 3.2.4).
func (s *stream) storedLength() status {
	if !s.have(32) {
		return needInput
	}
	if uint16(s.b) != ^uint16(s.b>>16) {
		return s.corrupt("RFC 1951, section 3.2.4", "length of a stored block does not match its complement")
	}
	s.length = int(uint16(s.b))
	s.drop(32)
	s.at = atStored
	return goOn
}

// stored copies the bytes of a stored block.
func (s *stream) stored() status {
	s.unread()
	k := copy(s.out[s.n:], s.in[s.i:s.i+min(s.length, len(s.in)-s.i)])
	s.n += k
	s.i += k
	s.length -= k
	switch {
	case s.length == 0:
		s.endBlock()
		return goOn
	case s.i == len(s.in):
		return needInput
	}
	return needOutput
}

// refill fills the bits up to 56 or more, or with all remaining input. Bits
// above the counted ones are the following bits of the input, or zero.
func (s *stream) refill() {
	if len(s.in)-s.i >= 8 {
		s.b |= binary.LittleEndian.Uint64(s.in[s.i:]) << s.nb
		s.i += int(63-s.nb) >> 3
		s.nb |= 56
		return
	}
	if rest := uint(len(s.in) - s.i); len(s.in) >= 8 {
		last := binary.LittleEndian.Uint64(s.in[len(s.in)-8:])
		s.b |= last >> (64 - 8*rest) << s.nb
		k := min(rest, (63-s.nb)>>3)
		s.i += int(k)
		s.nb += 8 * k
		return
	}
	for s.nb < 56 && s.i < len(s.in) {
		s.b |= uint64(s.in[s.i]) << s.nb
		s.i++
		s.nb += 8
	}
}

// have reports whether there are at least k bits. k is at most 48.
func (s *stream) have(k uint) bool {
	if s.nb < k {
		s.refill()
	}
	return s.nb >= k
}

// drop consumes k bits, which must be available.
func (s *stream) drop(k uint) {
	s.b >>= k
	s.nb -= k
}

// unread returns whole bytes that refill consumed too early. They all belong to
// this chunk: bits of an earlier chunk remain only if it ended inside an
// element, which consumes them first.
func (s *stream) unread() {
	k := min(int(s.nb/8), s.i)
	s.i -= k
	s.nb -= 8 * uint(k)
	s.b &= 1<<s.nb - 1
}

// corrupt sets the error of the stream. A fault in the tail means that the
// payload ends too early.
func (s *stream) corrupt(section, reason string) status {
	s.unread()
	e := &CorruptError{Offset: s.offset + int64(s.i), Section: section, Reason: reason}
	if s.inTail {
		*e = CorruptError{Offset: s.offset, Section: "RFC 7692, section 7.2.2", Reason: "message does not end between blocks"}
	}
	s.err = e
	return broken
}
