package wsflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

func stdCompressor(level int) func(io.Writer) wsflate.Compressor {
	return func(w io.Writer) wsflate.Compressor {
		c, _ := flate.NewWriter(w, level)
		return c
	}
}

func stdDecompressor(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) }

// onlyReader and onlyWriter have no Reset and no Close.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ w *flate.Writer }
	// resettable has the Reset of ReadResetter.
	resettable struct{ io.Reader }
	// oneByte writes byte by byte, so that every flush splits the tail.
	oneByte struct{ w io.Writer }
)

func (r resettable) Reset(src io.Reader) { r.Reader.(flate.Resetter).Reset(src, nil) }

func (o onlyWriter) Write(p []byte) (int, error) { return o.w.Write(p) }
func (o onlyWriter) Flush() error                { return o.w.Flush() }

func (o oneByte) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := o.w.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

var decompressors = map[string]func(io.Reader) wsflate.Decompressor{
	"own":             nil,
	"std":             stdDecompressor,
	"a ReadResetter":  func(r io.Reader) wsflate.Decompressor { return resettable{flate.NewReader(r)} },
	"without a Reset": func(r io.Reader) wsflate.Decompressor { return onlyReader{flate.NewReader(r)} },
	"reads ahead":     func(r io.Reader) wsflate.Decompressor { return onlyReader{flate.NewReader(struct{ io.Reader }{r})} },
	"one byte":        func(r io.Reader) wsflate.Decompressor { return flate.NewReader(iotest.OneByteReader(r)) },
}

var compressors = map[string]func(io.Writer) wsflate.Compressor{
	"own": nil,
	"std": stdCompressor(6),
	"without a Reset": func(w io.Writer) wsflate.Compressor {
		c, _ := flate.NewWriter(w, 1)
		return onlyWriter{c}
	},
	"splits the tail": func(w io.Writer) wsflate.Compressor {
		c, _ := flate.NewWriter(oneByte{w}, 9)
		return onlyWriter{c}
	},
}

// RFC 7692, section 7.2: sizes 0 to 300 and more at all levels, through our
// Writer, Reader and Helper.
func TestTailAtAllSizes(t *testing.T) {
	text := append(bytes.Repeat(tick(3), 3), noise(300, 2)...)
	for level := -2; level <= 9; level++ {
		for name, ctor := range map[string]func(io.Writer) wsflate.Compressor{"std": stdCompressor(level), "own": nil} {
			if ctor == nil && level != 1 {
				continue
			}
			var out bytes.Buffer
			w, r := wsflate.NewWriter(nil, ctor), wsflate.NewReader(nil, nil)
			for n := range 301 {
				if testing.Short() && n%7 != 0 {
					continue
				}
				out.Reset()
				w.Reset(&out)
				_, err := w.Write(text[300-n : 300])
				require.NoError(t, err)
				require.NoError(t, w.Close())
				require.Equal(t, text[300-n:300], (&oracle{}).inflate(t, out.Bytes()), "%s, level %d, size %d", name, level, n)
				if n == 0 {
					require.Equal(t, "\x00", out.String(), "section 7.2.3.6")
				}
				r.Reset(&out)
				got, err := io.ReadAll(r)
				require.NoError(t, err)
				require.Equal(t, text[300-n:300], got)
			}
		}
	}
}

// Every Writer and every Reader, over and over, with flushes in between, in all
// pieces.
func TestStream(t *testing.T) {
	for cname, c := range compressors {
		for dname, d := range decompressors {
			t.Run(cname+" to "+dname, func(t *testing.T) {
				var wire bytes.Buffer
				w, r := wsflate.NewWriter(&wire, c), wsflate.NewReader(nil, d)
				for i, m := range messages() {
					wire.Reset()
					w.Reset(&wire)
					step := max(1, len(m)/(i+1))
					for rest := m; len(rest) > 0; {
						n := min(step, len(rest))
						k, err := w.Write(rest[:n])
						require.NoError(t, err)
						require.Equal(t, n, k)
						if rest = rest[n:]; i%2 == 0 {
							require.NoError(t, w.Flush())
						}
					}
					require.NoError(t, w.Close())
					require.NoError(t, w.Close())
					require.NoError(t, w.Err())
					payload := bytes.Clone(wire.Bytes())
					require.True(t, bytes.Equal(m, (&oracle{}).inflate(t, payload)))
					if i%3 == 0 {
						r.Reset(iotest.OneByteReader(&wire))
					} else {
						r.Reset(iotest.DataErrReader(&wire))
					}
					got, err := io.ReadAll(r)
					require.NoError(t, err, "message %d", i)
					require.True(t, bytes.Equal(m, got), "message %d", i)
					n, err := r.Read(make([]byte, 1))
					require.Zero(t, n)
					require.Equal(t, io.EOF, err)
					require.NoError(t, r.Err())
				}
				require.NoError(t, r.Close())
			})
		}
	}
}

// RFC 7692, sections 7.2.3.4 and 7.2.3.5: the peer may set BFINAL and continue.
func TestFinalBlocks(t *testing.T) {
	var one bytes.Buffer
	fw, _ := flate.NewWriter(&one, 6)
	fw.Write(tick(1))
	fw.Close() // an empty last block; the rest of it is the tail
	closed := bytes.TrimSuffix(one.Bytes(), []byte(tail))
	hello := "\xf3\x48\xcd\xc9\xc9\x07\x00"                       // BFINAL set: section 7.2.3.4
	stored := "\x00\x05\x00\xfa\xffHello\x00"                     // section 7.2.3.3
	two := "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00" // section 7.2.3.5
	for name, tt := range map[string]struct{ payload, want string }{
		"section 7.2.3.1":                 {"\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		"section 7.2.3.3":                 {stored, "Hello"},
		"section 7.2.3.4":                 {hello + "\x00", "Hello"},
		"section 7.2.3.5":                 {two, "Hello"},
		"nothing but the last block":      {string(closed), string(tick(1))},
		"a message of two streams":        {hello + hello + "\x00", "HelloHello"},
		"a stream and a block behind it":  {hello + stored, "HelloHello"},
		"of no bytes, where a 0 is to be": {"", ""},
	} {
		for dname, d := range decompressors {
			if dname == "reads ahead" && name != "nothing but the last block" {
				continue // it has swallowed what follows
			}
			r := wsflate.NewReader(bytes.NewReader([]byte(tt.payload)), d)
			got, err := io.ReadAll(r)
			require.NoError(t, err, "%s: %s", name, dname)
			require.Equal(t, tt.want, string(got), "%s: %s", name, dname)
		}
	}
}

// The limit counts inflated bytes: exactly reached it passes, one over fails.
func TestReaderLimit(t *testing.T) {
	m := bytes.Repeat(tick(1), 40)
	payload := newStdSender(false, 6).deflate(t, m)
	for dname, d := range decompressors {
		for _, buf := range []int{1, 7, 512, len(m), len(m) + 1, 2 * len(m)} {
			for over := range int64(2) {
				r := wsflate.NewReader(nil, d)
				r.SetLimit(int64(len(m)) - over)
				for range 2 { // it outlives Reset, and the error does not
					r.Reset(bytes.NewReader(payload))
					var got []byte
					var err error
					for p := make([]byte, buf); err == nil; {
						var n int
						n, err = r.Read(p)
						got = append(got, p[:n]...)
					}
					require.Equal(t, m[:len(m)-int(over)], got, "%s %d", dname, buf)
					if over == 0 {
						require.Equal(t, io.EOF, err)
						continue
					}
					require.ErrorIs(t, err, wsflate.ErrTooLarge)
					require.Equal(t, ws.StatusMessageTooBig, wsutil.CloseCode(err))
					require.ErrorIs(t, r.Err(), wsflate.ErrTooLarge)
					n, err := r.Read(make([]byte, 10))
					require.Zero(t, n)
					require.ErrorIs(t, err, wsflate.ErrTooLarge)
				}
			}
		}
	}
	zeros := bytes.Repeat([]byte{0}, wsflate.DefaultMaxMessage)
	for over := range 2 {
		r := wsflate.NewReader(bytes.NewReader(newStdSender(false, 1).deflate(t, append(zeros, make([]byte, over)...))), nil)
		_, err := io.Copy(io.Discard, r)
		require.Equal(t, over == 1, errors.Is(err, wsflate.ErrTooLarge), "the default")
	}
}

// Faults of the peer carry a code, and those of the source come as they are; a
// Reset forgets both.
func TestReaderErrors(t *testing.T) {
	boom := errors.New("boom")
	payload := newStdSender(false, 6).deflate(t, bytes.Repeat(tick(1), 3))
	for dname, d := range decompressors {
		r := wsflate.NewReader(nil, d)
		_, err := r.Read(make([]byte, 1))
		require.Error(t, err, "no source")
		for _, bad := range []string{"\x07", "\x00\x01\x00\x00\x00a", "\x02\x42\x00", string(payload[:len(payload)/2])} {
			r.Reset(bytes.NewReader([]byte(bad)))
			_, err := io.ReadAll(r)
			require.ErrorIs(t, err, wsflate.ErrCorrupt, "%s: %x", dname, bad)
			require.Equal(t, ws.StatusInvalidFramePayloadData, wsutil.CloseCode(err))
			require.Equal(t, err, r.Err())
			_, again := r.Read(make([]byte, 1))
			require.Equal(t, err, again)
		}
		for _, cause := range []error{boom, io.ErrUnexpectedEOF} {
			r.Reset(io.MultiReader(bytes.NewReader(payload[:9]), iotest.ErrReader(cause)))
			_, err = io.ReadAll(r)
			require.ErrorIs(t, err, cause, dname)
			require.NotErrorIs(t, err, wsflate.ErrCorrupt)
		}
		r.Reset(bytes.NewReader(payload))
		got, err := io.ReadAll(r)
		require.NoError(t, err, "as new")
		require.Equal(t, bytes.Repeat(tick(1), 3), got)
		for range 2 {
			require.NoError(t, r.Close())
			require.NoError(t, r.Err())
			_, err = r.Read(make([]byte, 1))
			require.Error(t, err, "closed")
		}
	}
}

type failingWriter struct{ after int }

func (f *failingWriter) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

type badCompressor struct{ w io.Writer }

func (b badCompressor) Write(p []byte) (int, error) { return b.w.Write(p) }
func (b badCompressor) Flush() error                { return nil }

func TestWriterErrors(t *testing.T) {
	for name, c := range compressors {
		for after := range 3 {
			w := wsflate.NewWriter(&failingWriter{after}, c)
			_, err := w.Write(noise(100000, 1))
			if err == nil {
				err = w.Close()
			}
			require.ErrorIs(t, err, io.ErrClosedPipe, name)
			require.ErrorIs(t, w.Err(), io.ErrClosedPipe)
			_, err = w.Write([]byte("a"))
			require.ErrorIs(t, err, io.ErrClosedPipe, "it stays")
			require.ErrorIs(t, w.Close(), io.ErrClosedPipe)
			var out bytes.Buffer
			w.Reset(&out)
			require.NoError(t, w.Err())
			w.Write(tick(1))
			require.NoError(t, w.Close())
			require.Equal(t, tick(1), (&oracle{}).inflate(t, out.Bytes()))
			_, err = w.Write([]byte("a"))
			require.Error(t, err, "closed")
			require.Error(t, w.Flush())
			require.NoError(t, w.Err())
		}
		w := wsflate.NewWriter(nil, c)
		_, err := w.Write([]byte("a"))
		require.Error(t, err, "no destination")
	}
	w := wsflate.NewWriter(io.Discard, func(w io.Writer) wsflate.Compressor { return badCompressor{w} })
	w.Write([]byte("no DEFLATE"))
	require.ErrorContains(t, w.Flush(), "empty block")
}

type closer struct {
	*flate.Writer
	err error
}

func (c closer) Close() error { return errors.Join(c.Writer.Close(), c.err) }

// A Compressor is closed with the Writer, and a Decompressor with the Reader;
// the output of Close of a Compressor is not part of the message.
func TestCloseOfOthers(t *testing.T) {
	boom := errors.New("boom")
	var out bytes.Buffer
	w := wsflate.NewWriter(&out, func(w io.Writer) wsflate.Compressor {
		c, _ := flate.NewWriter(w, 1)
		return closer{c, boom}
	})
	w.Write(tick(1))
	require.ErrorIs(t, w.Close(), boom)
	require.ErrorIs(t, w.Err(), boom)
	require.Equal(t, newStdSender(false, 1).deflate(t, tick(1)), out.Bytes())

	r := wsflate.NewReader(&out, func(r io.Reader) wsflate.Decompressor {
		return struct {
			io.Reader
			io.Closer
		}{flate.NewReader(r), closer{newStdSender(false, 1).w, boom}}
	})
	r.Read(make([]byte, 1))
	require.ErrorIs(t, r.Close(), boom)
	require.ErrorIs(t, r.Close(), boom, "it stays")
	require.ErrorIs(t, r.Err(), boom)
}

// Flush ends the message for a program that does not call Close.
func TestWriterFlushIsEnough(t *testing.T) {
	for name, c := range compressors {
		for _, m := range [][]byte{nil, tick(1)} {
			var out bytes.Buffer
			w := wsflate.NewWriter(&out, c)
			w.Write(m)
			require.NoError(t, w.Flush())
			n := out.Len()
			require.NoError(t, w.Flush())
			require.Equal(t, n, out.Len(), "%s: nothing to flush", name)
			require.Equal(t, string(m), string((&oracle{}).inflate(t, out.Bytes())))
		}
	}
}

// A Receiver's Reader and a Sender's Writer keep the window from message to
// message.
func TestStreamTakeover(t *testing.T) {
	eachAgreement(t, func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int) {
		s, r := wsflate.NewSender(p, side, nil), wsflate.NewReceiver(p, other(side))
		peer := oracle{window: 1 << bits, takeover: takeover}
		var wire bytes.Buffer
		w, rd := s.Writer(&wire), r.Reader(nil)
		for i, m := range messages() {
			wire.Reset()
			if i%4 == 3 { // a whole one between them
				out, ok := s.AppendMessage(nil, m)
				if !ok {
					continue
				}
				wire.Write(out)
			} else {
				w.Reset(&wire)
				w.Write(m[:len(m)/2])
				require.NoError(t, w.Flush())
				w.Write(m[len(m)/2:])
				require.NoError(t, w.Close())
			}
			require.True(t, bytes.Equal(m, peer.inflate(t, wire.Bytes())), "message %d", i)
			rd.Reset(&wire)
			got, err := io.ReadAll(rd)
			require.NoError(t, err, "message %d", i)
			require.True(t, bytes.Equal(m, got))
		}
		// A message that was not read to its end.
		wire.Reset()
		w.Reset(&wire)
		w.Write(bytes.Repeat(tick(1), 50))
		require.NoError(t, w.Close())
		payload := bytes.Clone(wire.Bytes())
		rd.Reset(bytes.NewReader(payload))
		rd.Read(make([]byte, 5))
		rd.Reset(bytes.NewReader(payload))
		_, err := io.ReadAll(rd)
		require.Equal(t, takeover, err != nil)
	})
}

// A Writer that fails leaves no open message behind: the next one, without
// takeover, refers to nothing.
func TestWriterFailureEndsTheMessage(t *testing.T) {
	m := bytes.Repeat(tick(1), 20)
	for after := range 3 {
		s := wsflate.NewSender(wsflate.DefaultParameters, ws.StateServerSide, nil)
		w := s.Writer(&failingWriter{after})
		w.Write(m)
		w.Flush()
		w.Write(m)
		require.ErrorIs(t, w.Close(), io.ErrClosedPipe)
		require.Zero(t, s.Size())
		out, ok := s.AppendMessage(nil, m)
		require.True(t, ok)
		require.Equal(t, m, (&oracle{}).inflate(t, out))
	}
}

// The caller owns the variable. Changing it does not affect others.
func TestDefaultParametersAreNotRead(t *testing.T) {
	defer func(p wsflate.Parameters) { wsflate.DefaultParameters = p }(wsflate.DefaultParameters)
	wsflate.DefaultParameters = wsflate.Parameters{ServerMaxWindowBits: 8, ClientMaxWindowBits: 8}
	w, r := wsflate.NewWriter(nil, nil), wsflate.NewReader(nil, nil)
	message := bytes.Repeat(append(noise(300, 1), noise(300, 2)...), 3) // far matches
	var want []byte
	for range 3 {
		var b bytes.Buffer
		w.Reset(&b)
		w.Write(message)
		require.NoError(t, w.Close())
		if want == nil {
			want = bytes.Clone(b.Bytes())
			require.Less(t, len(want), 2*len(message)/3, "the largest window")
		}
		require.Equal(t, want, b.Bytes(), "each message stands alone")
		r.Reset(&b)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, message, got)
	}
}
