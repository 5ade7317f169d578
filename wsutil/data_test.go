package wsutil

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// Data messages come whole, control frames are answered in order, and a close frame
// ends it all.
func TestReadData(t *testing.T) {
	for _, side := range both {
		for i := range len(sources) * len(wraps) {
			source, wrap := sources[i/len(wraps)], wraps[i%len(wraps)]
			for _, tt := range messages {
				t.Run(side.name+"/"+source.name+"/"+wrap.name+"/"+tt.name, func(t *testing.T) {
					var want []Message
					var answers []ws.Frame
					end := error(io.EOF)
					for _, m := range tt.want {
						switch m.OpCode {
						case ws.OpPing:
							answers = append(answers, frame(ws.OpPong, true, string(m.Payload)))
						case ws.OpClose:
							code, reason, _ := ws.ParseCloseBody(m.Payload)
							answers = append(answers, closeFrame(code, reason))
							end = ClosedError{code, reason}
						case ws.OpText, ws.OpBinary:
							want = append(want, m)
						}
					}
					p := newPipe(peerFrames(side.state, tt.frames...))
					p.in = source.of(p.in)
					rw := wrap.of(p)
					for _, m := range want {
						got, op, err := ReadData(rw, side.state)
						require.NoError(t, err)
						require.Equal(t, m.OpCode, op)
						require.NotNil(t, got)
						require.Equal(t, string(m.Payload), string(got))
					}
					_, _, err := ReadData(rw, side.state)
					require.Equal(t, end, err)
					require.Equal(t, answers, frameList(t, p.out.Bytes()))
					require.Equal(t, len(answers), p.writes)
				})
			}
		}
	}
}

// RFC 6455, section 7.1.7: a fault of the peer is answered with its code and reason, once.
func TestReadDataFaults(t *testing.T) {
	long := ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Length: DefaultMaxMessage + 1})
	for _, tt := range []struct {
		name string
		wire []byte
		err  *ws.ProtocolError
		code ws.StatusCode
	}{
		{"5.1 not masked", ws.AppendFrame(nil, frame(ws.OpText, true, "a")), ws.ErrProtocolMaskRequired, 1002},
		{"5.2 reserved opcode", peerFrames(ws.StateServerSide, frame(3, true, "")), ws.ErrProtocolOpCodeReserved, 1002},
		{"5.4 continuation of nothing", peerFrames(ws.StateServerSide, frame(ws.OpContinuation, true, "")), ws.ErrProtocolContinuationUnexpected, 1002},
		{"5.4 message in a message", peerFrames(ws.StateServerSide, frame(ws.OpText, false, ""), frame(ws.OpText, true, "")), ws.ErrProtocolContinuationExpected, 1002},
		{"5.5 fragmented ping", peerFrames(ws.StateServerSide, frame(ws.OpPing, false, "")), ws.ErrProtocolControlNotFinal, 1002},
		{"5.5.1 close of one byte", peerFrames(ws.StateServerSide, frame(ws.OpClose, true, "x")), ws.ErrProtocolCloseBodyOneByte, 1002},
		{"7.4 close code in a message", peerFrames(ws.StateServerSide, frame(ws.OpText, false, ""), frame(ws.OpClose, true, "\x00\x01")), ws.ErrProtocolStatusCodeNotInUse, 1002},
		{"8.1 text", peerFrames(ws.StateServerSide, frame(ws.OpText, true, "abc\xFF")), ErrInvalidUTF8, 1007},
		{"8.1 text that ends early", peerFrames(ws.StateServerSide, frame(ws.OpText, true, "abc\xC3")), ErrInvalidUTF8, 1007},
		{"10.4 message too large", long, ErrMessageTooLarge, 1009},
		{"10.4 fragments", append(peerFrames(ws.StateServerSide, frame(ws.OpText, false, "")),
			bytes.Repeat(peerFrames(ws.StateServerSide, frame(ws.OpContinuation, false, "")), DefaultMaxFragments)...), ErrTooManyFragments, 1009},
		{"5.2 top bit of the length", []byte("\x82\xFF\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), ws.ErrHeaderLengthMSB, 1002},
	} {
		for _, wrap := range wraps {
			t.Run(tt.name+"/"+wrap.name, func(t *testing.T) {
				p := newPipe(append(bytes.Clone(tt.wire), "behind"...))
				got, op, err := ReadClientData(wrap.of(p))
				require.ErrorIs(t, err, tt.err)
				require.Nil(t, got)
				require.Zero(t, op)
				require.Equal(t, []ws.Frame{closeFrame(tt.code, tt.err.Reason)}, frameList(t, p.out.Bytes()))
				require.Equal(t, 1, p.writes)
			})
		}
	}
}

// A client masks what it answers.
func TestReadDataClientAnswers(t *testing.T) {
	for _, wire := range [][]byte{
		peerFrames(ws.StateClientSide, closeFrame(1001, "")),
		peerFrames(ws.StateServerSide, frame(ws.OpText, true, "a")), // masked
	} {
		p := newPipe(wire)
		_, _, err := ReadServerData(p)
		require.Error(t, err)
		f, err := ws.ReadFrame(&p.out)
		require.NoError(t, err)
		require.Equal(t, ws.OpClose, f.Header.OpCode)
		require.True(t, f.Header.Masked)
	}
}

// An error of the connection is returned as it is, and nothing is sent.
func TestReadDataBrokenConnection(t *testing.T) {
	wire := peerFrames(ws.StateServerSide, frame(ws.OpText, false, "abc"), frame(ws.OpContinuation, true, "def"))
	for n := range wire {
		for _, wrap := range wraps {
			p := newPipe(wire[:n])
			dst, _, err := AppendClientData([]byte("dst"), wrap.of(p))
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			require.Equal(t, want, err)
			require.Equal(t, "dst", string(dst))
			require.Zero(t, p.writes)
		}
	}
}

// An error that the connection returns only once is not lost.
func TestReadDataErrorOnce(t *testing.T) {
	for _, wrap := range wraps {
		p := newPipe(nil)
		p.in = iotest.TimeoutReader(bytes.NewReader(peerFrames(ws.StateServerSide, frame(ws.OpText, true, strings.Repeat("a", 58)), frame(ws.OpText, true, "b"))))
		rw := wrap.of(p)
		var err error
		for range 2 {
			if err == nil {
				_, _, err = ReadClientData(rw)
			}
		}
		require.Equal(t, iotest.ErrTimeout, err, wrap.name)
	}
}

func TestReadDataWriteFails(t *testing.T) {
	boom := errors.New("boom")
	rw := struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(peerFrames(ws.StateServerSide, frame(ws.OpPing, true, ""), frame(ws.OpText, true, "a"))), &failing{err: boom}}
	_, _, err := ReadClientData(rw)
	require.Equal(t, boom, err)
}

// The forms for one side and one kind of message.
func TestReadDataForms(t *testing.T) {
	frames := []ws.Frame{
		frame(ws.OpText, false, "te"), frame(ws.OpPing, true, ""), frame(ws.OpContinuation, true, "xt"),
		frame(ws.OpBinary, false, "bin"), frame(ws.OpContinuation, true, "ary"), frame(ws.OpText, true, "more"),
	}
	for _, wrap := range wraps {
		testReadDataForms(t,
			func() io.ReadWriter { return wrap.of(newPipe(peerFrames(ws.StateServerSide, frames...))) },
			func() io.ReadWriter { return wrap.of(newPipe(peerFrames(ws.StateClientSide, frames...))) })
	}
}

func testReadDataForms(t *testing.T, server, client func() io.ReadWriter) {
	for name, f := range map[string]func() ([]byte, error){
		"text more": func() ([]byte, error) {
			p := server()
			a, _ := ReadClientText(p)
			b, err := ReadClientText(p)
			return fmt.Append(a, " ", string(b)), err
		},
		"binary": func() ([]byte, error) { return ReadClientBinary(server()) },
		"text":   func() ([]byte, error) { return ReadServerText(client()) },
		"binary ": func() ([]byte, error) {
			p, err := ReadServerBinary(client())
			return append(p, ' '), err
		},
		"text  ": func() ([]byte, error) {
			p, _, err := AppendServerData(nil, client())
			return append(p, "  "...), err
		},
		"text ": func() ([]byte, error) {
			p, _, err := ReadServerData(client())
			return append(p, ' '), err
		},
		"a text": func() ([]byte, error) {
			p, _, err := AppendClientData([]byte("a "), server())
			return p, err
		},
		"binary  ": func() ([]byte, error) { // one frame of the wrong kind before it
			p, err := ReadClientBinary(newPipe(peerFrames(ws.StateServerSide, frame(ws.OpText, true, "x"), frame(ws.OpBinary, true, "binary  "))))
			return p, err
		},
	} {
		p, err := f()
		require.NoError(t, err)
		require.Equal(t, name, string(p))
	}
}

func TestAppendDataLimit(t *testing.T) {
	wire := peerFrames(ws.StateServerSide, frame(ws.OpText, false, "01234"), frame(ws.OpContinuation, true, "56789"))
	whole := peerFrames(ws.StateServerSide, frame(ws.OpText, true, "0123456789"))
	for limit, want := range map[int64]error{9: ErrMessageTooLarge, 10: nil, 0: nil, -1: nil} {
		for _, wrap := range wraps {
			for _, wire := range [][]byte{wire, whole} {
				_, _, err := AppendDataLimit(nil, wrap.of(newPipe(wire)), ws.StateServerSide, limit)
				require.Equal(t, want, err, limit)
			}
		}
	}
	// No limit is no limit.
	payload := make([]byte, DefaultMaxMessage+1)
	p := newPipe(ws.AppendFrame(nil, ws.NewBinaryFrame(payload)))
	got, _, err := AppendDataLimit(nil, p, ws.StateClientSide, -1)
	require.NoError(t, err)
	require.Len(t, got, len(payload))
}

func TestData(t *testing.T) {
	p := newPipe(peerFrames(ws.StateServerSide, frame(ws.OpText, true, "one"), frame(ws.OpPing, true, ""),
		frame(ws.OpBinary, true, ""), frame(ws.OpText, true, "three"), closeFrame(1000, "")))
	var got []string
	for m, err := range Data(p, ws.StateServerSide, 0) {
		got = append(got, fmt.Sprintf("%d %s %v", m.OpCode, m.Payload, err))
	}
	require.Equal(t, []string{"1 one <nil>", "2  <nil>", "1 three <nil>", "0  " + ClosedError{Code: 1000}.Error()}, got)

	p = newPipe(peerFrames(ws.StateServerSide, frame(ws.OpText, true, "one"), frame(ws.OpText, true, "two")))
	for m, err := range Data(p, ws.StateServerSide, 0) {
		require.NoError(t, err)
		require.Equal(t, "one", string(m.Payload))
		break
	}
	rest, err := ReadClientText(p)
	require.NoError(t, err)
	require.Equal(t, "two", string(rest), "nothing was read ahead")
}

// The other type is skipped, also where messages lie in a buffer.
func TestReadTextOrBinaryThroughABuffer(t *testing.T) {
	for _, side := range both {
		text, binary := ReadClientText, ReadClientBinary
		if side.state.ClientSide() {
			text, binary = ReadServerText, ReadServerBinary
		}
		in := peerFrames(side.state, frame(ws.OpBinary, true, "1"), frame(ws.OpText, true, "2"),
			frame(ws.OpText, true, "3"), frame(ws.OpBinary, true, "4"))
		for _, wrap := range wraps {
			rw := wrap.of(newPipe(in))
			got, err := text(rw)
			require.NoError(t, err)
			require.Equal(t, "2", string(got), wrap.name)
			got, err = binary(rw)
			require.NoError(t, err)
			require.Equal(t, "4", string(got), wrap.name)
		}
	}
}

// What the caller writes waits in his buffer for his Flush; what is answered for him does not,
// and takes along what waits.
func TestWhoFlushes(t *testing.T) {
	p := newPipe(peerFrames(ws.StateServerSide, frame(ws.OpPing, true, "ping"), frame(ws.OpText, true, "Hello")))
	rw := bufio.NewReadWriter(bufio.NewReader(p), bufio.NewWriter(p))
	require.NoError(t, WriteServerText(rw, []byte("one")))
	w := NewWriter(rw, ws.StateServerSide, ws.OpText)
	io.WriteString(w, "two")
	require.NoError(t, w.Flush())
	prepared, err := NewPreparedMessage(ws.OpText, []byte("three"))
	require.NoError(t, err)
	require.NoError(t, prepared.Write(rw, ws.StateServerSide))
	require.Zero(t, p.writes)
	_, _, err = ReadClientData(rw)
	require.NoError(t, err)
	require.Equal(t, 1, p.writes)
	require.Equal(t, []ws.Frame{frame(ws.OpText, true, "one"), frame(ws.OpText, true, "two"), frame(ws.OpText, true, "three"),
		frame(ws.OpPong, true, "ping")}, frameList(t, p.out.Bytes()))
}

// The bound on the frames of a message follows from the bound on its bytes where that is
// larger than the default.
func TestAppendDataLimitFragments(t *testing.T) {
	frame := func(op ws.OpCode, fin bool) []byte { return ws.AppendFrame(nil, ws.NewFrame(op, fin, nil)) }
	message := func(frames int) []byte {
		wire := append(frame(ws.OpBinary, false), bytes.Repeat(frame(ws.OpContinuation, false), frames-2)...)
		return append(wire, frame(ws.OpContinuation, true)...)
	}
	for _, test := range []struct {
		limit int64
		most  int // frames
	}{
		{10, DefaultMaxFragments},
		{DefaultMaxMessage, DefaultMaxFragments},
		{DefaultMaxMessage + 3*16, DefaultMaxFragments + 3},
	} {
		_, _, err := AppendDataLimit(nil, newPipe(message(test.most)), ws.StateClientSide, test.limit)
		require.NoError(t, err)
		_, _, err = AppendDataLimit(nil, newPipe(message(test.most+1)), ws.StateClientSide, test.limit)
		require.ErrorIs(t, err, ErrTooManyFragments)
	}
	for _, limit := range []int64{-1, math.MaxInt64} {
		_, _, err := AppendDataLimit(nil, newPipe(message(DefaultMaxFragments+1)), ws.StateClientSide, limit)
		require.NoError(t, err)
	}
}
