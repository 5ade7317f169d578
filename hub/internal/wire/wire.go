// Package wire encodes publications for brokers that carry bytes.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/ws"
)

// version is the high half of the first byte, which identifies messages of
// other programs.
const version = 0xA0

// binaryOp is the bit of the first byte that says [ws.OpBinary].
const binaryOp = 0x08

var (
	errForeign = errors.New("wire: the message is not a publication")
	errShort   = errors.New("wire: the publication is cut off")
)

// Append appends p to dst, without its position:
//
//	byte      0xA0 | 0x08 if the message is binary | kind
//	uvarint   length of the key, and the key
//	uvarint   length of the ID, and the ID
//	          payload
func Append(dst []byte, p *hub.Publication) []byte {
	first := version | byte(p.Kind)
	if p.Op == ws.OpBinary {
		first |= binaryOp
	}
	dst = append(dst, first)
	dst = appendString(dst, p.Key)
	dst = appendString(dst, p.ID)
	return append(dst, p.Payload...)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// Size returns an upper bound of what Append appends.
func Size(p *hub.Publication) int {
	return 1 + 2*binary.MaxVarintLen64 + len(p.Key) + len(p.ID) + len(p.Payload)
}

// Parse decodes the output of Append. The payload of the publication is a part
// of b.
func Parse(b []byte) (p hub.Publication, err error) {
	if len(b) == 0 || b[0]&0xF0 != version || hub.Kind(b[0]&0x07) > hub.Leave {
		return p, errForeign
	}
	p.Kind, p.Op = hub.Kind(b[0]&0x07), ws.OpText
	if b[0]&binaryOp != 0 {
		p.Op = ws.OpBinary
	}
	b = b[1:]
	if p.Key, b, err = parseString(b); err != nil {
		return hub.Publication{}, fmt.Errorf("%w in its key", err)
	}
	if p.ID, b, err = parseString(b); err != nil {
		return hub.Publication{}, fmt.Errorf("%w in its ID", err)
	}
	p.Payload = b
	return p, nil
}

func parseString(b []byte) (s string, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return "", nil, errShort
	}
	b = b[size:]
	return string(b[:n]), b[n:], nil
}
