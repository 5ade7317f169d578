package wstest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// An assembly is a way to put the packages together: a server that echoes until
// the client closes, and a client that has each of its messages echoed and
// closes then. Both close c themselves, return nil only if all of it went well,
// and show what they received, as far as it came, to seen.
type assembly struct {
	name  string
	step  int64 // from one fault to the next
	serve func(c net.Conn, seen witness) error
	talk  func(c net.Conn, messages []string, seen witness) error
}

// witness looks at bytes that were received.
type witness func(p []byte)

var assemblies = []assembly{
	{"frames", 1, unseen(serveFrames), talk(exchangeFrames)},
	{"helpers", 1, unseen(serveHelpers), talk(exchangeHelpers)},
	{"streams", 1, unseen(serveStreams), talk(exchangeStreams)},
	{"protocol", 1, unseen(serveProtocol), talkProtocol},
	{"websocket", 1, serveConn(nil, echoMessage), talkConn(nil)},
	{"websocket compressed", 1, serveConn(&takeover, echoMessage), talkConn(&takeover)},
	{"websocket streams", 1, serveConn(nil, echoStream), talkConn(nil)},
	{"websocket in all ways", 3, serveConn(nil, echoInTurn), talkInAllWays(nil)},
	{"websocket in all ways, compressed", 1, serveConn(&takeover, echoInTurn), talkInAllWays(&takeover)},
}

var takeover = wsflate.Parameters{}

func unseen(serve func(net.Conn) error) func(net.Conn, witness) error {
	return func(c net.Conn, _ witness) error { return serve(c) }
}

// alphabets are the bytes of the messages of a session. Consecutive sessions
// have no byte in common, so that a byte from a buffer of the previous session
// is detected.
var alphabets = []string{"abcdefg", "hijklmn", "opqrstu", "ABCDEFG"}

// session is what the client says: nothing, little, and more than the buffers
// hold.
func session(n int) []string {
	letters := alphabets[n%len(alphabets)]
	p := make([]byte, 320)
	for i := range p {
		p[i] = letters[(i*i+i/16)%len(letters)]
	}
	return []string{"", string(p[:5]), string(p)}
}

// TestFaultAtEveryByte cuts, blocks and fails a whole session, handshakes and
// farewell included, at each of its bytes, on either side and in either
// direction. Nobody may take it for a good end, hang, or leave a goroutine
// behind: the bubble would not end. Nor may anybody get bytes of the session
// before, whose buffers have gone back; and a session after a fault goes well.
func TestFaultAtEveryByte(t *testing.T) {
	for _, a := range assemblies {
		t.Run(a.name, func(t *testing.T) {
			var whole []sizes
			for n := range alphabets {
				whole = append(whole, play(t, a, n, nil))
			}
			n := 0
			for _, onServer := range []bool{false, true} {
				for _, write := range []bool{false, true} {
					for _, kind := range []wstest.FaultKind{wstest.FaultError, wstest.FaultCut, wstest.FaultBlock} {
						step := a.step
						if testing.Short() || race.Enabled {
							step *= 7
						}
						for at := int64(0); ; at += step {
							size := whole[n%len(whole)].client
							if onServer == write {
								size = whole[n%len(whole)].server
							}
							if at >= size {
								break
							}
							play(t, a, n, &place{wstest.Fault{Kind: kind, Write: write, At: at}, onServer})
							if n++; n%10 == 0 {
								require.Equal(t, whole[n%len(whole)], play(t, a, n, nil))
								n++
							}
						}
					}
				}
			}
		})
	}
}

type place struct {
	wstest.Fault
	onServer bool
}

// sizes are how many bytes each side sent.
type sizes struct{ client, server int64 }

func play(t *testing.T, a assembly, n int, f *place) (sent sizes) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pipe(nil)
		if f != nil && f.onServer {
			server = wstest.InjectFault(server, f.Fault)
		} else if f != nil {
			client = wstest.InjectFault(client, f.Fault)
		}
		client, server = &counting{client, &sent.client}, &counting{server, &sent.server}
		var foreign atomic.Bool
		seen := func(p []byte) {
			if len(bytes.Trim(p, alphabets[n%len(alphabets)])) > 0 {
				foreign.Store(true)
			}
		}
		served := make(chan error, 1)
		go func() { served <- a.serve(server, seen) }()
		talked := a.talk(client, session(n), seen)
		err := <-served
		require.False(t, foreign.Load(), "bytes of another session")
		if f == nil {
			require.NoError(t, talked)
			require.NoError(t, err)
			return
		}
		// The last bytes of a session may be lost on one side only.
		require.Error(t, errors.Join(talked, err), "%+v goes unseen", *f)
	})
	return sent
}

// counting counts what is written.
type counting struct {
	net.Conn
	n *int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	*c.n += int64(n)
	return n, err
}

// within bounds what an assembly without contexts does, as its caller would.
func within(c net.Conn) error { return c.SetDeadline(time.Now().Add(time.Minute)) }

func upgrade(c net.Conn) error {
	if err := within(c); err != nil {
		return err
	}
	if _, err := ws.Upgrade(c); err != nil {
		return err
	}
	return within(c) // Upgrade has cleared the deadline
}

func dial(c net.Conn) (net.Conn, error) {
	d := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return c, within(c) }}
	conn, _, _, err := d.Dial(context.Background(), "ws://test.example/")
	if err == nil {
		err = within(c)
	}
	return conn, err
}

// serveFrames echoes with only package ws.
func serveFrames(c net.Conn) error {
	defer c.Close()
	if err := upgrade(c); err != nil {
		return err
	}
	for {
		f, err := ws.ReadFrame(c)
		if err != nil {
			return err
		}
		f = ws.UnmaskFrameInPlace(f)
		if f.Header.OpCode == ws.OpClose {
			return ws.WriteFrame(c, ws.NewCloseFrame(f.Payload))
		}
		if err := ws.WriteFrame(c, ws.NewFrame(f.Header.OpCode, f.Header.Fin, f.Payload)); err != nil {
			return err
		}
	}
}

// talk is a client that sends each message, holds what comes back against it,
// and closes.
func talk(exchange func(conn net.Conn, m []byte) ([]byte, error)) func(net.Conn, []string, witness) error {
	return func(c net.Conn, messages []string, seen witness) error {
		defer c.Close()
		conn, err := dial(c)
		if err != nil {
			return err
		}
		for _, m := range messages {
			p, err := exchange(conn, []byte(m))
			if seen(p); err != nil {
				return err
			}
			if string(p) != m {
				return fmt.Errorf("%q comes back as %q", m, p)
			}
		}
		return closeRaw(conn)
	}
}

func exchangeFrames(conn net.Conn, m []byte) ([]byte, error) {
	if err := ws.WriteFrame(conn, ws.MaskFrame(ws.NewTextFrame(m))); err != nil {
		return nil, err
	}
	f, err := ws.ReadFrame(conn)
	return f.Payload, err
}

// closeRaw closes as a client, and waits for the answer.
func closeRaw(c net.Conn) error {
	body := ws.NewCloseFrameBody(ws.StatusNormalClosure, "")
	if err := ws.WriteFrame(c, ws.MaskFrame(ws.NewCloseFrame(body))); err != nil {
		return err
	}
	f, err := ws.ReadFrame(c)
	if err == nil && (f.Header.OpCode != ws.OpClose || !slices.Equal(f.Payload, body)) {
		err = fmt.Errorf("the answer to a close frame is %v", f)
	}
	return err
}

// closed makes a good end of the peer's close frame.
func closed(err error) error {
	var e wsutil.ClosedError
	if errors.As(err, &e) && e.Code == ws.StatusNormalClosure {
		return nil
	}
	return err
}

// serveHelpers echoes with the functions of wsutil.
func serveHelpers(c net.Conn) error {
	defer c.Close()
	if err := upgrade(c); err != nil {
		return err
	}
	for {
		p, op, err := wsutil.ReadClientData(c)
		if err != nil {
			return closed(err)
		}
		if err := wsutil.WriteServerMessage(c, op, p); err != nil {
			return err
		}
	}
}

func exchangeHelpers(conn net.Conn, m []byte) ([]byte, error) {
	if err := wsutil.WriteClientText(conn, m); err != nil {
		return nil, err
	}
	return wsutil.ReadServerText(conn)
}

// serveStreams echoes with Reader and Writer, in fragments of 16 bytes.
func serveStreams(c net.Conn) error {
	defer c.Close()
	if err := upgrade(c); err != nil {
		return err
	}
	r := wsutil.NewServerSideReader(c)
	r.OnIntermediate = wsutil.ControlFrameHandler(c, ws.StateServerSide)
	for {
		h, err := r.NextFrame()
		if err != nil {
			return err
		}
		if h.OpCode.IsControl() {
			if err := r.OnIntermediate(h, r); err != nil {
				return closed(err)
			}
			continue
		}
		w := wsutil.NewWriterSize(c, ws.StateServerSide, h.OpCode, 16)
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
}

func exchangeStreams(conn net.Conn, m []byte) ([]byte, error) {
	w := wsutil.NewWriterSize(conn, ws.StateClientSide, ws.OpText, 16)
	if _, err := w.Write(m); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	r := wsutil.NewClientSideReader(conn)
	if _, err := r.NextFrame(); err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// serveProtocol echoes with the protocol without I/O.
func serveProtocol(c net.Conn) error {
	defer c.Close()
	if err := upgrade(c); err != nil {
		return err
	}
	p := wsutil.NewProtocol(&wsutil.Config{State: ws.StateServerSide})
	return drive(c, p, func(out []byte, ev wsutil.Event) ([]byte, error) {
		return p.AppendMessage(out, ev.OpCode, ev.Payload)
	})
}

func talkProtocol(c net.Conn, messages []string, seen witness) error {
	defer c.Close()
	conn, err := dial(c)
	if err != nil {
		return err
	}
	p := wsutil.NewProtocol(&wsutil.Config{State: ws.StateClientSide})
	next := func(out []byte) ([]byte, error) {
		if len(messages) == 0 {
			return p.AppendClose(out, ws.StatusNormalClosure, "")
		}
		return p.AppendMessage(out, ws.OpText, []byte(messages[0]))
	}
	out, err := next(nil)
	if err != nil {
		return err
	}
	if _, err := conn.Write(out); err != nil {
		return err
	}
	return drive(conn, p, func(out []byte, ev wsutil.Event) ([]byte, error) {
		seen(ev.Payload)
		if string(ev.Payload) != messages[0] {
			return out, fmt.Errorf("%q comes back as %q", messages[0], ev.Payload)
		}
		messages = messages[1:]
		return next(out)
	})
}

// drive reads until the peer has closed, and writes what handle and the
// protocol have to say to each event.
func drive(c net.Conn, p *wsutil.Protocol, handle func(out []byte, ev wsutil.Event) ([]byte, error)) error {
	in, out := make([]byte, 64), []byte(nil)
	for {
		n, err := c.Read(in)
		if err != nil {
			return p.EOF()
		}
		for rest := in[:n]; ; {
			ev, k, err := p.NextMessage(rest)
			if errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if err != nil {
				return closed(err)
			}
			rest = rest[k:]
			out = out[:0]
			if ev.OpCode.IsControl() {
				out = p.AppendReply(out, ev)
			} else if out, err = handle(out, ev); err != nil {
				return err
			}
			if len(out) == 0 {
				continue
			}
			if _, err := c.Write(out); err != nil {
				return err
			}
		}
	}
}

// open makes a connection of c after its handshake.
func open(c net.Conn, side ws.State, p *wsflate.Parameters) (*websocket.Conn, error) {
	var hs ws.Handshake
	if p != nil {
		hs.Extensions = []httphead.Option{p.Option()}
	}
	return websocket.NewConn(c, nil, hs, side, &websocket.ConnOptions{WriteTimeout: time.Minute, FragmentSize: 128})
}

// echoer sends message i back, and reports whether there are more.
type echoer func(ctx context.Context, conn *websocket.Conn, i int, seen witness) (more bool, err error)

// serveConn echoes with the connection of package websocket.
func serveConn(p *wsflate.Parameters, next echoer) func(net.Conn, witness) error {
	return func(c net.Conn, seen witness) error {
		if err := upgrade(c); err != nil {
			c.Close()
			return err
		}
		conn, err := open(c, ws.StateServerSide, p)
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for i, more := 0, true; more && err == nil; i++ {
			more, err = next(ctx, conn, i, seen)
		}
		return err
	}
}

func echoMessage(ctx context.Context, conn *websocket.Conn, _ int, seen witness) (more bool, err error) {
	typ, p, err := conn.Read(ctx)
	if seen(p); err != nil {
		return false, normal(err)
	}
	return true, conn.Write(ctx, typ, p)
}

func echoStream(ctx context.Context, conn *websocket.Conn, _ int, seen witness) (more bool, err error) {
	typ, r, err := conn.Reader(ctx)
	if err != nil {
		return false, normal(err)
	}
	w, err := conn.Writer(ctx, typ)
	if err != nil {
		return false, err
	}
	if _, err := io.Copy(w, io.TeeReader(r, seen)); err != nil {
		return false, err
	}
	return true, w.Close()
}

func (seen witness) Write(p []byte) (int, error) {
	seen(p)
	return len(p), nil
}

func echoAppended(ctx context.Context, conn *websocket.Conn, _ int, seen witness) (more bool, err error) {
	typ, p, err := conn.ReadAppend(ctx, make([]byte, 0, 16))
	if seen(p); err != nil {
		return false, normal(err)
	}
	return true, conn.Write(ctx, typ, p)
}

func echoInTurn(ctx context.Context, conn *websocket.Conn, i int, seen witness) (more bool, err error) {
	return []echoer{echoMessage, echoStream, echoAppended}[(i+i/3)%3](ctx, conn, i, seen) // each size in each way
}

// normal makes a good end of the peer's close frame.
func normal(err error) error {
	if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
		return nil
	}
	return err
}

// dialConn opens a connection of package websocket, and closes it when f has
// returned.
func dialConn(c net.Conn, p *wsflate.Parameters, f func(ctx context.Context, conn *websocket.Conn) error) error {
	raw, err := dial(c)
	if err != nil {
		c.Close()
		return err
	}
	conn, err := open(raw, ws.StateClientSide, p)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := f(ctx, conn); err != nil {
		return err
	}
	return conn.Close(websocket.StatusNormalClosure, "")
}

func talkConn(p *wsflate.Parameters) func(net.Conn, []string, witness) error {
	return func(c net.Conn, messages []string, seen witness) error {
		return dialConn(c, p, func(ctx context.Context, conn *websocket.Conn) error {
			for _, m := range messages {
				if err := conn.Write(ctx, websocket.MessageText, []byte(m)); err != nil {
					return err
				}
				if err := receive(ctx, conn, m, seen); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// receive reads a message as it comes, and holds it against the one that was
// sent.
func receive(ctx context.Context, conn *websocket.Conn, want string, seen witness) error {
	_, r, err := conn.Reader(ctx)
	if err != nil {
		return err
	}
	p, err := io.ReadAll(io.TeeReader(r, seen))
	if err == nil && string(p) != want {
		err = fmt.Errorf("%q comes back as %q", want, p)
	}
	return err
}

// talkInAllWays is a client that sends its messages in each way in which a
// connection can: cut into frames, by a Writer, prepared, with a ping between
// them.
func talkInAllWays(p *wsflate.Parameters) func(net.Conn, []string, witness) error {
	return func(c net.Conn, messages []string, seen witness) error {
		return dialConn(c, p, func(ctx context.Context, conn *websocket.Conn) error {
			pinged := make(chan error, 1)
			go func() { pinged <- conn.Ping(ctx) }()
			synctest.Wait() // the pong has come, and the next read sees it
			for _, send := range []func(context.Context, *websocket.Conn, string) error{sendWhole, sendByWriter, sendPrepared} {
				for _, m := range messages {
					if err := send(ctx, conn, m); err != nil {
						return err
					}
					if err := receive(ctx, conn, m, seen); err != nil {
						return err
					}
				}
			}
			return <-pinged
		})
	}
}

func sendWhole(ctx context.Context, conn *websocket.Conn, m string) error {
	return conn.Write(ctx, websocket.MessageText, []byte(m))
}

func sendByWriter(ctx context.Context, conn *websocket.Conn, m string) error {
	w, err := conn.Writer(ctx, websocket.MessageBinary)
	if err != nil {
		return err
	}
	for part := range slices.Chunk([]byte(m), 100) {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}

func sendPrepared(ctx context.Context, conn *websocket.Conn, m string) error {
	prepared, err := websocket.NewPreparedMessage(websocket.MessageText, []byte(m))
	if err != nil {
		return err
	}
	return conn.WritePrepared(ctx, prepared)
}
