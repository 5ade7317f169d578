package inflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
)

var errReference = errors.New("reference: the message does not end between blocks")

// lastBlock is an empty block with BFINAL set, so that a reader comes to an end.
var lastBlock = []byte{1, 0, 0, 0xff, 0xff}

// reference inflates a message with compress/flate: the payload, the tail and a
// last block, which is where the reader must come to its end. If it does so before,
// at a BFINAL of the payload, the next stream begins there; a payload that ends
// just there needs no tail, and an empty one neither.
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
		case left == 0, left == len(lastBlock), left == len(lastBlock)+len(tail):
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
