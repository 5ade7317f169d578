package wsutil

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// messages are streams of frames and what they mean.
var messages = []struct {
	name   string
	frames []ws.Frame
	want   []Message
}{
	{"one frame", []ws.Frame{frame(ws.OpText, true, "Hello")}, []Message{{ws.OpText, []byte("Hello")}}},
	{"empty", []ws.Frame{frame(ws.OpBinary, true, "")}, []Message{{ws.OpBinary, nil}}},
	{"two fragments", []ws.Frame{
		frame(ws.OpText, false, "Hel"), frame(ws.OpContinuation, true, "lo"),
	}, []Message{{ws.OpText, []byte("Hello")}}},
	{"empty fragments", []ws.Frame{
		frame(ws.OpText, false, ""), frame(ws.OpContinuation, false, ""),
		frame(ws.OpContinuation, false, "a"), frame(ws.OpContinuation, true, ""),
	}, []Message{{ws.OpText, []byte("a")}}},
	{"nothing but empty fragments", []ws.Frame{
		frame(ws.OpBinary, false, ""), frame(ws.OpContinuation, true, ""),
	}, []Message{{ws.OpBinary, nil}}},
	{"character over fragments", []ws.Frame{
		frame(ws.OpText, false, "\xF0"), frame(ws.OpContinuation, false, "\x9F\x98"), frame(ws.OpContinuation, true, "\x80"),
	}, []Message{{ws.OpText, []byte("😀")}}},
	{"control between fragments", []ws.Frame{
		frame(ws.OpText, false, "Hel"), frame(ws.OpPing, true, "one"), frame(ws.OpPong, true, ""),
		frame(ws.OpContinuation, false, "l"), frame(ws.OpPing, true, "two"), frame(ws.OpContinuation, true, "o"),
	}, []Message{{ws.OpPing, []byte("one")}, {ws.OpPong, nil}, {ws.OpPing, []byte("two")}, {ws.OpText, []byte("Hello")}}},
	{"control before and after", []ws.Frame{
		frame(ws.OpPing, true, "one"), frame(ws.OpBinary, true, "\xFF"), closeFrame(1000, "bye"),
	}, []Message{{ws.OpPing, []byte("one")}, {ws.OpBinary, []byte{0xFF}}, {ws.OpClose, []byte("\x03\xE8bye")}}},
	{"three messages", []ws.Frame{
		frame(ws.OpText, true, "a"), frame(ws.OpBinary, false, "b"), frame(ws.OpContinuation, true, "c"), frame(ws.OpText, true, "d"),
	}, []Message{{ws.OpText, []byte("a")}, {ws.OpBinary, []byte("bc")}, {ws.OpText, []byte("d")}}},
	{"all lengths of a length", []ws.Frame{
		frame(ws.OpText, true, strings.Repeat("a", 125)), frame(ws.OpText, true, strings.Repeat("b", 126)),
		frame(ws.OpText, true, strings.Repeat("c", 65535)), frame(ws.OpText, true, strings.Repeat("d", 65536)),
	}, []Message{
		{ws.OpText, bytes.Repeat([]byte("a"), 125)}, {ws.OpText, bytes.Repeat([]byte("b"), 126)},
		{ws.OpText, bytes.Repeat([]byte("c"), 65535)}, {ws.OpText, bytes.Repeat([]byte("d"), 65536)},
	}},
}

// RFC 6455, section 5.4, through every kind of source and with several sizes of Read.
func TestReader(t *testing.T) {
	for _, side := range both {
		for _, source := range sources {
			for _, size := range []int{1, 3, 100, 100_000} {
				for _, tt := range messages {
					t.Run(fmt.Sprintf("%s/%s/%d/%s", side.name, source.name, size, tt.name), func(t *testing.T) {
						src := source.of(bytes.NewReader(peerFrames(side.state, tt.frames...)))
						require.Equal(t, tt.want, readAll(t, src, side.state, size))
					})
				}
			}
		}
	}
}

// readAll reads all messages of src with Reads of this size.
func readAll(t *testing.T, src io.Reader, s ws.State, size int) (got []Message) {
	t.Helper()
	read := func(r io.Reader) (all []byte) {
		p := make([]byte, size)
		for {
			n, err := r.Read(p)
			all = append(all, p[:n]...)
			if err == io.EOF {
				return all
			}
			if err != nil || n == 0 { // require takes its time, and there are many bytes
				t.Fatal("Read returns", n, err)
			}
		}
	}
	r := NewReader(src, s)
	r.CheckUTF8 = true
	r.OnIntermediate = func(h ws.Header, payload io.Reader) error {
		got = append(got, Message{h.OpCode, read(payload)})
		return nil
	}
	for {
		h, err := r.NextFrame()
		if err == io.EOF {
			return got
		}
		require.NoError(t, err)
		p := read(r)
		got = append(got, Message{h.OpCode, p})
	}
}

// NextFrame returns the same error for all later calls.
func TestReaderRefuses(t *testing.T) {
	client := ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Mask: testKey}
	change := func(f func(h *ws.Header)) []byte {
		h := client
		f(&h)
		return ws.AppendHeader(nil, h)
	}
	start := change(func(h *ws.Header) { h.Fin = false })
	for _, tt := range []struct {
		name string
		wire []byte
		want error
	}{
		{"5.1 not masked", ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpText}), ws.ErrProtocolMaskRequired},
		{"5.2 rsv1", change(func(h *ws.Header) { h.Rsv = ws.Rsv(true, false, false) }), ws.ErrProtocolNonZeroRsv},
		{"5.2 rsv3 on ping", change(func(h *ws.Header) { h.OpCode, h.Rsv = ws.OpPing, ws.Rsv(false, false, true) }), ws.ErrProtocolNonZeroRsv},
		{"5.2 opcode 3", change(func(h *ws.Header) { h.OpCode = 3 }), ws.ErrProtocolOpCodeReserved},
		{"5.2 opcode 11", change(func(h *ws.Header) { h.OpCode = 11 }), ws.ErrProtocolOpCodeReserved},
		{"5.2 top bit of the length", []byte("\x82\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x00\x00\x00\x00"), ws.ErrHeaderLengthMSB},
		{"5.2 only the top bit", []byte("\x82\xFF\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), ws.ErrHeaderLengthMSB},
		{"5.2 length 125 in 16 bits", []byte("\x82\xFE\x00\x7D\x00\x00\x00\x00"), ws.ErrHeaderLengthNotMinimal},
		{"5.4 continuation of nothing", change(func(h *ws.Header) { h.OpCode = ws.OpContinuation }), ws.ErrProtocolContinuationUnexpected},
		{"5.4 message inside a message", append(start, start...), ws.ErrProtocolContinuationExpected},
		{"5.5 long ping", change(func(h *ws.Header) { h.OpCode, h.Length = ws.OpPing, 126 }), ws.ErrProtocolControlPayloadOverflow},
		{"5.5 fragmented ping", change(func(h *ws.Header) { h.OpCode, h.Fin = ws.OpPing, false }), ws.ErrProtocolControlNotFinal},
	} {
		for _, source := range sources {
			t.Run(tt.name+"/"+source.name, func(t *testing.T) {
				r := NewServerSideReader(source.of(bytes.NewReader(tt.wire)))
				r.CheckUTF8 = true
				_, _, err := r.AppendMessage(nil)
				require.ErrorIs(t, err, tt.want)
				requireBroken(t, r, tt.want)
			})
		}
	}
	r := NewClientSideReader(bytes.NewReader(ws.AppendHeader(nil, client)))
	_, err := r.NextFrame()
	require.ErrorIs(t, err, ws.ErrProtocolMaskUnexpected)
}

// requireBroken checks that r says want, whatever is called, and keeps its hands off
// the source.
func requireBroken(t *testing.T, r *Reader, want error) {
	t.Helper()
	r.Source = nil
	for range 3 {
		_, err := r.NextFrame()
		require.Equal(t, want, err)
		_, err = r.Read(make([]byte, 10))
		require.Equal(t, want, err)
		_, err = r.Read(nil)
		require.Equal(t, want, err)
		require.Equal(t, want, r.Discard())
		p, _, err := r.AppendMessage([]byte("abc"))
		require.Equal(t, want, err)
		require.Equal(t, "abc", string(p))
	}
}

// An unmasked frame of two bytes is refused without waiting for more.
func TestReaderRefusesAtOnce(t *testing.T) {
	src := io.MultiReader(strings.NewReader("\x81\x00"), iotest.ErrReader(errors.New("asked for more")))
	_, err := NewServerSideReader(src).NextFrame()
	require.ErrorIs(t, err, ws.ErrProtocolMaskRequired)
}

func TestReaderNonMinimalLengths(t *testing.T) {
	for _, source := range sources {
		r := NewClientSideReader(source.of(strings.NewReader("\x82\x7E\x00\x01a\x82\x7F\x00\x00\x00\x00\x00\x00\x00\x02bc")))
		r.NonMinimalLengths = true
		p, _, err := r.AppendMessage(nil)
		require.NoError(t, err, source.name)
		p, _, err = r.AppendMessage(p)
		require.NoError(t, err, source.name)
		require.Equal(t, "abc", string(p), source.name)
	}
}

// Whatever the headers say, nothing panics and the stream is followed.
func TestReaderSkipHeaderCheck(t *testing.T) {
	for _, source := range sources {
		r := NewServerSideReader(source.of(strings.NewReader("\x81\x01a" + "\xF3\x01b" + "\x09\x02cd" + "\x80\x01e" + "\x8B\x7E\x00\x7F" + strings.Repeat("f", 127))))
		r.SkipHeaderCheck = true
		var got strings.Builder
		for {
			h, err := r.NextFrame()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			fmt.Fprintf(&got, "%d ", h.OpCode)
			_, err = io.Copy(&got, r)
			require.NoError(t, err)
			got.WriteByte(' ')
		}
		require.Equal(t, "1 a 3 b 9 cd 0 e 11 "+strings.Repeat("f", 127)+" ", got.String(), source.name)
	}
}

// Every strict prefix of a stream ends with io.ErrUnexpectedEOF, except where a
// message ends: there it is io.EOF.
func TestReaderEOF(t *testing.T) {
	for _, side := range both {
		first := peerFrames(side.state, frame(ws.OpText, false, "Hello"), frame(ws.OpPing, true, "p"), frame(ws.OpContinuation, true, strings.Repeat("a", 130)))
		wire := append(bytes.Clone(first), peerFrames(side.state, frame(ws.OpPong, true, "x"))...)
		for n := range wire {
			for _, source := range sources {
				r := NewReader(source.of(bytes.NewReader(wire[:n])), side.state)
				var err error
				for err == nil {
					if _, err = r.NextFrame(); err == nil {
						_, err = io.Copy(io.Discard, r)
					}
				}
				want := io.ErrUnexpectedEOF
				if n == 0 || n == len(first) {
					want = io.EOF
				}
				require.Equal(t, want, err, "%s: %d of %d bytes, %s", side.name, n, len(wire), source.name)
				requireBroken(t, r, want)
			}
		}
	}
}

func TestReaderNoFrameAdvance(t *testing.T) {
	r := NewServerSideReader(bytes.NewReader(peerFrames(ws.StateServerSide, frame(ws.OpText, true, "a"))))
	_, err := r.Read(make([]byte, 1))
	require.Equal(t, ErrNoFrameAdvance, err)
	_, err = r.NextFrame()
	require.NoError(t, err)
	p, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "a", string(p))
	_, err = r.Read(make([]byte, 1))
	require.Equal(t, ErrNoFrameAdvance, err)
}

// io.EOF comes with the last bytes.
func TestReaderEarlyEOF(t *testing.T) {
	r := NewServerSideReader(bytes.NewReader(peerFrames(ws.StateServerSide, frame(ws.OpText, true, "abc"))))
	_, err := r.NextFrame()
	require.NoError(t, err)
	n, err := r.Read(nil)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = r.Read(make([]byte, 3))
	require.Equal(t, io.EOF, err)
	require.Equal(t, 3, n)
}

// What a caller or a callback leaves unread never becomes a header.
func TestReaderUnreadPayload(t *testing.T) {
	trap := string(peerFrames(ws.StateServerSide, frame(ws.OpText, true, "trap")))
	wire := peerFrames(ws.StateServerSide,
		frame(ws.OpPing, true, trap),
		frame(ws.OpBinary, true, trap+strings.Repeat(trap, 2000)),
		frame(ws.OpBinary, false, "a"), frame(ws.OpPing, true, trap), frame(ws.OpContinuation, false, trap), frame(ws.OpContinuation, true, "b"),
		frame(ws.OpText, true, "c"),
	)
	for _, source := range sources {
		for _, peek := range []int{0, 1, 7} {
			r := NewServerSideReader(source.of(bytes.NewReader(wire)))
			r.CheckUTF8 = true
			r.OnIntermediate = func(_ ws.Header, payload io.Reader) error {
				_, err := io.ReadFull(payload, make([]byte, peek))
				return err
			}
			var ops []ws.OpCode
			for {
				h, err := r.NextFrame()
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				ops = append(ops, h.OpCode)
				if peek > 0 && h.Length > int64(peek) && (h.OpCode != ws.OpPing || len(ops) == 1) {
					_, err = io.ReadFull(r, make([]byte, peek))
					require.NoError(t, err)
				}
			}
			require.Equal(t, []ws.OpCode{
				ws.OpPing, ws.OpBinary, ws.OpBinary, ws.OpPing, ws.OpContinuation, ws.OpContinuation, ws.OpText,
			}, ops, source.name)
		}
	}
}

func TestReaderDiscard(t *testing.T) {
	for _, side := range both {
		for _, source := range sources {
			for read := range 7 {
				pings := 0
				r := NewReader(source.of(bytes.NewReader(peerFrames(side.state,
					frame(ws.OpText, false, "Hel"), frame(ws.OpPing, true, "ping"), frame(ws.OpContinuation, true, "lo\xFF"+strings.Repeat("a", 20000)),
					frame(ws.OpPong, true, "pong"), frame(ws.OpText, true, "next")))), side.state)
				r.CheckUTF8 = true
				r.OnIntermediate = func(ws.Header, io.Reader) error { pings++; return nil }
				require.NoError(t, r.Discard(), "nothing is open")
				_, err := r.NextFrame()
				require.NoError(t, err)
				io.ReadFull(r, make([]byte, min(read, 5)))
				require.NoError(t, r.Discard())
				require.NoError(t, r.Discard())
				require.Equal(t, 1, pings)
				h, err := r.NextFrame()
				require.NoError(t, err)
				require.Equal(t, ws.OpPong, h.OpCode)
				require.NoError(t, r.Discard())
				p, op, err := r.AppendMessage(nil)
				require.NoError(t, err)
				require.Equal(t, ws.OpText, op)
				require.Equal(t, "next", string(p))
			}
		}
	}
}

// AppendMessage skips what is left of the message that is open.
func TestReaderAppendMessageSkips(t *testing.T) {
	r := NewServerSideReader(bytes.NewReader(peerFrames(ws.StateServerSide,
		frame(ws.OpText, false, "Hel"), frame(ws.OpContinuation, true, "lo"), frame(ws.OpBinary, true, "next"))))
	_, err := r.NextFrame()
	require.NoError(t, err)
	p, op, err := r.AppendMessage([]byte("the "))
	require.NoError(t, err)
	require.Equal(t, ws.OpBinary, op)
	require.Equal(t, "the next", string(p))
}

func TestReaderOnContinuation(t *testing.T) {
	var got []string
	r := NewServerSideReader(bytes.NewReader(peerFrames(ws.StateServerSide,
		frame(ws.OpText, false, "one"), frame(ws.OpContinuation, false, "two"), frame(ws.OpContinuation, true, "three"))))
	r.OnContinuation = func(h ws.Header, payload io.Reader) error {
		p := make([]byte, 2)
		_, err := io.ReadFull(payload, p)
		got = append(got, fmt.Sprintf("%v %d %s", h.Fin, h.Length, p))
		return err
	}
	_, err := r.NextFrame()
	require.NoError(t, err)
	p, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "oneoree", string(p))
	require.Equal(t, []string{"false 3 tw", "true 5 th"}, got)
}

// A callback sees the end of its frame, however it reads, and its error ends the
// Reader.
func TestReaderCallbackError(t *testing.T) {
	wire := peerFrames(ws.StateServerSide, frame(ws.OpText, false, "a"), frame(ws.OpPing, true, "ping"), frame(ws.OpContinuation, true, "b"))
	boom := errors.New("boom")

	r := NewServerSideReader(bytes.NewReader(wire))
	r.OnIntermediate = func(_ ws.Header, payload io.Reader) error {
		n, err := payload.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		p, err := io.ReadAll(payload)
		require.NoError(t, err)
		require.Equal(t, "ping", string(p))
		return boom
	}
	_, _, err := r.AppendMessage(nil)
	require.Equal(t, boom, err)
	requireBroken(t, r, boom)

	// It may as well read from the Reader.
	r.Reset(bytes.NewReader(wire), ws.StateServerSide)
	r.OnIntermediate = func(ws.Header, io.Reader) error {
		p, err := io.ReadAll(r)
		require.Equal(t, "ping", string(p))
		return err
	}
	p, _, err := r.AppendMessage(nil)
	require.NoError(t, err)
	require.Equal(t, "ab", string(p))

	// An error of the source is not lost because a callback does not pass it on.
	r.Reset(bytes.NewReader(wire[:len(wire)-9]), ws.StateServerSide)
	r.OnIntermediate = func(_ ws.Header, payload io.Reader) error {
		io.ReadAll(payload)
		_, err := payload.Read(make([]byte, 1))
		require.Equal(t, io.ErrUnexpectedEOF, err)
		return nil
	}
	_, _, err = r.AppendMessage(nil)
	require.Equal(t, io.ErrUnexpectedEOF, err)
}

// RFC 6455, section 5.8: bits are checked against the state, and extensions are asked
// about every frame.
func TestReaderExtensions(t *testing.T) {
	first := frame(ws.OpText, false, "a")
	first.Header.Rsv = ws.Rsv(true, false, true)
	frames := []ws.Frame{first, frame(ws.OpPing, true, ""), frame(ws.OpContinuation, true, "b")}
	var seen []ws.Header
	take := func(rsv byte) RecvExtension {
		return RecvExtensionFunc(func(h ws.Header) (ws.Header, error) {
			seen = append(seen, h)
			h.Rsv &^= rsv
			h.Length = 1 << 40 // is not taken
			return h, nil
		})
	}
	r := NewReader(bytes.NewReader(peerFrames(ws.StateServerSide, frames...)), ws.StateServerSide|ws.StateRSV1|ws.StateRSV3)
	r.Extensions = []RecvExtension{take(ws.Rsv(true, false, false)), take(ws.Rsv(false, false, true))}
	h, err := r.NextFrame()
	require.NoError(t, err)
	require.Zero(t, h.Rsv)
	require.EqualValues(t, 1, h.Length)
	p, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "ab", string(p))
	require.Len(t, seen, 6)
	require.Equal(t, first.Header.Rsv, seen[0].Rsv)
	require.Equal(t, ws.Rsv(false, false, true), seen[1].Rsv)

	r.Reset(bytes.NewReader(peerFrames(ws.StateServerSide, frames...)), ws.StateServerSide)
	_, err = r.NextFrame()
	require.ErrorIs(t, err, ws.ErrProtocolNonZeroRsv)

	boom := errors.New("boom")
	r.Reset(bytes.NewReader(peerFrames(ws.StateServerSide, frames...)), ws.StateServerSide|ws.StateExtended)
	r.Extensions = []RecvExtension{RecvExtensionFunc(func(h ws.Header) (ws.Header, error) { return h, boom })}
	_, err = r.NextFrame()
	require.Equal(t, boom, err)
	requireBroken(t, r, boom)
}

// After Reset nothing of before is left, wherever the Reader was.
func TestReaderReset(t *testing.T) {
	wire := peerFrames(ws.StateServerSide, frame(ws.OpText, false, "a\xC3"), frame(ws.OpPing, true, "p"), frame(ws.OpContinuation, true, "b"))
	for n := range wire {
		r := DefaultReader(bytes.NewReader(wire[:n]), ws.StateServerSide)
		r.MaxMessageSize = 1
		io.ReadAll(r)
		r.AppendMessage(nil)
		src := bytes.NewReader(nil)
		r.Reset(src, ws.StateClientSide)
		want := NewReader(src, ws.StateClientSide)
		require.Equal(t, want, r)
	}
}

// Reading a message does not read past its end.
func TestReaderTakesNoMore(t *testing.T) {
	for _, side := range both {
		for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
			wire := peerFrames(side.state, frame(ws.OpBinary, false, "first"), frame(ws.OpContinuation, true, strings.Repeat("x", n)))
			src := bytes.NewReader(append(wire, "behind"...))
			_, _, err := NewReader(src, side.state).AppendMessage(nil)
			require.NoError(t, err)
			require.Equal(t, len("behind"), src.Len(), "%s, %d bytes", side.name, n)
		}
	}
}

func TestNextReader(t *testing.T) {
	for _, side := range both {
		src := bytes.NewReader(peerFrames(side.state, frame(ws.OpText, false, "Hel"), frame(ws.OpPing, true, "p"),
			frame(ws.OpContinuation, true, "lo"), frame(ws.OpBinary, true, "x")))
		for _, want := range []string{"Hello", "x"} {
			h, r, err := NextReader(src, side.state)
			require.NoError(t, err)
			require.True(t, h.OpCode.IsData())
			p, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, want, string(p))
		}
		_, _, err := NextReader(src, side.state)
		require.Equal(t, io.EOF, err)
	}
}

// A source that always returns nothing is not read forever.
func TestReaderNoProgress(t *testing.T) {
	for _, f := range []func(r *Reader) error{
		func(r *Reader) error { _, err := io.ReadAll(r); return err },
		(*Reader).Discard,
	} {
		src := io.MultiReader(bytes.NewReader(peerFrames(ws.StateClientSide, frame(ws.OpText, true, "abc"))[:3]), &stuck{})
		r := NewClientSideReader(src)
		_, err := r.NextFrame()
		require.NoError(t, err)
		require.Equal(t, io.ErrNoProgress, f(r))
	}
}

type stuck struct{}

func (*stuck) Read([]byte) (int, error) { return 0, nil }
