package echo

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// tester is the client's end of a connection. Its methods fail the test.
type tester struct {
	net.Conn
	t    *testing.T
	done chan error // what Echo returned
}

// newTester bounds every operation on conn, so that a fault does not hang.
func newTester(t *testing.T, conn net.Conn) *tester {
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return &tester{Conn: conn, t: t, done: make(chan error, 1)}
}

// start runs Echo on one end of a pipe.
func start(ctx context.Context, t *testing.T, s *Server) *tester {
	server, client := net.Pipe()
	c := newTester(t, client)
	go func() { c.done <- s.Echo(ctx, server, bufio.NewReader(server)) }()
	return c
}

func (c *tester) write(p []byte) {
	c.t.Helper()
	_, err := c.Write(p)
	require.NoError(c.t, err)
}

// want reads one frame and compares all of it.
func (c *tester) want(op ws.OpCode, payload string) {
	c.t.Helper()
	f, err := ws.ReadFrame(c)
	require.NoError(c.t, err)
	require.Equal(c.t, ws.Header{Fin: true, OpCode: op, Length: int64(len(payload))}, f.Header)
	require.Equal(c.t, payload, string(f.Payload))
}

// wantClose reads a close frame and then the end of the stream.
func (c *tester) wantClose(code ws.StatusCode) {
	c.t.Helper()
	f, err := ws.ReadFrame(c)
	require.NoError(c.t, err)
	require.NoError(c.t, ws.CheckHeader(f.Header, ws.StateClientSide))
	require.Equal(c.t, ws.OpClose, f.Header.OpCode)
	got, _, err := ws.ParseCloseBody(f.Payload)
	require.NoError(c.t, err)
	require.Equal(c.t, code, got)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(c.t, err, io.EOF)
}

// wantAnswer sees to it that the server is in its loop.
func (c *tester) wantAnswer() {
	c.t.Helper()
	c.write(frame(ws.OpPing, true, "there?"))
	c.want(ws.OpPong, "there?")
}

// frame returns a frame as a client sends it, masked.
func frame(op ws.OpCode, fin bool, payload string) []byte {
	return ws.AppendFrame(nil, ws.MaskFrame(ws.NewFrame(op, fin, []byte(payload))))
}

// header returns a masked header with a payload that never comes.
func header(op ws.OpCode, length int64) []byte {
	return ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: op, Masked: true, Length: length})
}

func closeFrame(code ws.StatusCode, reason string) []byte {
	return frame(ws.OpClose, true, string(ws.AppendCloseBody(nil, code, reason)))
}

func TestSection5_6Messages(t *testing.T) {
	c := start(t.Context(), t, new(Server))
	for _, size := range []int{0, 1, 125, 126, keepBuffer, keepBuffer + 1, 0} {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			payload := strings.Repeat("x", size)
			c.write(frame(op, true, payload))
			c.want(op, payload)
		}
	}
}

func TestSection5_4Fragments(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parts []string
	}{
		{"two", []string{"hello ", "world"}},
		{"empty ones", []string{"", "", "x", "", ""}},
		{"a character in pieces", []string{"\xe2", "\x82", "\xac"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t.Context(), t, new(Server))
			op := ws.OpText
			for i, part := range tt.parts {
				c.write(frame(op, i == len(tt.parts)-1, part))
				op = ws.OpContinuation
			}
			c.want(ws.OpText, strings.Join(tt.parts, ""))
			c.write(frame(ws.OpText, true, "next"))
			c.want(ws.OpText, "next")
		})
	}
}

func TestSection5_5_2PingBetweenFragments(t *testing.T) {
	c := start(t.Context(), t, new(Server))
	c.write(frame(ws.OpBinary, false, "one"))
	for _, payload := range []string{"", "ping", strings.Repeat("p", 125)} {
		c.write(frame(ws.OpPing, true, payload))
		c.want(ws.OpPong, payload)
	}
	c.write(frame(ws.OpContinuation, true, "two"))
	c.want(ws.OpBinary, "onetwo")
}

func TestSection5_5_3UnsolicitedPong(t *testing.T) {
	c := start(t.Context(), t, new(Server))
	c.write(frame(ws.OpPong, true, "nobody asked"))
	c.write(frame(ws.OpText, true, "a"))
	c.want(ws.OpText, "a")
}

func TestSection5_5_1CloseIsEchoed(t *testing.T) {
	for _, tt := range []struct {
		name string
		body string
	}{
		{"no code", ""},
		{"code", "\x03\xe8"},
		{"code and reason", "\x0f\xa1bye"},
		{"longest reason", "\x0f\xa1" + strings.Repeat("r", 123)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t.Context(), t, new(Server))
			c.write(frame(ws.OpClose, true, tt.body))
			c.want(ws.OpClose, tt.body)
			_, err := c.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, <-c.done)
		})
	}
}

func TestFaults(t *testing.T) {
	const limit = 1000
	for _, tt := range []struct {
		name string
		in   [][]byte
		code ws.StatusCode
	}{
		{"5.1 unmasked", [][]byte{ws.AppendFrame(nil, ws.NewTextFrame([]byte("x")))}, 1002},
		{"5.2 RSV1", [][]byte{{0xc1, 0x80, 0, 0, 0, 0}}, 1002},
		{"5.2 RSV1 on ping", [][]byte{{0xc9, 0x80, 0, 0, 0, 0}}, 1002},
		{"5.2 reserved opcode", [][]byte{{0x83, 0x80, 0, 0, 0, 0}}, 1002},
		{"5.2 length not minimal", [][]byte{{0x81, 0xfe, 0, 1, 0, 0, 0, 0, 'x'}}, 1002},
		{"5.2 length with the top bit", [][]byte{{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}, 1002},
		{"5.4 continuation of nothing", [][]byte{frame(ws.OpContinuation, true, "x")}, 1002},
		{"5.4 message in a message", [][]byte{frame(ws.OpText, false, "x"), frame(ws.OpText, true, "x")}, 1002},
		{"5.5 fragmented ping", [][]byte{frame(ws.OpPing, false, "x")}, 1002},
		{"5.5 long ping", [][]byte{header(ws.OpPing, 126)}, 1002},
		{"5.5.1 close of one byte", [][]byte{frame(ws.OpClose, true, "x")}, 1002},
		{"7.4.1 close with 1005", [][]byte{closeFrame(1006, "")}, 1002},
		{"7.4.2 close with 2999", [][]byte{closeFrame(2999, "")}, 1002},
		{"7.1.6 reason is not UTF-8", [][]byte{closeFrame(1000, "\xff")}, 1007},
		{"8.1 text is not UTF-8", [][]byte{frame(ws.OpText, true, "\xff")}, 1007},
		{"8.1 in fragments", [][]byte{frame(ws.OpText, false, "\xe2"), frame(ws.OpContinuation, true, "x")}, 1007},
		{"limit, by one byte", [][]byte{header(ws.OpBinary, limit+1)}, 1009},
		{"limit, by far", [][]byte{header(ws.OpBinary, 1<<31-1)}, 1009},
		{"limit, in fragments", [][]byte{
			frame(ws.OpBinary, false, strings.Repeat("x", limit)),
			header(ws.OpContinuation, 1),
		}, 1009},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t.Context(), t, &Server{MaxMessage: limit})
			for _, p := range tt.in {
				c.write(p)
			}
			c.wantClose(tt.code)
			var fault *ws.ProtocolError
			require.ErrorAs(t, <-c.done, &fault)
			require.Equal(t, tt.code, fault.Code)
		})
	}
}

func TestLimitItselfIsAllowed(t *testing.T) {
	c := start(t.Context(), t, &Server{MaxMessage: 3})
	c.write(frame(ws.OpText, false, "ab"))
	c.write(frame(ws.OpContinuation, true, "c"))
	c.want(ws.OpText, "abc")
}

func TestContextEndsWith1001(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"between messages", nil},
		{"inside a message", frame(ws.OpBinary, false, "x")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			c := start(ctx, t, new(Server))
			c.write(tt.in)
			c.wantAnswer()
			cancel()
			c.wantClose(ws.StatusGoingAway)
			require.Error(t, <-c.done)
		})
	}
}

func TestPeerVanishes(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"between frames", frame(ws.OpPong, true, "")},
		{"inside a header", header(ws.OpText, 500)[:3]},
		{"inside a payload", frame(ws.OpText, true, "hello")[:8]},
		{"inside a control frame", frame(ws.OpPing, true, "hello")[:8]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t.Context(), t, new(Server))
			c.write(tt.in)
			c.Close()
			err := <-c.done
			require.Condition(t, func() bool { return err == io.EOF || err == io.ErrUnexpectedEOF }, "%v", err)
		})
	}
}

// A client that declares much and sends little costs little.
func TestBufferGrowsWithWhatArrives(t *testing.T) {
	c := &session{r: bufio.NewReader(bytes.NewReader(make([]byte, 1000))), max: DefaultMaxMessage}
	err := c.serveData(ws.Header{OpCode: ws.OpBinary, Fin: true, Length: DefaultMaxMessage})
	require.ErrorIs(t, err, io.EOF)
	require.Less(t, c.message.Cap(), 16<<10)
}

// countingConn counts the calls of Write.
type countingConn struct {
	net.Conn
	writes int
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes++
	return c.Conn.Write(p)
}

func TestOneWriteForEachFrame(t *testing.T) {
	server, client := net.Pipe()
	counting := &countingConn{Conn: server}
	c := newTester(t, client)
	go func() { c.done <- new(Server).Echo(t.Context(), counting, bufio.NewReader(counting)) }()

	payload := strings.Repeat("x", 60_000)
	c.write(frame(ws.OpBinary, true, payload))
	c.want(ws.OpBinary, payload)
	c.write(frame(ws.OpPing, true, "p"))
	c.want(ws.OpPong, "p")
	c.write(frame(ws.OpClose, true, ""))
	c.want(ws.OpClose, "")
	require.NoError(t, <-c.done)
	require.Equal(t, 3, counting.writes)
}
