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

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// RFC 6455, sections 5.5.1 to 5.5.3 and 7.4: what comes of a control frame.
var answers = []struct {
	name string
	in   ws.Frame
	want []ws.Frame
	err  error
}{
	{"5.5.2 ping", frame(ws.OpPing, true, "hi"), []ws.Frame{frame(ws.OpPong, true, "hi")}, nil},
	{"5.5.2 empty ping", frame(ws.OpPing, true, ""), []ws.Frame{{Header: ws.Header{Fin: true, OpCode: ws.OpPong}}}, nil},
	{"5.5.2 longest ping", frame(ws.OpPing, true, strings.Repeat("p", 125)), []ws.Frame{frame(ws.OpPong, true, strings.Repeat("p", 125))}, nil},
	{"5.5.3 pong", frame(ws.OpPong, true, "hi"), nil, nil},
	{"5.5.3 empty pong", frame(ws.OpPong, true, ""), nil, nil},
	{"5.5.1 close", closeFrame(1000, "bye"), []ws.Frame{closeFrame(1000, "bye")}, ClosedError{1000, "bye"}},
	{"5.5.1 close without a code", ws.NewCloseFrame(nil), []ws.Frame{{Header: ws.Header{Fin: true, OpCode: ws.OpClose}}}, ClosedError{Code: 1005}},
	{"5.5.1 longest close", closeFrame(4999, strings.Repeat("r", 123)), []ws.Frame{closeFrame(4999, strings.Repeat("r", 123))}, ClosedError{4999, strings.Repeat("r", 123)}},
	{"5.5.1 one byte", frame(ws.OpClose, true, "x"), []ws.Frame{faultFrame(ws.ErrProtocolCloseBodyOneByte)}, ws.ErrProtocolCloseBodyOneByte},
	{"7.4.1 reserved code", frame(ws.OpClose, true, "\x03\xED"), []ws.Frame{faultFrame(ws.ErrProtocolStatusCodeApplicationLevel)}, ws.ErrProtocolStatusCodeApplicationLevel},
	{"7.4.2 code 999", frame(ws.OpClose, true, "\x03\xE7"), []ws.Frame{faultFrame(ws.ErrProtocolStatusCodeNotInUse)}, ws.ErrProtocolStatusCodeNotInUse},
	{"8.1 reason", frame(ws.OpClose, true, "\x03\xE8\xFF"), []ws.Frame{closeFrame(1007, "text is not valid UTF-8")}, ws.ErrProtocolInvalidUTF8},
	{"text", frame(ws.OpText, true, "hi"), nil, ErrNotControlFrame},
	{"continuation", frame(ws.OpContinuation, true, "hi"), nil, ErrNotControlFrame},
	{"reserved", frame(0xB, true, "hi"), nil, ErrNotControlFrame},
	{"5.5 too long", frame(ws.OpPing, true, strings.Repeat("p", 126)), nil, ws.ErrProtocolControlPayloadOverflow},
}

func TestControlHandler(t *testing.T) {
	for _, tt := range answers {
		for _, side := range both {
			t.Run(side.name+"/"+tt.name, func(t *testing.T) {
				want := func(p *pipe, err error) {
					t.Helper()
					require.Equal(t, tt.err, err)
					require.Equal(t, len(tt.want), p.writes)
					if len(tt.want) > 0 {
						require.Equal(t, side.state.ClientSide(), p.out.Bytes()[1]&0x80 != 0)
					}
					for i, f := range frameList(t, p.out.Bytes()) {
						require.Equal(t, tt.want[i].Header, f.Header)
						require.Equal(t, string(tt.want[i].Payload), string(f.Payload))
					}
				}
				// From the wire, followed by bytes that must not be read.
				wire := bytes.NewReader(append(peerFrames(side.state, tt.in), "behind"...))
				h, err := ws.ReadHeader(wire)
				require.NoError(t, err)
				p := &pipe{in: wire}
				err = ControlHandler{Src: p, Dst: p, State: side.state}.Handle(h)
				want(p, err)
				if len(tt.want) > 0 {
					require.Equal(t, len("behind"), wire.Len())
				}

				// Unmasked already.
				p = newPipe(tt.in.Payload)
				err = ControlHandler{Src: p, Dst: p, State: side.state, DisableSrcCiphering: true}.Handle(h)
				want(p, err)
				p = newPipe(tt.in.Payload)
				want(p, ControlFrameHandler(p, side.state)(h, p))

				p = newPipe(nil)
				m := Message{tt.in.Header.OpCode, tt.in.Payload}
				want(p, HandleControlMessage(p, side.state, m))
				p = newPipe(nil)
				if side.state.ServerSide() {
					want(p, HandleClientControlMessage(p, m))
				} else {
					want(p, HandleServerControlMessage(p, m))
				}
			})
		}
	}
}

func TestControlHandlerErrors(t *testing.T) {
	boom := errors.New("boom")
	h := ws.Header{Fin: true, OpCode: ws.OpPing, Length: 4}
	require.Equal(t, boom, ControlHandler{Src: strings.NewReader("ping"), Dst: &failing{err: boom}, State: ws.StateServerSide}.Handle(h))
	for n := range 4 {
		err := ControlHandler{Src: strings.NewReader("ping"[:n]), Dst: &failing{err: boom}, State: ws.StateServerSide}.Handle(h)
		require.Equal(t, io.ErrUnexpectedEOF, err)
	}
	h.OpCode = ws.OpClose
	require.Equal(t, boom, ControlHandler{Src: strings.NewReader("\x03\xE8by"), Dst: &failing{err: boom}, State: ws.StateServerSide}.Handle(h))
}

// An answer does not wait in a buffer.
func TestControlHandlerFlushes(t *testing.T) {
	var out bytes.Buffer
	ping := Message{ws.OpPing, []byte("hi")}
	bw := bufio.NewWriter(&out)
	require.NoError(t, HandleClientControlMessage(bw, ping))
	require.NoError(t, HandleClientControlMessage(bufio.NewReadWriter(bufio.NewReader(&out), bw), ping))
	require.Len(t, frameList(t, out.Bytes()), 2)
}

// The whole table of close codes: those that may stand in a frame come back, all
// others are answered with 1002 (RFC 6455, section 7.4).
func TestControlHandlerCloseCodes(t *testing.T) {
	for code := range ws.StatusCode(5100) {
		p := newPipe(nil)
		var body [2]byte
		ws.PutCloseFrameBody(body[:], code, "")
		err := HandleClientControlMessage(p, Message{ws.OpClose, body[:]})
		if code.MayBeReceived() {
			require.Equal(t, ClosedError{Code: code}, err)
			require.Equal(t, []ws.Frame{closeFrame(code, "")}, frameList(t, p.out.Bytes()))
		} else {
			var fault *ws.ProtocolError
			require.ErrorAs(t, err, &fault)
			require.Equal(t, ws.StatusProtocolError, fault.Code)
			require.Equal(t, []ws.Frame{faultFrame(fault)}, frameList(t, p.out.Bytes()))
		}
	}
}

func TestControlWriter(t *testing.T) {
	for _, side := range both {
		for name, w := range map[string]func(dest io.Writer) *ControlWriter{
			"own buffer": func(dest io.Writer) *ControlWriter { return NewControlWriter(dest, side.state, ws.OpPing) },
			"buffer": func(dest io.Writer) *ControlWriter {
				return NewControlWriterBuffer(dest, side.state, ws.OpPing, make([]byte, 1000))
			},
		} {
			t.Run(fmt.Sprintf("%s/%s", side.name, name), func(t *testing.T) {
				var dest counted
				c := w(&dest)
				require.NoError(t, c.Flush())
				require.Empty(t, dest.writes)

				_, err := c.Write(nil)
				require.NoError(t, err)
				require.NoError(t, c.Flush())

				for range 25 {
					_, err = c.Write([]byte("12345"))
					require.NoError(t, err)
				}
				n, err := c.Write([]byte("6"))
				require.Equal(t, ErrControlOverflow, err)
				require.Zero(t, n)
				require.NoError(t, c.Flush())

				n, err = c.Write(make([]byte, 126))
				require.Equal(t, ErrControlOverflow, err)
				require.Zero(t, n)
				frames := dest.frames(t, side.state)
				require.Len(t, frames, 2)
				require.Empty(t, frames[0].Payload)
				require.Equal(t, strings.Repeat("12345", 25), string(frames[1].Payload))
			})
		}
	}
	c := NewControlWriterBuffer(io.Discard, ws.StateServerSide, ws.OpPing, make([]byte, 5))
	_, err := c.Write([]byte("1234"))
	require.Equal(t, ErrControlOverflow, err)
	_, err = c.Write([]byte("123"))
	require.NoError(t, err)
	require.Panics(t, func() {
		NewControlWriterBuffer(io.Discard, ws.StateClientSide, ws.OpPing, make([]byte, 6))
	})
}

func TestControlWriterError(t *testing.T) {
	boom := errors.New("boom")
	c := NewControlWriter(&failing{err: boom}, ws.StateServerSide, ws.OpPing)
	c.Write([]byte("a"))
	require.Equal(t, boom, c.Flush())
	_, err := c.Write(make([]byte, 200))
	require.Equal(t, boom, err)
	require.Equal(t, boom, c.Flush())
}

// A length that no header on the wire can have is the caller's mistake.
func TestControlHandlerNegativeLength(t *testing.T) {
	for _, op := range []ws.OpCode{ws.OpPing, ws.OpPong, ws.OpClose} {
		p := newPipe(make([]byte, 200))
		c := ControlHandler{Src: p, Dst: p, State: ws.StateServerSide}
		for _, n := range []int64{-1, math.MinInt64} {
			require.Equal(t, ws.ErrHeaderLengthUnexpected, c.Handle(ws.Header{Fin: true, OpCode: op, Length: n}), op)
		}
		require.Zero(t, p.reads+p.writes)
	}
}
