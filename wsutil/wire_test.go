package wsutil

import (
	"bufio"
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

var testKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// both are the two sides on which a test may be.
var both = []struct {
	name  string
	state ws.State
}{
	{"server", ws.StateServerSide},
	{"client", ws.StateClientSide},
}

// appendKeyed appends a frame with this header, masked with its key if it says so.
func appendKeyed(dst []byte, h *ws.Header, payload []byte) []byte {
	dst = append(ws.AppendHeader(dst, *h), payload...)
	if h.Masked {
		ws.Cipher(dst[len(dst)-len(payload):], h.Mask, 0)
	}
	return dst
}

// peerFrames is the wire form of frames as the peer of side s sends them.
func peerFrames(s ws.State, frames ...ws.Frame) (p []byte) {
	for _, f := range frames {
		if s.ServerSide() {
			f = ws.MaskFrameWith(f, testKey)
		}
		p = ws.AppendFrame(p, f)
	}
	return p
}

func frame(op ws.OpCode, fin bool, payload string) ws.Frame {
	return ws.NewFrame(op, fin, append([]byte(nil), payload...)) // nil if empty, as ReadFrame has it
}

func closeFrame(code ws.StatusCode, reason string) ws.Frame {
	return ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason))
}

// faultFrame is the close frame that answers a fault of the peer: its code and reason.
func faultFrame(fault *ws.ProtocolError) ws.Frame { return closeFrame(fault.Code, fault.Reason) }

// frameList reads frames from p until its end, unmasked.
func frameList(t testing.TB, p []byte) (frames []ws.Frame) {
	t.Helper()
	for r := bytes.NewReader(p); r.Len() > 0; {
		f, err := ws.ReadFrame(r)
		require.NoError(t, err)
		frames = append(frames, ws.UnmaskFrameInPlace(f))
	}
	return frames
}

// sources are the readers through which the same bytes come in different ways.
var sources = []struct {
	name string
	of   func(r io.Reader) io.Reader
}{
	{"plain", func(r io.Reader) io.Reader { return r }},
	{"bytewise", iotest.OneByteReader},
	{"halves", iotest.HalfReader},
	{"error with data", iotest.DataErrReader},
	{"bufio", func(r io.Reader) io.Reader { return bufio.NewReaderSize(r, 64) }},
	{"bufio pair", func(r io.Reader) io.Reader {
		return bufio.NewReadWriter(bufio.NewReader(r), bufio.NewWriter(io.Discard))
	}},
}

// pipe is a connection in memory: what is read stands in in, what is written goes to
// out. It counts the calls.
type pipe struct {
	in            io.Reader
	out           bytes.Buffer
	reads, writes int
}

func (p *pipe) Read(b []byte) (int, error) {
	p.reads++
	return p.in.Read(b)
}

func (p *pipe) Write(b []byte) (int, error) {
	p.writes++
	return p.out.Write(b)
}

func newPipe(in []byte) *pipe { return &pipe{in: bytes.NewReader(in)} }

// failing is a writer that fails from the nth Write on.
type failing struct {
	n   int
	err error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.n--; f.n < 0 {
		return 0, f.err
	}
	return len(p), nil
}

// wraps are the connections that helpers read a pipe through.
var wraps = []struct {
	name string
	of   func(p *pipe) io.ReadWriter
}{
	{"plain", func(p *pipe) io.ReadWriter { return p }},
	{"buffered", func(p *pipe) io.ReadWriter {
		return bufio.NewReadWriter(bufio.NewReaderSize(p, 64), bufio.NewWriter(p))
	}},
}
