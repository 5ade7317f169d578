package bench

import (
	"bytes"
	"compress/flate"

	"github.com/wskit/wskit/ws"
)

// Flate is an adapter of a library that compresses messages, or of an engine.
// All compress at their fastest level, unless the name has another level, with
// a window of 15 bits, and compress messages of any length.
type Flate struct {
	Name string

	// JSON says that there are only rows for JSON.
	JSON bool

	// Contexts are the supported modes: with context takeover, without, or
	// both.
	Contexts []bool

	// Compress opens a server connection over conn. Its job sends messages
	// cyclically in compressed form. It writes frames to conn, or payloads in
	// the case of an engine.
	Compress func(conn *Conn, takeover bool, messages [][]byte) (Job, error)

	// Decompress opens a server connection over conn. Its job, which is run
	// once, receives n messages, the payloads cyclically, and calls every with
	// each. A library reads them as frames from conn. An engine decompresses
	// the payloads directly.
	Decompress func(conn *Conn, takeover bool, payloads [][]byte, size int, every func(p []byte)) (Job, error)
}

var (
	bothContexts = []bool{true, false}
	noContext    = []bool{false}
)

// Flates are all adapters. zlib is included with the build tag cgozlib.
var Flates = append([]Flate{
	wskitFlate, wskitEngine,
	gobwasFlate, gorillaFlate, coderFlate, gwsFlate,
	stdEngine(1), stdEngine(6),
	klauspostEngine(1), klauspostEngine(2), klauspostEngine(3), klauspostEngine(4), klauspostEngine(5), klauspostEngine(6),
	klauspostStateless,
}, zlibEngines...)

// deflateTail is the end of a message that is not sent (RFC 7692, section
// 7.2.1).
var deflateTail = []byte("\x00\x00\xff\xff")

// finalBlock follows the tail for decompressors that need an end.
const finalBlock = "\x01\x00\x00\xff\xff"

// payloads compresses messages with the default level of zlib. With takeover,
// each refers to earlier ones, and the first to none, so that they can be
// received cyclically.
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
