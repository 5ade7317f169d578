package inflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

var errReference = errors.New("reference: the message does not end between blocks")

// lastBlock is a stored block with BFINAL set, so that a reader comes to an
// end. No block of a payload takes it for its own and ends where it ends: it is
// longer than a stored block, and a compressed one meets the end of block at
// the first zeros or never.
var lastBlock = append([]byte{1, 0xff, 0xff, 0, 0}, make([]byte, 0xffff)...)

// reference inflates a message with compress/flate: the payload, the tail and
// lastBlock, which is where the reader must come to its end. If it does so
// before, at a BFINAL of the payload, the next stream begins there. The message
// may also end at a BFINAL after the payload or after the tail, and may be
// empty.
func reference(past, payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	in := bytes.NewReader(append(append(bytes.Clone(payload), tail[:]...), lastBlock...))
	var out []byte
	for {
		window := append(bytes.Clone(past), out...)
		window = window[max(0, len(window)-1<<maxBits):]
		p, err := io.ReadAll(flate.NewReaderDict(in, window))
		out = append(out, p...)
		if err != nil {
			return out, err
		}
		switch left := in.Len(); {
		case left == 0:
			return out[:len(out)-0xffff], nil
		case left == len(lastBlock), left == len(lastBlock)+len(tail):
			return out, nil
		case left < len(lastBlock)+len(tail):
			return out, errReference
		}
	}
}

// appendCut inflates a message by Append, cut where cut says.
func appendCut(d *Decoder, payload []byte, cut func(n int) int) (out []byte, err error) {
	for {
		k := min(len(payload), cut(len(payload)))
		last := k == len(payload)
		out, err = d.Append(out, payload[:k:k], last, -1)
		if payload = payload[k:]; last || err != nil {
			return out, err
		}
	}
}

// extendCut inflates a message by Extend, cut where cut says, after other bytes
// and now and then in other memory.
func extendCut(d *Decoder, payload []byte, cut func(n int) int) (out []byte, err error) {
	out = []byte("before")
	for i := 0; ; i++ {
		if i%16 == 0 {
			out = bytes.Clone(out)
		}
		k := min(len(payload), cut(len(payload)))
		last := k == len(payload)
		out, err = d.Extend(out, payload[:k:k], last, -1)
		if payload = payload[k:]; last || err != nil {
			return bytes.TrimPrefix(out, []byte("before")), err
		}
	}
}

// readCut inflates a message by Read, both sides cut where cut says.
func readCut(d *Decoder, payload []byte, cut func(n int) int) (out []byte, err error) {
	for {
		k := min(len(payload), cut(len(payload)))
		chunk, last := payload[:k:k], k == len(payload)
		payload = payload[k:]
		for {
			dst := make([]byte, cut(1<<16))
			n, used, done, err := d.Read(dst, chunk, last)
			out = append(out, dst[:n]...)
			chunk = chunk[used:]
			if err != nil || done {
				if done && len(chunk) > 0 {
					return out, errors.New("done, but not all is used")
				}
				return out, err
			}
			if n < len(dst) && len(chunk) > 0 {
				return out, errors.New("neither side was used up")
			}
			if len(chunk) == 0 && !last && n < len(dst) {
				break
			}
		}
	}
}

// A final stored block may take in the tail, but not what reference appends to
// it.
func TestReference(t *testing.T) {
	for _, tt := range []struct {
		name  string
		p     []byte
		valid bool
	}{
		{"nothing", nil, true},
		{"final empty block", []byte("\x01\x00\x00\xff\xff"), true},
		{"block that lacks its tail", []byte{0}, true},
		{"final block takes in the tail", []byte("\x01\x04\x00\xfb\xff"), true},
		{"final block takes in one byte of the tail", []byte("\x01\x01\x00\xfe\xff"), false},
		{"final block lacks a byte after the tail", []byte("\x01\x05\x00\xfa\xff"), false},
		{"final block lacks an empty block", []byte("\x01\x09\x00\xf6\xff"), false},
		{"final block of the largest size", []byte("\x01\xff\xff\x00\x00"), false},
		{"block takes in the tail", []byte("\x00\x04\x00\xfb\xff"), true},
		{"block lacks an empty block", []byte("\x00\x09\x00\xf6\xff"), false},
	} {
		want, err := reference(nil, tt.p)
		require.Equal(t, tt.valid, err == nil, "%s: %v", tt.name, err)
		for _, way := range ways {
			var d Decoder
			check(t, tt.name+": "+way.name, way.inflate, &d, tt.p, want, err)
		}
	}
}
