package ws

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// headerForms holds a header of each form, with its wire form.
var headerForms = []struct {
	name string
	h    Header
	wire []byte
}{
	{"7 bits, empty", Header{Fin: true, OpCode: OpText}, []byte{0x81, 0x00}},
	{"7 bits, most", Header{OpCode: OpBinary, Length: 125}, []byte{0x02, 125}},
	{"16 bits, least", Header{Fin: true, OpCode: OpContinuation, Length: 126}, []byte{0x80, 126, 0, 126}},
	{"16 bits, 127", Header{Fin: true, OpCode: OpBinary, Length: 127}, []byte{0x82, 126, 0, 127}},
	{"16 bits, most", Header{Fin: true, OpCode: OpBinary, Length: 65535}, []byte{0x82, 126, 0xff, 0xff}},
	{"64 bits, least", Header{Fin: true, OpCode: OpBinary, Length: 65536}, []byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	{"64 bits, MaxInt32", Header{Fin: true, OpCode: OpBinary, Length: math.MaxInt32}, []byte{0x82, 127, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}},
	{"masked, 7 bits", Header{Fin: true, OpCode: OpPing, Masked: true, Mask: [4]byte{1, 2, 3, 4}, Length: 5}, []byte{0x89, 0x85, 1, 2, 3, 4}},
	{"masked, 16 bits", Header{Fin: true, OpCode: OpText, Masked: true, Mask: [4]byte{1, 2, 3, 4}, Length: 256}, []byte{0x81, 0xfe, 1, 0, 1, 2, 3, 4}},
	{"masked, 64 bits", Header{Fin: true, OpCode: OpText, Masked: true, Length: 65536}, []byte{0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}},
	{"RSV1", Header{Fin: true, Rsv: Rsv(true, false, false), OpCode: OpText}, []byte{0xc1, 0}},
	{"RSV2", Header{Fin: true, Rsv: Rsv(false, true, false), OpCode: OpText}, []byte{0xa1, 0}},
	{"RSV3", Header{Fin: true, Rsv: Rsv(false, false, true), OpCode: OpText}, []byte{0x91, 0}},
	{"everything set", Header{Fin: true, Rsv: 7, OpCode: 0xf, Masked: true, Mask: [4]byte{255, 255, 255, 255}, Length: 125}, []byte{0xff, 0xfd, 255, 255, 255, 255}},
}

func TestHeaderForms_RFC6455_5_2(t *testing.T) {
	for _, tt := range headerForms {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.wire, AppendHeader(nil, tt.h))
			require.Equal(t, append([]byte("before"), tt.wire...), AppendHeader([]byte("before"), tt.h))
			require.Equal(t, len(tt.wire), HeaderSize(tt.h))

			h, n, err := ParseHeader(append(bytes.Clone(tt.wire), "behind"...))
			require.NoError(t, err)
			require.Equal(t, tt.h, h)
			require.Equal(t, len(tt.wire), n)

			for name, r := range readers(append(bytes.Clone(tt.wire), "behind"...)) {
				h, err := ReadHeader(r)
				require.NoError(t, err, name)
				require.Equal(t, tt.h, h, name)
				rest, err := io.ReadAll(r)
				require.NoError(t, err, name)
				require.Equal(t, "behind", string(rest), "%s: not a byte more than the header", name)
			}

			var plain, buffered bytes.Buffer
			require.NoError(t, WriteHeader(&plain, tt.h))
			require.Equal(t, tt.wire, plain.Bytes())
			for _, room := range []int{16, 17, 4096} { // full, nearly full and with room
				buffered.Reset()
				bw := bufio.NewWriterSize(&buffered, room)
				bw.WriteString("0123456789")
				require.NoError(t, WriteHeader(bufio.NewReadWriter(nil, bw), tt.h))
				require.NoError(t, WriteHeader(bw, tt.h))
				require.NoError(t, bw.Flush())
				require.Equal(t, "0123456789"+string(tt.wire)+string(tt.wire), buffered.String())
			}
		})
	}
}

// readers returns p in each kind of reader that ReadHeader distinguishes.
func readers(p []byte) map[string]io.Reader {
	return map[string]io.Reader{
		"plain":            onlyReader{bytes.NewReader(p)},
		"one byte a read":  iotest.OneByteReader(bytes.NewReader(p)),
		"data with EOF":    iotest.DataErrReader(bytes.NewReader(p)),
		"bufio":            bufio.NewReader(bytes.NewReader(p)),
		"bufio, small":     bufio.NewReaderSize(iotest.OneByteReader(bytes.NewReader(p)), 16),
		"bufio.ReadWriter": bufio.NewReadWriter(bufio.NewReader(bytes.NewReader(p)), nil),
	}
}

type onlyReader struct{ io.Reader }

func TestHeaderPrefixIsShort(t *testing.T) {
	for _, tt := range headerForms {
		for n := range tt.wire {
			_, used, err := ParseHeader(tt.wire[:n])
			require.Equal(t, io.ErrUnexpectedEOF, err, "%s: %d bytes", tt.name, n)
			require.Zero(t, used)
			for name, r := range readers(tt.wire[:n]) {
				_, err := ReadHeader(r)
				want := io.ErrUnexpectedEOF
				if n == 0 {
					want = io.EOF
				}
				require.Equal(t, want, err, "%s: %d bytes from %s", tt.name, n, name)
			}
		}
	}
}

// A failing reader is distinguished from one that ends.
func TestReadHeaderKeepsTheReadersError(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{0, 1, 3} {
		fails := io.MultiReader(bytes.NewReader([]byte{0x81, 0xfe, 1, 0}[:n]), iotest.ErrReader(broken))
		_, err := ReadHeader(fails)
		require.Equal(t, broken, err)
		fails = io.MultiReader(bytes.NewReader([]byte{0x81, 0xfe, 1, 0}[:n]), iotest.ErrReader(broken))
		_, err = ReadHeader(bufio.NewReader(fails))
		require.Equal(t, broken, err)
	}
}

func TestHeaderLengthFaults_RFC6455_5_2(t *testing.T) {
	for _, tt := range []struct {
		name       string
		wire       []byte
		err        *ProtocolError
		nonMinimal error // what the lenient form says
	}{
		{"all bits set", []byte{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, ErrHeaderLengthMSB, ErrHeaderLengthMSB},
		{"top bit alone", []byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, ErrHeaderLengthMSB, ErrHeaderLengthMSB},
		{"masked, top bit", []byte{0x82, 255, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4}, ErrHeaderLengthMSB, ErrHeaderLengthMSB},
		{"0 in 16 bits", []byte{0x82, 126, 0, 0}, ErrHeaderLengthNotMinimal, nil},
		{"125 in 16 bits", []byte{0x82, 126, 0, 125}, ErrHeaderLengthNotMinimal, nil},
		{"125 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0, 125}, ErrHeaderLengthNotMinimal, nil},
		{"65535 in 64 bits", []byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, ErrHeaderLengthNotMinimal, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, n, err := ParseHeader(tt.wire)
			require.True(t, err == tt.err, "got %v", err)
			require.Zero(t, h)
			require.Zero(t, n)
			_, n, err = ParseHeaderNonMinimal(tt.wire)
			require.True(t, err == tt.nonMinimal, "lenient: got %v", err)
			if err == nil {
				require.Equal(t, len(tt.wire), n)
			}
			for name, r := range readers(tt.wire) {
				_, err := ReadHeader(r)
				require.True(t, err == tt.err, "%s: got %v", name, err)
			}
			for name, r := range readers(tt.wire) {
				_, err := ReadHeaderNonMinimal(r)
				require.True(t, err == tt.nonMinimal, "%s, lenient: got %v", name, err)
			}
			for name, r := range readers(tt.wire) {
				_, err := ReadFrame(r)
				require.True(t, err == tt.err, "ReadFrame, %s: got %v", name, err)
			}
		})
	}
}

// Lengths above MaxInt32 are accepted if int has 64 bits, and are an error if
// it has 32.
func TestHeaderLengthAgainstInt(t *testing.T) {
	for _, length := range []int64{1 << 31, 1 << 32, 1 << 40, math.MaxInt64} {
		want := Header{Fin: true, OpCode: OpBinary, Length: length}
		h, _, err := ParseHeader(AppendHeader(nil, want))
		if math.MaxInt == math.MaxInt32 {
			require.True(t, err == ErrHeaderLengthOverflow, "got %v", err)
			require.Equal(t, StatusMessageTooBig, ErrHeaderLengthOverflow.Code)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, h)
	}
}

func TestNegativeLengthIsNotWritten(t *testing.T) {
	h := Header{Length: -1}
	var b bytes.Buffer
	require.Equal(t, -1, HeaderSize(h))
	require.ErrorIs(t, WriteHeader(&b, h), ErrHeaderLengthUnexpected)
	require.Zero(t, b.Len())
}

func TestRsvBits(t *testing.T) {
	for rsv := range byte(8) {
		r1, r2, r3 := RsvBits(rsv)
		require.Equal(t, rsv, Rsv(r1, r2, r3))
		h := Header{Rsv: rsv}
		require.Equal(t, []bool{r1, r2, r3}, []bool{h.Rsv1(), h.Rsv2(), h.Rsv3()})
		back, _, err := ParseHeader(AppendHeader(nil, h))
		require.NoError(t, err)
		require.Equal(t, rsv, back.Rsv)
	}
}

func TestOpCodes_RFC6455_5_2(t *testing.T) {
	for op := range OpCode(16) {
		known := op <= 2 || 8 <= op && op <= 10
		require.Equal(t, !known, op.IsReserved(), "opcode %d", op)
		require.Equal(t, op >= 8, op.IsControl(), "opcode %d", op)
		require.Equal(t, op < 8, op.IsData(), "opcode %d", op)
	}
	// A number above 15 is not another opcode, although it would be encoded as
	// one.
	for op := 16; op < 256; op++ {
		require.True(t, OpCode(op).IsReserved(), "%#x", op)
		h := Header{Fin: true, OpCode: OpCode(op)}
		require.Equal(t, ErrProtocolOpCodeReserved, CheckHeader(h, 0), "%#x", op)
	}
}

func FuzzHeaderRoundTrip(f *testing.F) {
	for _, tt := range headerForms {
		f.Add(tt.h.Fin, tt.h.Rsv, byte(tt.h.OpCode), tt.h.Masked, tt.h.Mask[:], tt.h.Length)
	}
	f.Fuzz(func(t *testing.T, fin bool, rsv, op byte, masked bool, mask []byte, length int64) {
		h := Header{Fin: fin, Rsv: rsv & 7, OpCode: OpCode(op & 15), Masked: masked, Length: length & math.MaxInt}
		if masked {
			copy(h.Mask[:], mask)
		}
		p := AppendHeader(nil, h)
		require.Len(t, p, HeaderSize(h))
		back, n, err := ParseHeader(p)
		require.NoError(t, err)
		require.Equal(t, len(p), n)
		require.Equal(t, h, back)
	})
}

func FuzzParseHeader(f *testing.F) {
	for _, tt := range headerForms {
		f.Add(tt.wire)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		h, n, err := ParseHeader(p)
		fromReader, readErr := ReadHeader(bytes.NewReader(p))
		require.Equal(t, h, fromReader)
		switch {
		case err == nil:
			require.NoError(t, readErr)
			require.Equal(t, p[:n], AppendHeader(nil, h), "a strict header has one wire form")
		case err == io.ErrUnexpectedEOF:
			require.Less(t, len(p), MaxHeaderSize)
			if len(p) == 0 {
				err = io.EOF
			}
			require.Equal(t, err, readErr)
		default:
			require.ErrorAs(t, err, new(*ProtocolError))
			if len(p) < sizeByLead(p) {
				err = io.ErrUnexpectedEOF // a reader asks for the whole header first
			}
			require.Equal(t, err, readErr)
		}
		lenient, m, lenientErr := ParseHeaderNonMinimal(p)
		if err == nil {
			require.NoError(t, lenientErr)
			require.Equal(t, h, lenient)
			require.Equal(t, n, m)
		}
		if lenientErr == nil {
			require.LessOrEqual(t, m, len(p))
			require.GreaterOrEqual(t, m, HeaderSize(lenient))
		}
	})
}

func TestOpCodeString_RFC6455_5_2(t *testing.T) {
	for op, want := range map[OpCode]string{
		OpContinuation: "continuation", OpText: "text", OpBinary: "binary",
		OpClose: "close", OpPing: "ping", OpPong: "pong", 3: "opcode 3", 0xb: "opcode 11",
	} {
		require.Equal(t, want, op.String())
	}
}
