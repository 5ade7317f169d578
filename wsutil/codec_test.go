package wsutil

import (
	"bytes"

	"github.com/wskit/wskit/ws"
)

// A toy in place of permessage-deflate, with context takeover: pairs of a count and a
// byte, and the pair 0, 0xff for all of the message before. Package wsflate tests the
// real one with a Protocol.

var errToyCorrupt = &ws.ProtocolError{Code: ws.StatusInvalidFramePayloadData, Reason: "not a run"}
var errToyTooLarge = &ws.ProtocolError{Code: ws.StatusMessageTooBig, Reason: "the toy's own limit"}

type toyInflater struct {
	prev, cur []byte // the message before, and what was put out of the open one
	half      bool   // count was read, its byte was not
	count     byte
	value     byte
	left      int // of a run
	ref       []byte
	err       error
	closed    int
}

func (z *toyInflater) Read(dst, chunk []byte, last bool) (n, used int, done bool, err error) {
	if z.err != nil {
		return 0, 0, false, z.err
	}
	put := func(b byte) bool {
		if n == len(dst) {
			return false
		}
		dst[n] = b
		z.cur = append(z.cur, b)
		n++
		return true
	}
	for {
		switch {
		case z.left > 0:
			if !put(z.value) {
				return n, used, false, nil
			}
			z.left--
		case len(z.ref) > 0:
			if !put(z.ref[0]) {
				return n, used, false, nil
			}
			z.ref = z.ref[1:]
		case used < len(chunk):
			b := chunk[used]
			used++
			switch z.half = !z.half; {
			case z.half:
				z.count = b
			case z.count == 0 && b == 0xff:
				z.ref = z.prev
			case z.count == 0:
				z.err = errToyCorrupt
				return n, used, false, z.err
			default:
				z.left, z.value = int(z.count), b
			}
		case last && z.half:
			z.err = errToyCorrupt
			return n, used, false, z.err
		case last:
			z.prev, z.cur = z.cur, z.prev[:0]
			return n, used, true, nil
		default:
			return n, used, false, nil
		}
	}
}

func (z *toyInflater) Extend(dst, chunk []byte, last bool, limit int64) ([]byte, error) {
	for {
		var room [64]byte
		made := int64(len(z.cur))
		n, used, done, err := z.Read(room[:], chunk, last)
		if limit >= 0 && made+int64(n) > limit {
			n = int(limit - made)
			z.err = errToyTooLarge
			return append(dst, room[:n]...), z.err
		}
		dst = append(dst, room[:n]...)
		if chunk = chunk[used:]; err != nil || done || !last && len(chunk) == 0 && n < len(room) {
			return dst, err
		}
	}
}

func (z *toyInflater) Close() { z.closed++ }

type toyDeflater struct {
	prev, cur []byte
	open      bool // a message in parts
	closed    int
	undone    int
	before    []byte // prev before the last message
}

// runs appends the pairs that p is.
func runs(dst, p []byte) []byte {
	for len(p) > 0 {
		n := 1
		for n < len(p) && n < 255 && p[n] == p[0] {
			n++
		}
		dst = append(dst, byte(n), p[0])
		p = p[n:]
	}
	return dst
}

func (z *toyDeflater) AppendMessage(dst, p []byte) ([]byte, bool) {
	out := append(dst, 0, 0xff)
	if len(p) == 0 || !bytes.Equal(p, z.prev) {
		out = runs(dst, p)
	}
	if len(out)-len(dst) >= len(p) {
		return dst, false
	}
	z.SentPrepared(p)
	return out, true
}

func (z *toyDeflater) AppendPart(dst, p []byte, last bool) []byte {
	z.cur = append(z.cur, p...)
	if z.open = !last; last {
		z.prev, z.cur = z.cur, nil
	}
	return runs(dst, p)
}

// toyForm is a form for messages of up to that many bytes.
type toyForm int

func (f toyForm) Frame(op ws.OpCode, p []byte) ([]byte, error) {
	if f < 0 {
		return nil, errInjected
	}
	packed := runs(nil, p)
	if len(packed) >= len(p) {
		return ws.AppendFrame(nil, ws.NewFrame(op, true, p)), nil
	}
	fr := ws.NewFrame(op, true, packed)
	fr.Header.Rsv = rsv1
	return ws.AppendFrame(nil, fr), nil
}

func (z *toyDeflater) PreparedProfile(n int) interface {
	Frame(op ws.OpCode, p []byte) ([]byte, error)
} {
	return toyForm(n &^ 15)
}

func (z *toyDeflater) SentPrepared(p []byte) { z.before, z.prev = z.prev, bytes.Clone(p) }

func (z *toyDeflater) Undo() {
	z.undone++
	z.prev = z.before
}

func (z *toyDeflater) Close() {
	z.closed++
	z.prev, z.cur, z.open = nil, nil, false
}

// withToy returns cfg with the toy in both directions.
func withToy(cfg Config) *Config {
	cfg.Inflater, cfg.Deflater = new(toyInflater), new(toyDeflater)
	return &cfg
}

// packedMessage is message for one that was compressed.
func packedMessage(op ws.OpCode, data string) got { return got{op, 0, whole | partPacked, data} }

// packed is the header of a frame that begins a compressed message.
func packed(op ws.OpCode, fin bool) ws.Header { return ws.Header{Fin: fin, OpCode: op, Rsv: rsv1} }

// fromPeer returns frames as the peer of cfg sends them.
func fromPeer(cfg *Config, frames ...sent) (in []byte) {
	for _, f := range frames {
		if cfg.State.ClientSide() {
			in = append(in, toClient(f.h, f.payload)...)
		} else {
			in = append(in, toServer(f.h, f.payload)...)
		}
	}
	return in
}

// receivers are all ways to receive, by what they return of an input in pieces:
// messages and control frames, and what the connection has come to.
var receivers = map[string]func(c *Protocol, pieces [][]byte) ([]got, error){
	"Next":                    collect((*Protocol).Next),
	"NextMessage":             collect((*Protocol).NextMessage),
	"NextChunk of 1":          collect(chunked(1, false)),
	"NextChunk of 3":          collect(chunked(3, false)),
	"NextChunk of 4096":       collect(chunked(4096, false)),
	"NextChunk, empty first":  collect(chunked(7, true)),
	"Gather":                  gather(false),
	"Gather and Room":         gather(true),
	"all by turns":            collect(turns(0)),
	"all by turns, otherwise": collect(turns(1)),
}

// chunked is NextChunk with room for n bytes; empty says that each message is
// opened without room.
func chunked(n int, empty bool) next {
	dst := make([]byte, n)
	return func(c *Protocol, p []byte) (Event, int, error) {
		if empty && !c.InMessage() {
			return c.NextChunk(nil, p)
		}
		return c.NextChunk(dst, p)
	}
}

// turns takes another function for each call: inside of a message only those that
// return chunks, since what NextMessage has begun must not be ended by others.
func turns(i int) next {
	all := []next{(*Protocol).Next, chunked(5, false), chunked(600, true)}
	return func(c *Protocol, p []byte) (Event, int, error) {
		i++
		return all[i%len(all)](c, p)
	}
}

// collect joins the chunks that fn returns.
func collect(fn next) func(*Protocol, [][]byte) ([]got, error) {
	return func(c *Protocol, pieces [][]byte) (messages []got, err error) {
		var open got
		for _, p := range pieces {
			for calls := 0; ; calls++ {
				if calls%16 == 0 {
					p = bytes.Clone(p) // the rest may be given from somewhere else
				}
				ev, n, err := fn(c, p)
				p = p[n:]
				if isShort(err) && len(p) == 0 {
					break
				}
				if err != nil {
					return messages, err
				}
				one := got{ev.OpCode, ev.Rsv, ev.part, string(ev.Payload)}
				if ev.OpCode.IsControl() {
					messages = append(messages, one)
					continue
				}
				if ev.First() {
					open = got{op: ev.OpCode}
				}
				open.data += one.data
				open.rsv, open.part = ev.Rsv, open.part|ev.part
				if ev.Last() {
					messages = append(messages, open)
				}
			}
		}
		return messages, nil
	}
}

func gather(withRoom bool) func(*Protocol, [][]byte) ([]got, error) {
	return func(c *Protocol, pieces [][]byte) (messages []got, err error) {
		var dst []byte
		begin := 0
		for _, p := range pieces {
			for p = bytes.Clone(p); ; {
				var ev Event
				var n int
				var err error
				if grown, room := c.Room(dst); withRoom && room != nil {
					if len(p) == 0 {
						dst = grown
						break
					}
					room = room[:copy(room, p)]
					if ev, n, err = c.Next(room); err == nil {
						dst = grown[:len(grown)+len(room)]
					}
				} else {
					ev, n, err = c.Gather(&dst, p)
				}
				p = p[n:]
				if isShort(err) && len(p) == 0 {
					break
				}
				if err != nil {
					return messages, err
				}
				one := got{ev.OpCode, ev.Rsv, ev.part | partFirst, string(ev.Payload)}
				if !ev.OpCode.IsControl() {
					if !ev.Last() {
						continue // from Room
					}
					one.data = string(dst[begin:])
					begin = len(dst) // messages may follow each other
				}
				messages = append(messages, one)
			}
		}
		return messages, nil
	}
}

// pieces cuts in into pieces of n bytes.
func pieces(in []byte, n int) (all [][]byte) {
	for len(in) > 0 {
		k := min(n, len(in))
		all = append(all, in[:k])
		in = in[k:]
	}
	return all
}
