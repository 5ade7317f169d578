package ws

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestFrameExamples_RFC6455_5_7(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    Frame
		wire []byte
	}{
		{"single-frame unmasked text", NewTextFrame([]byte("Hello")), []byte{0x81, 0x05, 'H', 'e', 'l', 'l', 'o'}},
		{"single-frame masked text", MaskFrameWith(NewTextFrame([]byte("Hello")), [4]byte{0x37, 0xfa, 0x21, 0x3d}),
			[]byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}},
		{"first fragment", NewFrame(OpText, false, []byte("Hel")), []byte{0x01, 0x03, 'H', 'e', 'l'}},
		{"last fragment", NewFrame(OpContinuation, true, []byte("lo")), []byte{0x80, 0x02, 'l', 'o'}},
		{"unmasked ping", NewPingFrame([]byte("Hello")), []byte{0x89, 0x05, 'H', 'e', 'l', 'l', 'o'}},
		{"masked pong", MaskFrameInPlaceWith(NewPongFrame([]byte("Hello")), [4]byte{0x37, 0xfa, 0x21, 0x3d}),
			[]byte{0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}},
		{"256 bytes binary", NewBinaryFrame(make([]byte, 256)), append([]byte{0x82, 0x7e, 0x01, 0x00}, make([]byte, 256)...)},
		{"64 KiB binary", NewBinaryFrame(make([]byte, 65536)), append([]byte{0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0}, make([]byte, 65536)...)},
		{"empty close", NewCloseFrame(nil), []byte{0x88, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.wire, AppendFrame(nil, tt.f))
			compiled, err := CompileFrame(tt.f)
			require.NoError(t, err)
			require.Equal(t, tt.wire, compiled)
			for name, r := range readers(tt.wire) {
				f, err := ReadFrame(r)
				require.NoError(t, err, name)
				require.Equal(t, tt.f.Header, f.Header, name)
				require.Equal(t, string(tt.f.Payload), string(f.Payload), name)
			}
		})
	}
}

func TestFramePrefixIsShort(t *testing.T) {
	wire := AppendFrame(nil, MaskFrame(NewTextFrame(bytes.Repeat([]byte("x"), 300))))
	for n := range wire {
		_, err := ReadFrame(bytes.NewReader(wire[:n]))
		if n == 0 {
			require.Equal(t, io.EOF, err)
		} else {
			require.Equal(t, io.ErrUnexpectedEOF, err, "%d bytes", n)
		}
	}
}

// Memory grows with the bytes that arrive, not with the declared length.
func TestReadFrameDoesNotTrustTheLength(t *testing.T) {
	for _, declared := range []int64{16 << 20, 1<<31 - 1} {
		for _, arrived := range []int{0, 1, 4096, 100_000} {
			wire := append(AppendHeader(nil, Header{Fin: true, OpCode: OpBinary, Length: declared}), make([]byte, arrived)...)
			r := &largestRead{r: bytes.NewReader(wire)}
			_, err := ReadFrame(r)
			require.Equal(t, io.ErrUnexpectedEOF, err)
			require.LessOrEqual(t, r.largest, max(readStep, 2*arrived), "declared %d, arrived %d", declared, arrived)
		}
	}
	// Buffered bytes are read at once.
	br := bufio.NewReaderSize(bytes.NewReader(AppendFrame(nil, NewBinaryFrame(make([]byte, 60_000)))), 64<<10)
	_, err := br.Peek(1)
	require.NoError(t, err)
	allocs := testing.AllocsPerRun(1, func() {
		br.Reset(bytes.NewReader(AppendFrame(nil, NewBinaryFrame(make([]byte, 60_000)))))
		br.Peek(1)
	})
	require.LessOrEqual(t, testing.AllocsPerRun(1, func() {
		br.Reset(bytes.NewReader(AppendFrame(nil, NewBinaryFrame(make([]byte, 60_000)))))
		br.Peek(1)
		_, err = ReadFrame(br)
	}), allocs+1, "one allocation for the payload")
	require.NoError(t, err)
}

// largestRead records the largest slice passed to Read.
type largestRead struct {
	r       io.Reader
	largest int
}

func (r *largestRead) Read(p []byte) (int, error) {
	r.largest = max(r.largest, len(p))
	return r.r.Read(p)
}

func TestReadFrameSizes(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, readStep - 1, readStep, readStep + 1, 3*readStep + 7, 65535, 65536, 1 << 20} {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(i * 7)
		}
		wire := append(AppendFrame(nil, NewBinaryFrame(payload)), "behind"...)
		r := bytes.NewReader(wire)
		f, err := ReadFrame(iotest.HalfReader(r))
		require.NoError(t, err)
		require.True(t, bytes.Equal(payload, f.Payload), "%d bytes", n)
		require.Equal(t, 6, r.Len())
	}
}

func TestMaskingCopiesOrChanges(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	plain := []byte("Hello")
	f := NewTextFrame(plain)

	masked := MaskFrame(f)
	require.Equal(t, "Hello", string(plain), "MaskFrame copies")
	require.True(t, masked.Header.Masked)
	require.Equal(t, "Hello", string(UnmaskFrame(masked).Payload))
	require.NotEqual(t, "Hello", string(masked.Payload), "UnmaskFrame copies")
	require.Equal(t, f, UnmaskFrame(masked), "header and payload as before")

	again := MaskFrameWith(masked, key)
	require.Equal(t, key, again.Header.Mask)
	require.Equal(t, "Hello", string(UnmaskFrame(again).Payload), "a masked frame gets the new key in place of the old")

	inPlace := MaskFrameInPlaceWith(f, key)
	require.NotEqual(t, "Hello", string(plain), "MaskFrameInPlace changes")
	require.Same(t, &plain[0], &inPlace.Payload[0])
	require.Equal(t, "Hello", string(UnmaskFrameInPlace(inPlace).Payload))
	require.Equal(t, "Hello", string(plain))
	require.Equal(t, "Hello", string(UnmaskFrameInPlace(f).Payload), "not masked: as it was")

	inPlace = MaskFrameInPlace(f)
	require.True(t, inPlace.Header.Masked)
	require.Equal(t, "Hello", string(UnmaskFrame(inPlace).Payload))
}

// countingWriter counts the calls of Write, and fails at the nth.
type countingWriter struct {
	bytes.Buffer
	writes, failAt int
}

var errWrite = errors.New("write failed")

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	if w.writes == w.failAt {
		return 0, errWrite
	}
	return w.Buffer.Write(p)
}

func TestWriteFrameIsOneWrite(t *testing.T) {
	for _, tt := range []struct{ size, writes int }{{0, 1}, {1, 1}, {125, 1}, {126, 1}, {65535, 1}, {65536, 1}, {65537, 2}, {1 << 20, 2}} {
		f := MaskFrame(NewBinaryFrame(bytes.Repeat([]byte{7}, tt.size)))
		before := bytes.Clone(f.Payload)
		var w countingWriter
		require.NoError(t, WriteFrame(&w, f))
		require.Equal(t, tt.writes, w.writes, "%d bytes", tt.size)
		require.True(t, bytes.Equal(AppendFrame(nil, f), w.Bytes()), "%d bytes", tt.size)
		require.True(t, bytes.Equal(before, f.Payload))

		for n := range tt.writes {
			require.Equal(t, errWrite, WriteFrame(&countingWriter{failAt: n + 1}, f))
		}
		var b bytes.Buffer
		bw := bufio.NewWriter(&b)
		require.NoError(t, WriteFrame(bw, f))
		require.NoError(t, WriteFrame(bufio.NewReadWriter(nil, bw), f))
		require.NoError(t, bw.Flush())
		require.True(t, bytes.Equal(AppendFrame(AppendFrame(nil, f), f), b.Bytes()), "%d bytes", tt.size)
	}
}

func TestWriteFrameOnSockets(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no loopback network: ", err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	server, err := ln.Accept()
	require.NoError(t, err)
	defer server.Close()

	sizes := []int{0, 65536, 65537, 1 << 20, 3}
	sent := make(chan error, 1)
	go func() {
		for _, n := range sizes {
			if err := WriteFrame(client, NewBinaryFrame(bytes.Repeat([]byte{byte(n)}, n))); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for _, n := range sizes {
		f, err := ReadFrame(server)
		require.NoError(t, err)
		require.True(t, bytes.Equal(bytes.Repeat([]byte{byte(n)}, n), f.Payload), "%d bytes", n)
	}
	require.NoError(t, <-sent)
}

// stingyWriter violates io.Writer: from Write number after on, it writes one
// byte less and returns no error.
type stingyWriter struct{ after int }

func (w *stingyWriter) Write(p []byte) (int, error) {
	if w.after--; w.after >= 0 {
		return len(p), nil
	}
	return len(p) - 1, nil
}

func TestShortWriteIsAnError(t *testing.T) {
	large := NewBinaryFrame(make([]byte, 3*maxCoalesced))
	require.Equal(t, io.ErrShortWrite, WriteHeader(new(stingyWriter), large.Header))
	require.Equal(t, io.ErrShortWrite, WriteFrame(new(stingyWriter), NewTextFrame([]byte("a"))))
	for after := range 2 {
		require.Equal(t, io.ErrShortWrite, WriteFrame(&stingyWriter{after}, large))
	}
	require.NoError(t, WriteFrame(&stingyWriter{2}, large))
	_, err := Upgrade(struct {
		io.Reader
		io.Writer
	}{strings.NewReader(chromeRequest), new(stingyWriter)})
	require.ErrorIs(t, err, io.ErrShortWrite)
}

// If the header does not match the payload, nothing is written, because all
// later frames would be misread.
func TestFrameLengthMustFitThePayload(t *testing.T) {
	for _, length := range []int64{-1, 0, 4, 6, 1 << 40} {
		f := Frame{Header{Fin: true, OpCode: OpText, Length: length}, []byte("Hello")}
		var w countingWriter
		require.ErrorIs(t, WriteFrame(&w, f), ErrHeaderLengthUnexpected)
		require.Zero(t, w.writes)
		_, err := CompileFrame(f)
		require.ErrorIs(t, err, ErrHeaderLengthUnexpected)
		require.Equal(t, "\x81\x05Hello", string(AppendFrame(nil, f)), "AppendFrame goes by the payload")
	}
}

func TestCipher_RFC6455_5_3(t *testing.T) {
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	for n := range 100 {
		for offset := range 9 {
			src := make([]byte, n)
			want := make([]byte, n)
			for i := range src {
				src[i] = byte(i * 3)
				want[i] = src[i] ^ key[(offset+i)%4]
			}
			got := bytes.Clone(src)
			Cipher(got, key, offset)
			require.Equal(t, want, got, "%d bytes at %d", n, offset)
			dst := make([]byte, n+1)
			CipherCopy(dst, src, key, offset)
			require.Equal(t, append(bytes.Clone(want), 0), dst)
			// Masking in pieces gives the same result as in one piece.
			pieces := bytes.Clone(src)
			Cipher(pieces[:n/3], key, offset)
			Cipher(pieces[n/3:], key, offset+n/3)
			require.Equal(t, want, pieces)
		}
	}
	require.Panics(t, func() { CipherCopy(make([]byte, 1), make([]byte, 2), key, 0) })
}

// Keys that repeat or share bytes could be predicted.
func TestNewMaskDoesNotRepeat(t *testing.T) {
	const n = 10_000
	seen := make(map[[4]byte]bool, n)
	var ones [32]int
	for range n {
		k := NewMask()
		seen[k] = true
		for bit := range 32 {
			ones[bit] += int(k[bit/8] >> (bit % 8) & 1)
		}
	}
	require.Greater(t, len(seen), n-20, "of 10,000 random keys about 0.01 collide")
	for bit, count := range ones {
		require.InDelta(t, n/2, count, 500, "bit %d: ten standard deviations", bit)
	}
}

func ExampleAppendFrame() {
	wire := AppendFrame(nil, NewTextFrame([]byte("Hello")))
	fmt.Printf("% x\n", wire)
	// Output: 81 05 48 65 6c 6c 6f
}

func ExampleParseHeader() {
	wire := []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}
	h, n, err := ParseHeader(wire)
	if err != nil {
		panic(err) // io.ErrUnexpectedEOF: read more first
	}
	if err := CheckHeader(h, StateServerSide); err != nil {
		panic(err)
	}
	payload := wire[n : n+int(h.Length)]
	Cipher(payload, h.Mask, 0)
	fmt.Println(string(payload))
	// Output: Hello
}
