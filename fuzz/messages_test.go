package fuzz

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/bench"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// verdict is the result of an implementation for received bytes: the messages,
// and the fault after them, if any.
type verdict struct {
	messages [][]byte
	err      error
}

// ours is the verdict of the protocol without I/O.
func ours(in []byte, side bench.Side) (v verdict) {
	state := ws.StateServerSide
	if side == bench.Client {
		state = ws.StateClientSide
	}
	c := wsutil.NewProtocol(&wsutil.Config{State: state})
	for p := bytes.Clone(in); ; {
		ev, n, err := c.NextMessage(p)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return v
		}
		if err != nil {
			v.err = err
			return v
		}
		p = p[n:]
		if ev.OpCode.IsData() {
			v.messages = append(v.messages, bytes.Clone(ev.Payload))
		}
	}
}

// theirs is the verdict of another library. A panic is an error of theirs.
func theirs(lib bench.Library, in []byte, side bench.Side) (v verdict) {
	defer func() {
		if p := recover(); p != nil {
			v.err = fmt.Errorf("panic: %v", p)
		}
	}()
	conn := new(bench.Conn)
	job, err := lib.Read(conn, side, make([]byte, 0, 1<<10), func(p []byte) {
		v.messages = append(v.messages, bytes.Clone(p))
	})
	if err != nil {
		return verdict{err: err}
	}
	conn.Replay(in, 1, false)
	v.err = job(1 << 30)
	return v
}

// A difference is input that a library accepts after the point where we stop.
type difference struct {
	err    error // why we stop: nil at the end of the input
	reason string
}

// lenient are the differences that are known. The sections are of RFC 6455.
var lenient = map[string][]difference{
	"gobwas-helpers": {
		notShortest,
		{nil, "an empty fragment that the end of the connection follows is given out as a message; section 5.4 has the last fragment end it"},
	},
	"gorilla": {
		notShortest,
		{ws.ErrProtocolInvalidUTF8, "it leaves the check of text to the caller; section 8.1 has the endpoint fail the connection"},
	},
	"coder": {
		notShortest,
		{ws.ErrProtocolInvalidUTF8, "it does not check text; section 8.1 has the endpoint fail the connection"},
		{ws.ErrProtocolMaskUnexpected, "its client takes masked frames; section 5.1 has it close the connection"},
		{nil, "a message that the end of the connection cuts short is given out as if it were whole; section 5.4 has the last fragment end it"},
	},
	"gws": {
		notShortest,
	},
}

var notShortest = difference{ws.ErrHeaderLengthNotMinimal, "section 5.2 has the length in its shortest form"}

// FuzzMessages compares the messages that we find in a stream of frames with
// those of other libraries. Other libraries must accept everything that we
// accept, byte for byte, and must stop where we stop, except for listed
// differences.
func FuzzMessages(f *testing.F) {
	for _, in := range streams() {
		f.Add(in, false)
		f.Add(in, true)
	}
	f.Fuzz(func(t *testing.T, in []byte, client bool) {
		if largest(in, 1<<16) {
			t.Skip("a length that some libraries make room for at once")
		}
		want := ours(in, bench.Side(client))
		for _, name := range []string{"gobwas-helpers", "gorilla", "coder", "gws"} {
			got := theirs(library(t, name), in, bench.Side(client))
			compare(t, name, want, got)
		}
	})
}

func compare(t *testing.T, name string, want, got verdict) {
	t.Helper()
	for _, d := range lenient[name] {
		if errors.Is(want.err, d.err) && len(got.messages) > len(want.messages) {
			got.messages = got.messages[:len(want.messages)]
		}
	}
	require.True(t, slices.EqualFunc(want.messages, got.messages, bytes.Equal),
		"we find %q, and then %v; %s finds %q, and then %v", want.messages, want.err, name, got.messages, got.err)
}

func library(t *testing.T, name string) bench.Library {
	for _, lib := range bench.Libraries {
		if lib.Name == name {
			return lib
		}
	}
	t.Fatalf("no library %q", name)
	return bench.Library{}
}

// largest reports whether in declares a frame of more than limit bytes,
// wherever it is cut into frames.
func largest(in []byte, limit int64) bool {
	for len(in) > 0 {
		h, n, err := ws.ParseHeaderNonMinimal(in)
		if err != nil {
			return !errors.Is(err, io.ErrUnexpectedEOF)
		}
		if h.Length > limit {
			return true
		}
		in = in[n:]
		in = in[min(int64(len(in)), h.Length):]
	}
	return false
}

// streams are frames as a peer sends them, one fault in each but the first
// ones.
func streams() (all [][]byte) {
	frame := func(fin bool, op ws.OpCode, payload string) ws.Frame { return ws.NewFrame(op, fin, []byte(payload)) }
	for _, frames := range [][]ws.Frame{
		{frame(true, ws.OpText, "hello"), frame(true, ws.OpBinary, "\x00\xff")},
		{frame(false, ws.OpText, "h€"), frame(true, ws.OpPing, "p"), frame(false, ws.OpContinuation, ""), frame(true, ws.OpContinuation, "o")},
		{frame(true, ws.OpText, ""), frame(true, ws.OpPong, ""), frame(true, ws.OpClose, "\x03\xe8bye"), frame(true, ws.OpText, "late")},
		{frame(true, ws.OpText, "\xc3"), frame(true, ws.OpText, "x")},
		{frame(true, ws.OpContinuation, "x"), frame(true, ws.OpText, "x")},
		{frame(false, ws.OpText, "x"), frame(true, ws.OpText, "y")},
		{frame(false, ws.OpPing, "x"), frame(true, ws.OpText, "y")},
		{frame(true, ws.OpClose, "\x03"), frame(true, ws.OpText, "y")},
		{frame(true, ws.OpClose, "\x03\xed"), frame(true, ws.OpText, "y")},
		{frame(true, 0x3, "x"), frame(true, ws.OpText, "y")},
		{frame(true, 0xb, "x"), frame(true, ws.OpText, "y")},
		{{Header: ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: ws.OpText, Length: 1}, Payload: []byte("x")}, frame(true, ws.OpText, "y")},
	} {
		var clear, masked []byte
		for _, fr := range frames {
			clear = ws.AppendFrame(clear, fr)
			masked = ws.AppendFrame(masked, ws.MaskFrameWith(fr, [4]byte{1, 2, 3, 4}))
		}
		all = append(all, clear, masked)
	}
	return all
}
