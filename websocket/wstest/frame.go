package wstest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/wskit/wskit/ws"
)

// frame is a frame to send. Unlike a ws.Frame, it can be invalid in every way.
type frame struct {
	op       ws.OpCode
	more     bool // FIN is not set
	rsv      byte // as ws.Rsv makes it
	payload  []byte
	form     lengthForm
	declared uint64   // the length field, if lies is set
	lies     bool     // declared is used instead of the payload's length
	wrongWay bool     // masked by a server, or not masked by a client
	key      *[4]byte // of the mask; nil: a random one
}

// lengthForm is one of the three encodings of a length.
type lengthForm uint8

const (
	shortest lengthForm = iota
	sixteen
	sixtyfour
)

func text(s string) frame     { return frame{op: ws.OpText, payload: []byte(s)} }
func binaryOf(p []byte) frame { return frame{op: ws.OpBinary, payload: p} }
func ping(s string) frame     { return frame{op: ws.OpPing, payload: []byte(s)} }
func pong(s string) frame     { return frame{op: ws.OpPong, payload: []byte(s)} }
func cont(s string) frame     { return frame{op: ws.OpContinuation, payload: []byte(s)} }

func closing(code ws.StatusCode, reason string) frame {
	return frame{op: ws.OpClose, payload: closeBody(code, reason)}
}

func closeBody(code ws.StatusCode, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}

// unfinished returns f without FIN.
func (f frame) unfinished() frame {
	f.more = true
	return f
}

// append appends the wire form of f.
func (f frame) append(dst []byte, masked bool) []byte {
	first := byte(f.op) | f.rsv<<4
	if !f.more {
		first |= 0x80
	}
	n := uint64(len(f.payload))
	if f.lies {
		n = f.declared
	}
	if f.wrongWay {
		masked = !masked
	}
	dst = appendLength(append(dst, first), n, f.form, masked)
	if !masked {
		return append(dst, f.payload...)
	}
	key := f.mask()
	dst = append(dst, key[:]...)
	for i, b := range f.payload {
		dst = append(dst, b^key[i&3])
	}
	return dst
}

func (f frame) mask() (key [4]byte) {
	if f.key != nil {
		return *f.key
	}
	binary.NativeEndian.PutUint32(key[:], rand.Uint32())
	return key
}

func appendLength(dst []byte, n uint64, form lengthForm, masked bool) []byte {
	bit := byte(0)
	if masked {
		bit = 0x80
	}
	switch {
	case form == sixtyfour || n > 0xffff:
		return binary.BigEndian.AppendUint64(append(dst, bit|127), n)
	case form == sixteen || n > 125:
		return binary.BigEndian.AppendUint16(append(dst, bit|126), uint16(n))
	}
	return append(dst, bit|byte(n))
}

// String is the line of the wire log.
func (f frame) String() string {
	n := uint64(len(f.payload))
	if f.lies {
		n = f.declared
	}
	return describe(f.op, !f.more, f.rsv, n)
}

func describe(op ws.OpCode, fin bool, rsv byte, n uint64) string {
	s := op.String()
	if rsv != 0 {
		s += fmt.Sprintf(" RSV=%03b", rsv)
	}
	if !fin {
		s += " not final"
	}
	return fmt.Sprintf("%s, length %d", s, n)
}
