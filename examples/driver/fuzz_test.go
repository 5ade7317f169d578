package driver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/driver"
	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// scripted is a transport that yields in, step bytes at a time, and keeps what
// is written.
type scripted struct {
	net.Conn   // nil
	in         []byte
	step       int
	out        []byte
	halfClosed bool
	closed     bool
}

func (s *scripted) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), s.step)], s.in)
	s.in = s.in[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (s *scripted) Write(p []byte) (int, error) {
	s.out = append(s.out, p...)
	return len(p), nil
}

func (s *scripted) CloseWrite() error                { s.halfClosed = true; return nil }
func (s *scripted) Close() error                     { s.closed = true; return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

// setup is what a byte of options stands for.
type setup struct {
	side     ws.State
	compress bool
	agreed   wsflate.Parameters
	limit    int64
	fragment int
	closes   bool // this side closes after two messages
}

func newSetup(options byte) setup {
	s := setup{side: ws.StateServerSide, limit: 1 << 16, fragment: 1 << 15}
	if options&1 != 0 {
		s.side = ws.StateClientSide
	}
	s.compress = options&2 != 0
	if s.compress && options&4 != 0 {
		s.agreed = wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}
	}
	if options&8 != 0 {
		s.limit = 100
	}
	s.closes = options&16 != 0
	if options&32 != 0 {
		s.fragment = 40
	}
	return s
}

// outcome is all that a connection has made of its input.
type outcome struct {
	messages   []string
	sent       []ws.Frame // unmasked
	halfClosed bool
	closed     bool
	closing    wsutil.Closing
	err        error
}

const mostEchoed = 2 // messages before this side closes, if it does

func (s setup) drive(in []byte, step int) (o outcome) {
	t := &scripted{in: in, step: step}
	c := driver.New(t, nil, s.side, s.agreed, s.compress, driver.Options{
		Config: wsutil.Config{MaxMessage: s.limit, FragmentSize: s.fragment},
		Sender: wsflate.SenderConfig{Threshold: s.threshold()},
	})
	o.err = c.Run(context.Background(), func(c *driver.Conn, m wsutil.Event) {
		o.messages = append(o.messages, string(m.Payload))
		c.Send(m.OpCode, m.Payload)
		if s.closes && len(o.messages) == mostEchoed {
			c.Close(ws.StatusNormalClosure, "enough")
		}
	})
	o.closing = c.Status().Closing
	o.take(t)
	return o
}

// threshold is the one of package websocket.
func (s setup) threshold() int {
	if s.agreed.ServerNoContextTakeover {
		return 512
	}
	return 128
}

func (s setup) conn(t *testing.T, in []byte, step int) (o outcome) {
	transport := &scripted{in: in, step: step}
	var hs ws.Handshake
	if s.compress {
		hs.Extensions = []httphead.Option{s.agreed.Option()}
	}
	c, err := websocket.NewConn(transport, nil, hs, s.side, &websocket.ConnOptions{ReadLimit: s.limit, FragmentSize: s.fragment})
	require.NoError(t, err)
	ctx := context.Background()
	for {
		typ, p, err := c.Read(ctx)
		if err != nil {
			break
		}
		o.messages = append(o.messages, string(p))
		c.Write(ctx, typ, p)
		if s.closes && len(o.messages) == mostEchoed {
			c.Close(websocket.StatusNormalClosure, "enough")
		}
	}
	<-c.Done()
	r := c.CloseRecord()
	o.closing = wsutil.Closing{Sent: ws.StatusCode(r.Sent), Received: ws.StatusCode(r.Received), PeerFirst: r.PeerFirst}
	o.err = r.Err
	o.take(transport)
	return o
}

// take takes what was done to the transport.
func (o *outcome) take(t *scripted) {
	o.halfClosed, o.closed = t.halfClosed, t.closed
	for r := bytes.NewReader(t.out); r.Len() > 0; {
		f, err := ws.ReadFrame(r)
		if err != nil {
			panic(err) // what was sent ends with a frame
		}
		ws.Cipher(f.Payload, f.Header.Mask, 0)
		f.Header.Mask = [4]byte{}
		o.sent = append(o.sent, f)
	}
}

// compare requires that a driver and a websocket.Conn have come to the same.
// They may differ in two points, both of which follow from the size of what
// they read at once:
//
//   - A server that has answered a close frame ends its direction first if more input has
//     arrived, and otherwise closes at once (RFC 6455, section 7.1.1): what has arrived is what
//     was read.
//   - The error of package websocket has its own text and types.
func compare(t *testing.T, want, got outcome) {
	t.Helper()
	require.Equal(t, want.messages, got.messages)
	require.Equal(t, want.sent, got.sent)
	require.Equal(t, want.closing, got.closing)
	require.True(t, got.closed && want.closed)
	if !got.closing.Done() {
		require.Equal(t, want.halfClosed, got.halfClosed)
	}
	var fault *ws.ProtocolError
	closed, ok := errors.AsType[wsutil.ClosedError](got.err)
	switch {
	case ok && closed.Code == ws.StatusAbnormalClosure:
		require.ErrorIs(t, want.err, io.EOF)
	case ok:
		require.ErrorIs(t, want.err, websocket.CloseError{Code: websocket.StatusCode(closed.Code), Reason: closed.Reason})
	case errors.As(got.err, &fault):
		require.ErrorIs(t, want.err, fault)
	default:
		require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
		require.ErrorIs(t, want.err, io.ErrUnexpectedEOF)
	}
}

// FuzzDriver gives the same bytes to a driver and to a websocket.Conn: the same
// messages are read, the same frames are sent, and the connection ends in the
// same way.
func FuzzDriver(f *testing.F) {
	for options := range 256 {
		f.Add(seed(newSetup(byte(options)), options), uint16(options*37), byte(options))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint16, options byte) {
		s := newSetup(options)
		for _, step := range []int{1 + int(step), 1 << 20} {
			compare(t, s.conn(t, bytes.Clone(in), step), s.drive(bytes.Clone(in), step))
		}
	})
}

// seed returns what a peer may send, with a fault at times.
func seed(s setup, n int) (in []byte) {
	peer := ws.StateClientSide
	if s.side.ClientSide() {
		peer = ws.StateServerSide
	}
	cfg := wsutil.Config{State: peer, FragmentSize: 30}
	if s.compress {
		cfg.Inflater, cfg.Deflater = wsflate.NewReceiver(s.agreed, peer), wsflate.NewSender(s.agreed, peer, nil)
	}
	c := wsutil.NewProtocol(&cfg)
	add := func(f ws.Frame) {
		if peer.ClientSide() {
			f = ws.MaskFrame(f)
		}
		in = ws.AppendFrame(in, f)
	}
	in, _ = c.AppendMessage(in, ws.OpText, []byte("text €"))
	in, _ = c.AppendPing(in, []byte("ping"))
	in, _ = c.AppendMessage(in, ws.OpBinary, bytes.Repeat([]byte("0123456789"), 9))
	add(ws.NewFrame(ws.OpText, false, []byte("begins ")))
	add(ws.NewFrame(ws.OpPing, true, []byte("within")))
	add(ws.NewFrame(ws.OpContinuation, true, []byte("and ends")))
	in, _ = c.AppendMessage(in, ws.OpText, bytes.Repeat([]byte("again "), 16))
	switch n / 64 {
	case 0:
		add([]ws.Frame{
			ws.NewTextFrame([]byte("\xff")), ws.NewFrame(ws.OpContinuation, true, nil),
			ws.NewFrame(ws.OpPing, false, nil), ws.NewFrame(3, true, nil), ws.NewCloseFrame([]byte{3}),
			ws.NewBinaryFrame(make([]byte, 1<<16+1)), ws.NewBinaryFrame(make([]byte, 101)),
			{Header: ws.Header{Fin: true, OpCode: ws.OpText, Rsv: 2}},
		}[n/8%8])
	case 1:
		for _, size := range []int{20_000, 1 << 16} {
			in, _ = c.AppendFragment(in, ws.Header{Fin: true, OpCode: ws.OpBinary}, make([]byte, size))
		}
	case 2:
		return in[:len(in)-n%64]
	}
	in, _ = c.AppendClose(in, ws.StatusNormalClosure, "bye")
	if n%8 == 7 {
		in = append(in, "behind"...)
	}
	return in
}
