package wsutil

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// counted is a destination that keeps each Write apart.
type counted struct{ writes [][]byte }

func (c *counted) Write(p []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

// frames returns what was written as frames, and checks that each was one Write, and
// masked if s is a client.
func (c *counted) frames(t *testing.T, s ws.State) (frames []ws.Frame) {
	t.Helper()
	for _, p := range c.writes {
		f, err := ws.ReadFrame(bytes.NewReader(p))
		require.NoError(t, err)
		require.Len(t, p, ws.HeaderSize(f.Header)+len(f.Payload), "one Write is one frame")
		require.Equal(t, s.ClientSide(), f.Header.Masked)
		frames = append(frames, ws.UnmaskFrameInPlace(f))
	}
	return frames
}

// Payloads and buffers around the lengths where the header grows: one Flush is one
// frame and one Write of it.
func TestWriterSizes(t *testing.T) {
	sizes := []int{0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 65537}
	for _, side := range both {
		for _, size := range sizes {
			for _, buffer := range []int{0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 65537} {
				payload := []byte(strings.Repeat("x", size))
				var dest counted
				w := NewWriterSize(&dest, side.state, ws.OpText, buffer)
				if buffer > 0 {
					require.GreaterOrEqual(t, w.Size(), buffer)
				}
				w.DisableFlush()
				n, err := w.Write(payload)
				require.NoError(t, err)
				require.Equal(t, size, n)
				require.Equal(t, size, w.Buffered())
				require.NoError(t, w.Flush())
				require.Equal(t, []ws.Frame{frame(ws.OpText, true, string(payload))}, dest.frames(t, side.state))
				require.Equal(t, strings.Repeat("x", size), string(payload), "the caller's bytes")

				// The same size of Writer, and payload in pieces.
				dest = counted{}
				w.Reset(&dest, side.state, ws.OpBinary)
				for p := payload; len(p) > 0; p = p[min(len(p), 1000):] {
					_, err = w.Write(p[:min(len(p), 1000)])
					require.NoError(t, err)
				}
				require.NoError(t, w.Flush())
				var got []byte
				for i, f := range dest.frames(t, side.state) {
					require.Equal(t, i == len(dest.writes)-1, f.Header.Fin)
					got = append(got, f.Payload...)
				}
				require.Equal(t, string(payload), string(got))
			}
		}
	}
}

// A payload that fills the buffer to its last byte is one frame.
func TestWriterFullBuffer(t *testing.T) {
	for _, side := range both {
		for n := 7; n < 300; n++ {
			var dest counted
			w := NewWriterBufferSize(&dest, side.state, ws.OpText, n)
			require.Equal(t, w.Size(), w.Available())
			for range w.Size() {
				_, err := w.Write([]byte("x"))
				require.NoError(t, err)
			}
			require.Zero(t, w.Available())
			require.Empty(t, dest.writes)
			require.NoError(t, w.Flush())
			require.Len(t, dest.frames(t, side.state), 1)
		}
	}
}

// RFC 6455, section 5.4: what goes out when.
func TestWriterFragments(t *testing.T) {
	type step func(w *Writer) error
	write := func(s string) step { return func(w *Writer) error { _, err := w.Write([]byte(s)); return err } }
	through := func(s string) step {
		return func(w *Writer) error { _, err := w.WriteThrough([]byte(s)); return err }
	}
	readFrom := func(s string) step {
		return func(w *Writer) error {
			_, err := w.ReadFrom(iotest.OneByteReader(strings.NewReader(s)))
			return err
		}
	}
	noFlush := func(w *Writer) error { w.DisableFlush(); return nil }
	flush, fragment := (*Writer).Flush, (*Writer).FlushFragment
	text := func(fin bool, s string) ws.Frame { return frame(ws.OpText, fin, s) }
	more := func(fin bool, s string) ws.Frame { return frame(ws.OpContinuation, fin, s) }

	for _, tt := range []struct {
		name  string
		steps []step
		want  []ws.Frame
	}{
		{"nothing", []step{flush, fragment, flush}, nil},
		{"empty message", []step{write(""), flush, flush}, []ws.Frame{text(true, "")}},
		{"one frame", []step{write("ab"), write("cd"), flush}, []ws.Frame{text(true, "abcd")}},
		{"exactly full", []step{write("0123456789"), flush}, []ws.Frame{text(true, "0123456789")}},
		{"one more", []step{write("0123456789"), write("a"), flush}, []ws.Frame{text(false, "0123456789"), more(true, "a")}},
		{"over the edge", []step{write("01234"), write("56789abc"), flush}, []ws.Frame{text(false, "0123456789"), more(true, "abc")}},
		{"large write into an empty buffer", []step{write("0123456789abc"), flush}, []ws.Frame{text(false, "0123456789abc"), more(true, "")}},
		{"large write behind a small one", []step{write("a"), write("0123456789abcdefghijk"), flush}, []ws.Frame{text(false, "a012345678"), more(false, "9abcdefghijk"), more(true, "")}},
		{"fragments by hand", []step{write("a"), fragment, fragment, write("b"), fragment, flush}, []ws.Frame{text(false, "a"), more(false, "b"), more(true, "")}},
		{"two messages", []step{write("a"), fragment, write("b"), flush, write("c"), flush}, []ws.Frame{text(false, "a"), more(true, "b"), text(true, "c")}},
		{"write through", []step{through("0123456789abc"), through(""), through("d"), write("e"), flush}, []ws.Frame{text(false, "0123456789abc"), more(false, ""), more(false, "d"), more(true, "e")}},
		{"only written through", []step{through("a"), flush, flush}, []ws.Frame{text(false, "a"), more(true, "")}},
		{"read from", []step{readFrom("0123456789ab"), flush}, []ws.Frame{text(false, "0123456789"), more(true, "ab")}},
		{"read from, behind a write", []step{write("a"), readFrom("bc"), write("d"), flush}, []ws.Frame{text(true, "abcd")}},
		{"read nothing", []step{readFrom(""), flush}, []ws.Frame{text(true, "")}},
		{"no flush", []step{noFlush, write("01234"), write("56789abc"), readFrom("defghijklmnopqrstuvwxyz"), flush}, []ws.Frame{text(true, "0123456789abcdefghijklmnopqrstuvwxyz")}},
		{"no flush, large write", []step{noFlush, write("0123456789abc"), flush, write("d"), flush}, []ws.Frame{text(true, "0123456789abc"), text(true, "d")}},
	} {
		for _, side := range both {
			t.Run(side.name+"/"+tt.name, func(t *testing.T) {
				var dest counted
				w := NewWriterSize(&dest, side.state, ws.OpText, 10)
				for _, step := range tt.steps {
					require.NoError(t, step(w))
				}
				require.Equal(t, tt.want, dest.frames(t, side.state))
				require.Zero(t, w.Buffered())
			})
		}
	}
}

func TestWriterNotEmpty(t *testing.T) {
	var dest counted
	w := NewWriter(&dest, ws.StateServerSide, ws.OpText)
	w.Write([]byte("a"))
	_, err := w.WriteThrough([]byte("b"))
	require.Equal(t, ErrNotEmpty, err)
	require.NoError(t, w.FlushFragment())
	_, err = w.WriteThrough([]byte("b"))
	require.NoError(t, err)
}

// A client's large payloads go out masked, in order, and the caller's bytes stay.
func TestWriterThroughLarge(t *testing.T) {
	for _, side := range both {
		for _, n := range []int{maxMasked - 14, maxMasked - 13, 3*maxMasked + 5} {
			payload := make([]byte, n)
			for i := range payload {
				payload[i] = byte(i * 7)
			}
			want := bytes.Clone(payload)
			var out bytes.Buffer
			w := NewWriter(&out, side.state, ws.OpBinary)
			_, err := w.Write(payload)
			require.NoError(t, err)
			require.NoError(t, w.Flush())
			require.True(t, bytes.Equal(want, payload))
			frames := frameList(t, out.Bytes())
			require.Len(t, frames, 2)
			require.True(t, bytes.Equal(want, frames[0].Payload))
		}
	}
}

func TestWriterGrow(t *testing.T) {
	for _, side := range both {
		for _, size := range []int{1, 100, 125, 126, 1000, 65535, 65536} {
			for _, grow := range []int{-1, 0, 1, 118, 125, 126, 127, 65000, 65535, 65536, 70000} {
				var dest counted
				w := NewWriterSize(&dest, side.state, ws.OpText, size)
				w.Write([]byte("a"))
				w.Grow(grow)
				require.GreaterOrEqual(t, w.Available(), grow)
				require.Equal(t, 1, w.Buffered())
				_, err := w.Write([]byte(strings.Repeat("b", max(grow, 0))))
				require.NoError(t, err)
				require.NoError(t, w.Flush())
				frames := dest.frames(t, side.state)
				require.Len(t, frames, 1)
				require.Equal(t, "a"+strings.Repeat("b", max(grow, 0)), string(frames[0].Payload))
			}
		}
	}
}

// RSV bits are asked for with every frame, and nothing else is taken.
func TestWriterExtensions(t *testing.T) {
	onFirst := SendExtensionFunc(func(h ws.Header) (ws.Header, error) {
		if h.OpCode != ws.OpContinuation {
			h.Rsv |= ws.Rsv(true, false, false)
		}
		h.Length, h.Fin = 1<<40, !h.Fin
		return h, nil
	})
	always := SendExtensionFunc(func(h ws.Header) (ws.Header, error) {
		h.Rsv |= ws.Rsv(false, false, true)
		return h, nil
	})
	for _, side := range both {
		var dest counted
		w := NewWriterSize(&dest, side.state, ws.OpText, 4)
		w.SetExtensions(onFirst, always)
		w.WriteThrough([]byte("abc"))
		w.Write([]byte("def"))
		require.NoError(t, w.Flush())
		w.ResetOp(ws.OpBinary)
		w.Write([]byte("g"))
		require.NoError(t, w.Flush())
		var got []string
		for _, f := range dest.frames(t, side.state) {
			got = append(got, fmt.Sprint(f.Header.OpCode, f.Header.Rsv, f.Header.Fin, f.Header.Length))
		}
		require.Equal(t, []string{"text 5 false 3", "continuation 1 true 3", "binary 5 true 1"}, got)
	}
}

// An error stays, whatever is called, until a Reset: then the Writer is as new.
func TestWriterError(t *testing.T) {
	boom := errors.New("boom")
	refuse := SendExtensionFunc(func(h ws.Header) (ws.Header, error) { return h, boom })
	for _, side := range both {
		for name, fail := range map[string]func(w *Writer){
			"flush":         func(w *Writer) { w.Write([]byte("a")); w.Flush() },
			"fragment":      func(w *Writer) { w.Write([]byte("a")); w.FlushFragment() },
			"large write":   func(w *Writer) { w.Write(make([]byte, 100)) },
			"second write":  func(w *Writer) { w.Write([]byte("a")); w.Write(make([]byte, 100)) },
			"write through": func(w *Writer) { w.WriteThrough([]byte("a")) },
			"read from":     func(w *Writer) { w.ReadFrom(strings.NewReader("0123456789a")) },
			"extension":     func(w *Writer) { w.SetExtensions(refuse); w.Write([]byte("a")); w.Flush() },
			"extension, write through": func(w *Writer) {
				w.SetExtensions(refuse)
				w.WriteThrough([]byte("a"))
			},
		} {
			t.Run(side.name+"/"+name, func(t *testing.T) {
				w := NewWriterSize(&failing{err: boom}, side.state, ws.OpText, 10)
				fail(w)
				for range 2 {
					for _, p := range [][]byte{nil, []byte("a"), make([]byte, 100)} {
						n, err := w.Write(p)
						require.Equal(t, boom, err)
						require.Zero(t, n)
						_, err = w.WriteThrough(p)
						require.Equal(t, boom, err)
						n64, err := w.ReadFrom(bytes.NewReader(p))
						require.Equal(t, boom, err)
						require.Zero(t, n64)
					}
					require.Equal(t, boom, w.FlushFragment())
					require.Equal(t, boom, w.Flush())
				}
				want := NewWriterSize(nil, side.state, ws.OpText, 10)
				w.Reset(nil, side.state, ws.OpText)
				w.raw, want.raw = nil, nil
				require.Equal(t, want, w)
			})
		}
	}
}

// The error of a source is not the Writer's, and what was read before it counts.
func TestWriterReadFromError(t *testing.T) {
	boom := errors.New("boom")
	var dest counted
	w := NewWriter(&dest, ws.StateServerSide, ws.OpText)
	n, err := w.ReadFrom(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(boom)))
	require.Equal(t, boom, err)
	require.EqualValues(t, 3, n)
	n, err = w.ReadFrom(&stuck{})
	require.Equal(t, io.ErrNoProgress, err)
	require.Zero(t, n)
	require.NoError(t, w.Flush())
	require.Equal(t, []ws.Frame{frame(ws.OpText, true, "abc")}, dest.frames(t, ws.StateServerSide))
}

func TestWriterResetOp(t *testing.T) {
	boom := errors.New("boom")
	var asked int
	count := SendExtensionFunc(func(h ws.Header) (ws.Header, error) { asked++; return h, nil })
	dest := &failing{err: boom}
	w := NewWriterSize(dest, ws.StateServerSide, ws.OpText, 4)
	w.SetExtensions(count)
	w.DisableFlush()
	w.Write([]byte("a"))
	require.Equal(t, boom, w.Flush())
	w.Write([]byte("lost"))

	dest.n = 1
	w.ResetOp(ws.OpBinary)
	require.NoError(t, w.Flush(), "nothing was written")
	_, err := w.Write([]byte("more than four bytes"))
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	require.Zero(t, dest.n, "one Write")
	require.Equal(t, 2, asked)
}

// RFC 6455, section 5.5: no control frame is fragmented or too long.
func TestWriterControl(t *testing.T) {
	for _, f := range []func(w *Writer) error{
		func(w *Writer) error { w.Write([]byte("a")); return w.FlushFragment() },
		func(w *Writer) error { _, err := w.WriteThrough([]byte("a")); return err },
		func(w *Writer) error { w.Write(make([]byte, 126)); return w.Flush() },
		func(w *Writer) error { w.DisableFlush(); w.Write(make([]byte, 5000)); return w.Flush() },
	} {
		var dest counted
		w := NewWriter(&dest, ws.StateClientSide, ws.OpPing)
		require.Equal(t, ErrControlOverflow, f(w))
		require.Empty(t, dest.writes)
	}
}

func TestWriterBuffer(t *testing.T) {
	for _, side := range both {
		least := ws.HeaderSize(ws.Header{Masked: side.state.ClientSide()}) + 1
		for n := range least {
			require.Panics(t, func() { NewWriterBuffer(io.Discard, side.state, ws.OpText, make([]byte, n)) })
			require.Equal(t, NewWriter(io.Discard, side.state, ws.OpText).Size(), NewWriterBufferSize(io.Discard, side.state, ws.OpText, n).Size())
		}
		require.Equal(t, 1, NewWriterBuffer(io.Discard, side.state, ws.OpText, make([]byte, least)).Size())
	}
	require.Equal(t, DefaultWriteBuffer-4, NewWriter(io.Discard, ws.StateServerSide, ws.OpText).Size())
}

// A pooled Writer is as new, and one that was given back is dead.
func TestWriterPool(t *testing.T) {
	boom := errors.New("boom")
	for _, n := range []int{-1, 0, 1, 128, 129, 4096, 65535, 65536, 65537, 1 << 20} {
		w := GetWriter(&failing{err: boom}, ws.StateClientSide, ws.OpText, n)
		require.GreaterOrEqual(t, len(w.raw), n)
		w.DisableFlush()
		w.SetExtensions(SendExtensionFunc(func(h ws.Header) (ws.Header, error) { return h, boom }))
		w.Write(make([]byte, n/2+100))
		require.Equal(t, boom, w.Flush())
		PutWriter(w)
		PutWriter(w)

		for range 3 {
			var dest counted
			v := GetWriter(&dest, ws.StateServerSide, ws.OpBinary, n)
			require.GreaterOrEqual(t, len(v.raw), n)
			_, err := v.Write([]byte("a"))
			require.NoError(t, err)
			require.NoError(t, v.Flush())
			require.Equal(t, []ws.Frame{frame(ws.OpBinary, true, "a")}, dest.frames(t, ws.StateServerSide))
			PutWriter(v)
			_, err = v.Write([]byte("a"))
			require.ErrorContains(t, err, "PutWriter")
			require.Error(t, v.Flush())
		}
	}
}

// The pool never lends a buffer that someone else provided.
func TestWriterPoolBorrowed(t *testing.T) {
	buf := make([]byte, 128)
	for range 10 {
		PutWriter(NewWriterBuffer(io.Discard, ws.StateServerSide, ws.OpText, buf))
		w := GetWriter(io.Discard, ws.StateServerSide, ws.OpText, 128)
		require.NotSame(t, &buf[0], &w.raw[0])
	}
	w := NewWriterBuffer(io.Discard, ws.StateServerSide, ws.OpText, buf)
	w.Reset(io.Discard, ws.StateServerSide, ws.OpText)
	require.True(t, w.borrowed)
	w.Grow(1000)
	require.False(t, w.borrowed)
}

// No size is taken for another one: what cannot be had panics.
func TestWriterImpossibleSizes(t *testing.T) {
	for _, side := range both {
		for _, n := range []int{math.MaxInt, math.MaxInt - 5, math.MaxInt/2 + 5} {
			if bits.UintSize == 64 { // with less, there may be that much memory
				require.Panics(t, func() { NewWriterSize(nil, side.state, ws.OpText, n) }, n)
				require.Panics(t, func() { NewWriterBufferSize(nil, side.state, ws.OpText, n) }, n)
				require.Panics(t, func() { GetWriter(nil, side.state, ws.OpText, n) }, n)
			}
			for _, had := range []string{"", "x"} {
				w := NewWriter(nil, side.state, ws.OpText)
				io.WriteString(w, had)
				require.PanicsWithValue(t, "wsutil: Writer buffer would be too large", func() { w.Grow(n) }, n)
				require.Equal(t, len(had), w.Buffered(), "as it was")
			}
		}
		for _, n := range []int{0, -1, math.MinInt} {
			w := NewWriterSize(nil, side.state, ws.OpText, n)
			require.Equal(t, NewWriter(nil, side.state, ws.OpText).Size(), w.Size())
			w.Grow(n)
			require.Equal(t, NewWriter(nil, side.state, ws.OpText).Size(), w.Size())
		}
	}
}
