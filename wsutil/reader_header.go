package wsutil

import (
	"bufio"
	"io"

	"github.com/wskit/wskit/ws"
)

// readHeader reads one header. It reads no byte after the frame, unless the
// frame breaks the rules. stays says whether the error is permanent. It is
// false if Source returned an error other than io.EOF before any byte of the
// header was consumed, so that a later call can still read the header.
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
		return h, stays, err // an incomplete header stays in the buffer
	}
	return r.readHeaderSteps()
}

// readHeaderSteps reads a header from a source that must not be read too far.
// It makes one Read if the peer must mask and the payload has at most 125
// bytes.
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
	if h.Length == 127 { // a 64-bit length follows
		h.Length = 1 << 16
	}
	return ws.HeaderSize(h)
}
