package wsutil

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// FuzzWriter has a Writer send messages, written in pieces of all kinds, and a Reader
// on the other side read them.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("Hello, world"), uint16(4), uint16(0x1234), false)
	f.Add(bytes.Repeat([]byte("é"), 700), uint16(1), uint16(0x0403), true)
	f.Add(bytes.Repeat([]byte{0xFF}, 300), uint16(125), uint16(0x2101), true)
	f.Add([]byte{}, uint16(0), uint16(0), false)
	f.Fuzz(func(t *testing.T, payload []byte, size, steps uint16, client bool) {
		state, peer := ws.StateServerSide, ws.StateClientSide
		if client {
			state, peer = peer, state
		}
		var wire bytes.Buffer
		w := NewWriterSize(&wire, state, ws.OpBinary, int(size))
		before := bytes.Clone(payload)
		for rest := payload; ; steps = steps>>2 | steps<<14 {
			n := min(len(rest), int(steps%300)+1+len(payload)/50)
			p := rest[:n]
			rest = rest[n:]
			var err error
			switch steps & 3 {
			case 0:
				_, err = w.Write(p)
			case 1:
				_, err = w.ReadFrom(bytes.NewReader(p))
			case 2:
				require.NoError(t, w.FlushFragment())
				_, err = w.WriteThrough(p)
			case 3:
				w.Grow(n)
				_, err = w.Write(p)
			}
			require.NoError(t, err)
			if len(rest) == 0 {
				break
			}
		}
		require.NoError(t, w.Flush())
		require.True(t, bytes.Equal(before, payload), "the caller's bytes")
		require.NoError(t, WriteMessage(&wire, state, ws.OpBinary, payload))

		r := NewReader(&wire, peer)
		r.MaxFragments = -1
		for range 2 {
			got, op, err := r.AppendMessage(nil)
			require.NoError(t, err)
			require.Equal(t, ws.OpBinary, op)
			require.True(t, bytes.Equal(payload, got))
		}
		_, err := r.NextFrame()
		require.Equal(t, io.EOF, err)
	})
}

// seen is one thing that a peer has said.
type seen struct {
	op      ws.OpCode
	payload string
}

// limits of the fuzz target, small enough to be met.
const (
	fuzzFrame, fuzzMessage = 300, 500
	fuzzFragments          = 5

	fuzzExtended = 0x80 // in the size of a read: extensions claim all reserved bits
)

// reserved is frame with reserved bits.
func reserved(op ws.OpCode, fin bool, rsv byte, payload string) ws.Frame {
	f := frame(op, fin, payload)
	f.Header.Rsv = rsv
	return f
}

// byProtocol is what the connection without I/O makes of p, and the error at the end.
func byProtocol(s ws.State, p []byte) (got []seen, err error) {
	c := NewProtocol(&Config{State: s, MaxFrame: fuzzFrame, MaxMessage: fuzzMessage, MaxFragments: fuzzFragments})
	for p = bytes.Clone(p); ; {
		ev, n, err := c.NextMessage(p)
		p = p[n:]
		if err == io.ErrUnexpectedEOF {
			err = c.EOF()
			return got, err
		}
		if err != nil {
			return got, err
		}
		got = append(got, seen{ev.OpCode, string(ev.Payload)})
	}
}

// byReader is what a Reader makes of src.
func byReader(s ws.State, src io.Reader, size int) (got []seen, err error) {
	r := NewReader(src, s)
	r.CheckUTF8 = true
	r.MaxFrameSize, r.MaxMessageSize, r.MaxFragments = fuzzFrame, fuzzMessage, fuzzFragments
	control := func(h ws.Header, payload io.Reader) error {
		p, err := io.ReadAll(payload)
		if err != nil {
			return err
		}
		if h.OpCode == ws.OpClose {
			if _, _, err := ws.ParseCloseBody(p); err != nil {
				return err
			}
		}
		got = append(got, seen{h.OpCode, string(p)})
		if h.OpCode == ws.OpClose {
			code, reason, _ := ws.ParseCloseBody(p)
			return ClosedError{code, reason}
		}
		return nil
	}
	r.OnIntermediate = control
	for {
		h, err := r.NextFrame()
		if err != nil {
			return got, err
		}
		if h.OpCode.IsControl() {
			if err = control(h, r); err != nil {
				return got, err
			}
			continue
		}
		var p []byte
		if size == 0 {
			p, err = r.appendRest(nil)
		} else {
			buf := make([]byte, size)
			for err == nil {
				var n int
				n, err = r.Read(buf)
				p = append(p, buf[:n]...)
			}
			if err == io.EOF {
				err = nil
			}
		}
		if err != nil {
			return got, err
		}
		got = append(got, seen{h.OpCode, string(p)})
	}
}

// sameEnd reports whether a Reader and a Protocol have ended for the same reason. Where
// the input just ends the Protocol knows that the connection is lost. A Reader waits
// for the mask before it looks at the length.
func sameEnd(reader, protocol error) bool {
	switch {
	case reader == io.EOF:
		return protocol == ClosedError{Code: ws.StatusAbnormalClosure}
	case reader == io.ErrUnexpectedEOF:
		return errors.Is(protocol, io.ErrUnexpectedEOF) || protocol == ws.ErrHeaderLengthMSB ||
			protocol == ws.ErrHeaderLengthNotMinimal || protocol == ws.ErrHeaderLengthOverflow
	}
	return reader == protocol
}

// FuzzReader has the Reader and the connection without I/O read the same input.
func FuzzReader(f *testing.F) {
	for _, side := range both {
		for _, tt := range messages {
			if wire := peerFrames(side.state, tt.frames...); len(wire) < 500 {
				f.Add(wire, side.state.ClientSide(), byte(3))
			}
		}
		f.Add(peerFrames(side.state, frame(ws.OpText, false, "abc\xF0\x9F"), frame(ws.OpPing, true, "ping"), frame(ws.OpContinuation, true, "\x98")), side.state.ClientSide(), byte(1))
		f.Add(peerFrames(side.state, ws.NewBinaryFrame(make([]byte, 301))), side.state.ClientSide(), byte(0))
		f.Add(peerFrames(side.state, frame(ws.OpClose, true, "\x03\xED")), side.state.ClientSide(), byte(0))
		f.Add(peerFrames(side.state, frame(ws.OpText, false, ""), frame(ws.OpClose, true, "\x03\xE8bye"), frame(ws.OpText, true, "late")), side.state.ClientSide(), byte(0))
	}
	f.Add([]byte("\x82\x7F\x00\x00\x00\x00\x00\x00\x00\x01a"), true, byte(9))
	f.Add([]byte("\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00\x00\x00\x00"), false, byte(9))
	f.Add([]byte("\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), false, byte(9))
	for _, side := range both { // reserved bits, on the second frame and on all
		f.Add(peerFrames(side.state, frame(ws.OpText, false, "\xE2\x82"), reserved(ws.OpContinuation, true, 2, "x"), frame(ws.OpText, true, "a")), side.state.ClientSide(), byte(5|fuzzExtended))
		f.Add(peerFrames(side.state, reserved(ws.OpText, false, 4, "\xFF"), reserved(ws.OpContinuation, true, 7, "x")), side.state.ClientSide(), byte(fuzzExtended))
	}
	f.Fuzz(func(t *testing.T, p []byte, client bool, size byte) {
		s := ws.StateServerSide
		if client {
			s = ws.StateClientSide
		}
		if size&fuzzExtended != 0 {
			s |= ws.StateExtended
			size &^= fuzzExtended
		}
		want, wantErr := byProtocol(s, p)
		for _, src := range []io.Reader{bytes.NewReader(p), bufio.NewReaderSize(bytes.NewReader(p), 16), iotest.OneByteReader(bytes.NewReader(p))} {
			got, err := byReader(s, src, int(size))
			require.Equal(t, want, got)
			require.True(t, sameEnd(err, wantErr), "Reader: %v; Protocol: %v", err, wantErr)
		}
	})
}

// FuzzData has the helpers read the same input from connections that show different
// amounts of it at once: what comes out and what is answered are the same.
func FuzzData(f *testing.F) {
	for _, side := range both {
		for _, tt := range messages {
			if wire := peerFrames(side.state, tt.frames...); len(wire) < 500 {
				f.Add(wire, side.state.ClientSide())
			}
		}
		f.Add(peerFrames(side.state, frame(ws.OpText, true, "\xFF")), side.state.ClientSide())
		f.Add(peerFrames(side.state, ws.NewBinaryFrame(make([]byte, 301))), side.state.ClientSide())
		f.Add(peerFrames(side.state, frame(ws.OpClose, true, "\x03\xED")), side.state.ClientSide())
	}
	f.Fuzz(func(t *testing.T, in []byte, client bool) {
		s := ws.StateServerSide
		if client {
			s = ws.StateClientSide
		}
		read := func(rw io.ReadWriter) (got []seen, err error) {
			for err == nil {
				var p []byte
				var op ws.OpCode
				if p, op, err = AppendDataLimit(nil, rw, s, 200); err == nil {
					got = append(got, seen{op, string(p)})
				}
			}
			return got, err
		}
		plain := newPipe(in)
		want, wantErr := read(plain)
		for _, source := range sources {
			p := newPipe(in)
			p.in = source.of(p.in)
			got, err := read(wraps[1].of(p))
			require.Equal(t, want, got)
			require.Equal(t, wantErr, err)
			require.Equal(t, frameList(t, plain.out.Bytes()), frameList(t, p.out.Bytes()))
		}
	})
}
