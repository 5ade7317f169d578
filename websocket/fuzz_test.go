package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// scripted is a transport that yields in, step bytes at a time, and keeps what is written.
type scripted struct {
	in   []byte
	step int
	out  bytes.Buffer
}

func (s *scripted) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), s.step)], s.in)
	s.in = s.in[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (s *scripted) Write(p []byte) (int, error) { return s.out.Write(p) }
func (s *scripted) Close() error                { return nil }

// fuzzCase is what a byte of options stands for.
type fuzzCase struct {
	client  bool
	flate   *wsflate.Parameters
	limit   int64
	ctx     context.Context
	readAll func(context.Context, *Conn) ([]Message, error)
}

func newFuzzCase(options byte, cancellable context.Context) fuzzCase {
	c := fuzzCase{client: options&1 != 0, limit: 1 << 16, ctx: background, readAll: fuzzReads[options>>5%3]}
	if options&2 != 0 {
		c.flate = &wsflate.Parameters{ServerNoContextTakeover: options&4 != 0, ClientNoContextTakeover: options&4 != 0}
	}
	if options&8 != 0 {
		c.limit = 100
	}
	if options&16 != 0 {
		c.ctx = cancellable
	}
	return c
}

// state is that of the receiving side, or of its peer.
func (c fuzzCase) state(peer bool) ws.State {
	state := ws.StateServerSide
	if c.client != peer {
		state = ws.StateClientSide
	}
	if c.flate != nil {
		state |= ws.StateRSV1
	}
	return state
}

var fuzzReads = [3]func(context.Context, *Conn) ([]Message, error){
	func(ctx context.Context, c *Conn) (read []Message, err error) {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				return read, err
			}
			read = append(read, m)
		}
		return read, nil
	},
	func(ctx context.Context, c *Conn) (read []Message, err error) {
		for {
			typ, p, err := c.ReadAppend(ctx, []byte("before"))
			if err != nil {
				return read, err
			}
			read = append(read, Message{typ, bytes.TrimPrefix(p, []byte("before"))})
		}
	},
	func(ctx context.Context, c *Conn) (read []Message, err error) {
		for {
			typ, r, err := c.Reader(ctx)
			if err != nil {
				return read, err
			}
			p, err := io.ReadAll(r)
			if err != nil {
				return read, err
			}
			read = append(read, Message{typ, p})
		}
	},
}

// expect returns what the protocol makes of in.
func (c fuzzCase) expect(in []byte) (read []Message, err error) {
	wire := c.limit
	if c.flate != nil {
		wire += c.limit/8 + 1024 // what is compressed may be longer there
	}
	protocol := wsutil.NewProtocol(&wsutil.Config{State: c.state(false), MaxMessage: wire})
	var inflater *wsflate.Receiver
	if c.flate != nil {
		inflater = wsflate.NewReceiver(*c.flate, c.state(false))
		defer inflater.Close()
	}
	for {
		ev, n, err := protocol.NextMessage(in)
		in = in[n:]
		switch {
		case err == io.ErrUnexpectedEOF:
			return read, protocol.EOF()
		case err != nil:
			return read, err
		case ev.OpCode.IsControl():
			continue
		}
		p := bytes.Clone(ev.Payload)
		if ev.Rsv == 0 && int64(len(p)) > c.limit {
			return read, wsutil.ErrMessageTooLarge
		}
		if ev.Rsv != 0 {
			p, err = inflater.Append([]byte{}, ev.Payload, true, c.limit)
			if err == nil && ev.OpCode == ws.OpText && !utf8.Valid(p) {
				err = ws.ErrProtocolInvalidUTF8
			}
			if err != nil {
				return read, err
			}
		}
		read = append(read, Message{MessageType(ev.OpCode), p})
	}
}

// requireConn checks what a connection makes of in, cut in any way.
func requireConn(t *testing.T, k fuzzCase, in []byte, step int) {
	transport := &scripted{in: bytes.Clone(in), step: step}
	c := newConn(connConfig{
		transport: transport, client: k.client, flate: k.flate,
		ConnOptions: ConnOptions{ReadLimit: k.limit, Stats: new(Stats)},
	})
	read, err := k.readAll(k.ctx, c)
	want, why := k.expect(bytes.Clone(in))
	require.Equal(t, len(want), len(read))
	for i := range want {
		require.Equal(t, want[i].Type, read[i].Type)
		require.True(t, bytes.Equal(want[i].Data, read[i].Data))
	}
	<-c.Done()
	_, _, again := c.Read(background)
	require.Equal(t, err.Error(), again.Error(), "for ever")
	require.Error(t, c.Write(background, MessageText, nil))
	require.Equal(t, c.CloseRecord().Clean, c.Close(StatusNormalClosure, "") == nil)

	sent := k.requireSound(t, transport.out.Bytes())
	if k.flate != nil {
		return // parts of a message may be at fault before the whole is there
	}
	var fault *ws.ProtocolError
	switch closed, ok := errors.AsType[wsutil.ClosedError](why); {
	case errors.Is(why, io.ErrUnexpectedEOF):
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	case ok && closed.Code == ws.StatusAbnormalClosure:
		require.ErrorIs(t, err, io.EOF)
	case ok:
		require.ErrorIs(t, err, CloseError{StatusCode(closed.Code), closed.Reason})
		require.Equal(t, wsutil.CloseCode(closed), sent)
	case errors.As(why, &fault):
		require.ErrorIs(t, err, fault)
		require.Equal(t, wsutil.CloseCode(why), sent)
	default:
		require.Equal(t, wsutil.CloseCode(why), sent)
	}
}

// requireSound checks that a peer finds nothing wrong with what was sent, and returns the code
// of the close frame, which is the last one.
func (k fuzzCase) requireSound(t *testing.T, out []byte) (code ws.StatusCode) {
	peer := wsutil.NewProtocol(&wsutil.Config{State: k.state(true)})
	for len(out) > 0 {
		ev, n, err := peer.Next(out)
		require.NoError(t, err)
		out = out[n:]
		require.True(t, ev.OpCode.IsControl(), "nothing was written but replies")
		if ev.OpCode == ws.OpClose {
			require.Empty(t, out)
			code, _, _ = ws.ParseCloseBody(ev.Payload)
		}
	}
	return code
}

// FuzzConn: for any input, a connection neither panics nor hangs, and reads the
// same messages as the protocol.
func FuzzConn(f *testing.F) {
	for options := range 256 {
		f.Add(fuzzSeed(newFuzzCase(byte(options), background), options), uint8(options*37), byte(options))
	}
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	f.Fuzz(func(t *testing.T, in []byte, step uint8, options byte) {
		k := newFuzzCase(options, ctx)
		requireConn(t, k, in, 1+int(step))
		requireConn(t, k, in, 1<<20)
	})
}

// fuzzSeed returns what a peer may send, with a fault at times.
func fuzzSeed(k fuzzCase, n int) (in []byte) {
	add := func(f ws.Frame) {
		if !k.client {
			f = ws.MaskFrame(f)
		}
		in = ws.AppendFrame(in, f)
	}
	add(ws.NewTextFrame([]byte("text €")))
	add(ws.NewFrame(ws.OpBinary, false, telling(60)))
	add(ws.NewPingFrame([]byte("ping")))
	add(ws.NewFrame(ws.OpContinuation, true, telling(30)))
	if k.flate != nil {
		sender := wsflate.NewSender(*k.flate, k.state(true), nil)
		for range 2 {
			p, _ := sender.AppendMessage(nil, bytes.Repeat([]byte("again "), 50))
			half := len(p) / 2
			first := ws.NewFrame(ws.OpText, false, p[:half])
			first.Header.Rsv = ws.Rsv(true, false, false)
			add(first)
			add(ws.NewFrame(ws.OpContinuation, true, p[half:]))
		}
		sender.Close()
	}
	switch n / 3 % 8 {
	case 0:
		add(ws.NewTextFrame([]byte("\xff")))
	case 1:
		add(ws.NewFrame(ws.OpContinuation, true, nil))
	case 2:
		add(ws.NewBinaryFrame(telling(20_000)))
		add(ws.NewBinaryFrame(telling(1 << 16)))
		add(ws.NewBinaryFrame(telling(1<<16 + 1)))
	case 5:
		add(ws.NewBinaryFrame(telling(100)))
		add(ws.NewBinaryFrame(telling(101)))
	case 3:
		in = append(in, 0x82, 127, 0, 0)
	case 4:
		add(ws.NewFrame(ws.OpPing, true, nil))
		in = in[:len(in)-1]
	}
	add(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "bye")))
	return in
}
