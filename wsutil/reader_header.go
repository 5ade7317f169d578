package wsutil

import (
	"bufio"
	"io"

	"github.com/wskit/wskit/ws"
)

// readHeader reads one header, and not a byte behind the frame if the frame is what
// the peer may send.
func (r *Reader) readHeader() (ws.Header, error) {
	switch r.Source.(type) {
	case *bufio.Reader, *bufio.ReadWriter:
		if r.NonMinimalLengths {
			return ws.ReadHeaderNonMinimal(r.Source)
		}
		return ws.ReadHeader(r.Source)
	}
	return r.readHeaderSteps()
}

// readHeaderSteps reads a header from a reader that may not be read too far: in one
// Read if the payload has at most 125 bytes, and the peer is known to mask.
func (r *Reader) readHeaderSteps() (h ws.Header, err error) {
	first := ws.MinHeaderSize
	if r.State.ServerSide() && !r.SkipHeaderCheck {
		first = ws.HeaderSize(ws.Header{Masked: true}) // a shorter frame is refused
	}
	n, err := io.ReadAtLeast(r.Source, r.head[:first], ws.MinHeaderSize)
	if err != nil {
		return h, err
	}
	size := sizeByLead(r.head[1])
	if n < size {
		if _, err = io.ReadFull(r.Source, r.head[n:size]); err != nil {
			return h, inside(err)
		}
	}
	if r.NonMinimalLengths {
		h, _, err = ws.ParseHeaderNonMinimal(r.head[:size])
	} else {
		h, _, err = ws.ParseHeader(r.head[:size])
	}
	return h, err
}

// sizeByLead returns the size of the header whose second byte is b.
func sizeByLead(b byte) int {
	h := ws.Header{Masked: b&0x80 != 0, Length: int64(b & 0x7f)}
	if h.Length == 127 { // stands for one in 64 bits
		h.Length = 1 << 16
	}
	return ws.HeaderSize(h)
}
