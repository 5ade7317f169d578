package wsutil

import (
	"bufio"
	"io"

	"github.com/wskit/wskit/ws"
)

// readHeader reads one header, and not a byte behind the frame if the frame is what
// the peer may send. stays is false for an error of Source with which nothing has been
// taken of the header, so that it can still be read; the end of Source is none of these.
func (r *Reader) readHeader() (h ws.Header, stays bool, err error) {
	switch r.Source.(type) {
	case *bufio.Reader, *bufio.ReadWriter:
		if r.NonMinimalLengths {
			h, err = ws.ReadHeaderNonMinimal(r.Source)
		} else {
			h, err = ws.ReadHeader(r.Source)
		}
		_, stays = err.(*ws.ProtocolError)
		stays = stays || err == nil || err == io.EOF || err == io.ErrUnexpectedEOF
		return h, stays, err // a header that is not whole is left in the buffer
	}
	return r.readHeaderSteps()
}

// readHeaderSteps reads a header from a reader that may not be read too far: in one
// Read if the payload has at most 125 bytes, and the peer is known to mask.
func (r *Reader) readHeaderSteps() (h ws.Header, stays bool, err error) {
	first := ws.MinHeaderSize
	if r.State.ServerSide() && !r.SkipHeaderCheck {
		first = ws.HeaderSize(ws.Header{Masked: true}) // a shorter frame is refused
	}
	n, err := io.ReadAtLeast(r.Source, r.head[:first], ws.MinHeaderSize)
	if err != nil {
		return h, n > 0 || err == io.EOF, err
	}
	size := sizeByLead(r.head[1])
	if n < size {
		if _, err = io.ReadFull(r.Source, r.head[n:size]); err != nil {
			return h, true, inside(err)
		}
	}
	if r.NonMinimalLengths {
		h, _, err = ws.ParseHeaderNonMinimal(r.head[:size])
	} else {
		h, _, err = ws.ParseHeader(r.head[:size])
	}
	return h, true, err
}

// sizeByLead returns the size of the header whose second byte is b.
func sizeByLead(b byte) int {
	h := ws.Header{Masked: b&0x80 != 0, Length: int64(b & 0x7f)}
	if h.Length == 127 { // stands for one in 64 bits
		h.Length = 1 << 16
	}
	return ws.HeaderSize(h)
}
