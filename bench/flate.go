package bench

import (
	"bytes"
	"compress/flate"

	"github.com/wskit/wskit/ws"
)

// Flate is a library that compresses messages, or an engine alone, behind its adapter. All
// compress at their fastest level, unless the name says another, with a window of 15 bits, and
// compress every message, however short.
type Flate struct {
	Name string

	// JSON says that there are rows for JSON alone.
	JSON bool

	// Contexts are the ways it knows: with context takeover, without, or both.
	Contexts []bool

	// Compress opens a connection over conn on the server's side. Its job sends messages in turn,
	// compressed; what they became is written to conn: frames, or by an engine payloads.
	Compress func(conn *Conn, takeover bool, messages [][]byte) (Job, error)

	// Decompress opens a connection over conn on the server's side. Its job, which is run once,
	// receives n messages, which are payloads in turn, over and over, and gives each to every.
	// A library reads them as frames from conn; an engine takes the payloads as they are.
	Decompress func(conn *Conn, takeover bool, payloads [][]byte, size int, every func(p []byte)) (Job, error)
}

var (
	bothContexts = []bool{true, false}
	noContext    = []bool{false}
)

// Flates are all that is measured. zlib is there with the build tag cgozlib.
var Flates = append([]Flate{
	wskitFlate, wskitEngine,
	gobwasFlate, gorillaFlate, coderFlate, gwsFlate,
	stdEngine(1), stdEngine(6),
	klauspostEngine(1), klauspostEngine(2), klauspostEngine(3), klauspostEngine(4), klauspostEngine(5), klauspostEngine(6),
	klauspostStateless,
}, zlibEngines...)

// deflateTail is what ends a message and does not travel (RFC 7692, section 7.2.1).
var deflateTail = []byte("\x00\x00\xff\xff")

// finalBlock follows the tail where a decompressor wants to come to an end.
const finalBlock = "\x01\x00\x00\xff\xff"

// payloads compresses messages, with zlib's usual level. With takeover each refers to those before
// it, but the first to none: so they can be received over and over.
func payloads(messages [][]byte, takeover bool) (all [][]byte, err error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, 6)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if out.Reset(); !takeover {
			w.Reset(&out)
		}
		if _, err := w.Write(m); err != nil {
			return nil, err
		}
		if err := w.Flush(); err != nil {
			return nil, err
		}
		all = append(all, bytes.Clone(bytes.TrimSuffix(out.Bytes(), deflateTail)))
	}
	return all, nil
}

// compressedFrames returns the frames in which a client sends payloads.
func compressedFrames(payloads [][]byte) (wire []byte) {
	for _, p := range payloads {
		f := ws.NewFrame(ws.OpBinary, true, p)
		f.Header.Rsv = ws.Rsv(true, false, false)
		wire = ws.AppendFrame(wire, ws.MaskFrameWith(f, mask))
	}
	return wire
}
