package driver_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/driver"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// peer is the other side: it sends bytes and notes what arrives, and when.
type peer struct {
	net.Conn
	t        *testing.T
	begin    time.Time
	protocol *wsutil.Protocol
}

// write sends what append makes.
func (p *peer) write(append func(dst []byte) ([]byte, error)) {
	out, err := append(nil)
	require.NoError(p.t, err)
	_, err = p.Write(out)
	require.NoError(p.t, err)
}

func (p *peer) send(message string) {
	p.write(func(dst []byte) ([]byte, error) { return p.protocol.AppendMessage(dst, ws.OpText, []byte(message)) })
}

// want reads until the next frame, which has to be this one, at this time.
func (p *peer) want(op ws.OpCode, payload string, at time.Duration) {
	p.t.Helper()
	f, err := ws.ReadFrame(p)
	require.NoError(p.t, err)
	ws.Cipher(f.Payload, f.Header.Mask, 0)
	require.Equal(p.t, op, f.Header.OpCode)
	require.Equal(p.t, payload, string(f.Payload))
	require.Equal(p.t, at, time.Since(p.begin))
}

// wantEnd reads the end of the stream, at this time.
func (p *peer) wantEnd(at time.Duration) {
	p.t.Helper()
	n, err := p.Read(make([]byte, 1))
	require.Zero(p.t, n)
	require.Error(p.t, err)
	require.Equal(p.t, at, time.Since(p.begin))
}

// run tests a driver of this side against the script of its peer. It returns
// when Run has returned, and what.
func run(t *testing.T, side ws.State, o driver.Options, handle func(*driver.Conn, wsutil.Event), script func(p *peer, cancel func())) (at time.Duration, err error) {
	return runOver(t, func() (net.Conn, net.Conn) { return wstest.Pipe(nil) }, side, o, handle, script)
}

// runOver is run over a transport of its own.
func runOver(t *testing.T, pipe func() (ours, theirs net.Conn), side ws.State, o driver.Options, handle func(*driver.Conn, wsutil.Event), script func(p *peer, cancel func())) (at time.Duration, err error) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := pipe()
		p := &peer{theirs, t, time.Now(), wsutil.NewProtocol(&wsutil.Config{State: ws.StateClientSide})}
		if side.ClientSide() {
			p.protocol = wsutil.NewProtocol(nil)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan struct{})
		go func() {
			defer close(done)
			err = driver.New(ours, nil, side, wsflate.Parameters{}, false, o).Run(ctx, handle)
			at = time.Since(p.begin)
		}()
		script(p, cancel)
		<-done
		theirs.Close()
	})
	return at, err
}

const second = time.Second

// The peer says nothing: it is asked, and then told to go.
func TestKeepAlive(t *testing.T) {
	for _, side := range []ws.State{ws.StateServerSide, ws.StateClientSide} {
		o := driver.Options{Config: wsutil.Config{KeepAlive: 30 * second, KeepAliveTimeout: 10 * second}}
		at, err := run(t, side, o, driver.Echo, func(p *peer, _ func()) {
			p.want(ws.OpPing, "", 30*second)
			p.write(func(dst []byte) ([]byte, error) { return p.protocol.AppendPong(dst, nil) })
			p.want(ws.OpPing, "", 60*second)
			p.want(ws.OpClose, "\x03\xf0the peer did not answer the keepalive ping in time", 70*second)
			p.wantEnd(70 * second)
		})
		require.Equal(t, wsutil.ErrKeepAlive, err)
		require.Equal(t, 70*second, at)
	}
}

// Only the silence of the peer counts, not the time in which nobody reads.
func TestReadIdle(t *testing.T) {
	o := driver.Options{Config: wsutil.Config{ReadIdleTimeout: 5 * second}}
	slow := func(c *driver.Conn, m wsutil.Event) {
		time.Sleep(20 * second) // of the bubble: the handler works
		driver.Echo(c, m)
	}
	at, err := run(t, ws.StateServerSide, o, slow, func(p *peer, _ func()) {
		p.send("a")
		p.want(ws.OpText, "a", 20*second)
		p.want(ws.OpClose, "\x03\xf0the peer was silent for longer than ReadIdleTimeout", 25*second)
		p.wantEnd(25 * second)
	})
	require.Equal(t, wsutil.ErrReadIdle, err)
	require.Equal(t, 25*second, at)
}

// Nor does the time in which a ping waits to be written.
func TestReadIdleWhilePinging(t *testing.T) {
	o := driver.Options{Config: wsutil.Config{ReadIdleTimeout: 5 * second, KeepAlive: 3 * second, KeepAliveTimeout: time.Minute}}
	narrow := func() (net.Conn, net.Conn) { return wstest.Pipe(&wstest.PipeOptions{Buffer: 1}) }
	at, err := runOver(t, narrow, ws.StateServerSide, o, driver.Echo, func(p *peer, _ func()) {
		time.Sleep(9 * second) // of the bubble
		io.Copy(io.Discard, p)
	})
	require.Equal(t, wsutil.ErrReadIdle, err)
	require.Equal(t, 11*second, at)
}

// The closing handshake that this side begins (RFC 6455, section 7.1.2):
// messages are dropped until the peer's close frame arrives, or until
// CloseTimeout.
func TestClose_RFC6455_7_1_2(t *testing.T) {
	calls := 0
	bye := func(c *driver.Conn, m wsutil.Event) {
		calls++
		require.NoError(t, c.Close(ws.StatusNormalClosure, "bye"))
		require.ErrorIs(t, c.Send(ws.OpText, nil), wsutil.ErrClosing)
	}
	for _, side := range []ws.State{ws.StateServerSide, ws.StateClientSide} {
		calls = 0
		at, err := run(t, side, driver.Options{}, bye, func(p *peer, _ func()) {
			p.send("a")
			p.want(ws.OpClose, "\x03\xe8bye", 0)
			p.send("b")
			p.wantEnd(wsutil.DefaultCloseTimeout)
		})
		require.Equal(t, wsutil.ErrCloseTimeout, err)
		require.Equal(t, wsutil.DefaultCloseTimeout, at)
		require.Equal(t, 1, calls)
	}
	at, err := run(t, ws.StateServerSide, driver.Options{}, bye, func(p *peer, _ func()) {
		p.send("a")
		p.want(ws.OpClose, "\x03\xe8bye", 0)
		p.send("b")
		p.write(func(dst []byte) ([]byte, error) { return p.protocol.AppendClose(dst, 4000, "") })
		p.wantEnd(0) // a server closes first (section 7.1.1)
	})
	require.Equal(t, wsutil.ClosedError{Code: 4000}, err)
	require.Zero(t, at)
	at, err = run(t, ws.StateClientSide, driver.Options{}, bye, func(p *peer, _ func()) {
		p.send("a")
		p.want(ws.OpClose, "\x03\xe8bye", 0)
		p.write(func(dst []byte) ([]byte, error) { return p.protocol.AppendClose(dst, 4000, "") })
		p.wantEnd(wsutil.LingerTime) // the server should have closed
	})
	require.Equal(t, wsutil.ClosedError{Code: 4000}, err)
	require.Equal(t, wsutil.LingerTime, at)
}

// The end of the context, also before Run: the peer is told to go.
func TestContext(t *testing.T) {
	for _, wait := range []time.Duration{0, second} {
		at, err := run(t, ws.StateServerSide, driver.Options{}, driver.Echo, func(p *peer, cancel func()) {
			time.Sleep(wait) // of the bubble
			cancel()
			p.want(ws.OpClose, "\x03\xe9", wait)
			p.write(func(dst []byte) ([]byte, error) { return p.protocol.AppendClose(dst, ws.StatusGoingAway, "") })
			p.wantEnd(wait)
		})
		require.Equal(t, wsutil.ClosedError{Code: ws.StatusGoingAway}, err)
		require.Equal(t, wait, at)
	}
}

// After a fault of the peer or input after a close frame, this side ends its
// direction immediately, and drops input for a while, so that the peer can read
// the close frame (RFC 6455, sections 7.1.1 and 7.1.7).
func TestEndOfTransport_RFC6455_7_1_1(t *testing.T) {
	at, err := run(t, ws.StateServerSide, driver.Options{Config: wsutil.Config{MaxMessage: 3}}, driver.Echo, func(p *peer, _ func()) {
		p.send("abc")
		p.send("abcd")
		p.send("e")
		p.want(ws.OpText, "abc", 0)
		p.want(ws.OpClose, "\x03\xf1message is longer than the limit", 0)
		p.wantEnd(0)
	})
	require.Equal(t, wsutil.ErrMessageTooLarge, err)
	require.Equal(t, wsutil.LingerTime, at)

	at, err = run(t, ws.StateServerSide, driver.Options{}, driver.Echo, func(p *peer, _ func()) {
		p.write(func(dst []byte) ([]byte, error) {
			dst, err := p.protocol.AppendClose(dst, ws.StatusNormalClosure, "")
			return append(dst, "behind"...), err
		})
		p.want(ws.OpClose, "\x03\xe8", 0)
		p.wantEnd(0)
	})
	require.Equal(t, wsutil.ClosedError{Code: ws.StatusNormalClosure}, err)
	require.Equal(t, wsutil.LingerTime, at)

	at, err = run(t, ws.StateServerSide, driver.Options{}, driver.Echo, func(p *peer, _ func()) {
		p.write(func(dst []byte) ([]byte, error) { return append(dst, 0x81, 0x85), nil })
		p.Close()
	})
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Zero(t, at)
}

// A transport that cannot half-close: a peer that was told of its fault is not
// waited for as long, since it does not see the end.
func TestNoHalfClose(t *testing.T) {
	whole := func() (net.Conn, net.Conn) {
		ours, theirs := wstest.Pipe(nil)
		return struct{ net.Conn }{ours}, theirs
	}
	at, err := runOver(t, whole, ws.StateServerSide, driver.Options{}, driver.Echo, func(p *peer, _ func()) {
		p.send("\xff")
		p.want(ws.OpClose, "\x03\xeftext is not valid UTF-8", 0)
		p.wantEnd(wsutil.LingerTime / 10)
	})
	require.Equal(t, wsutil.ErrInvalidUTF8, err)
	require.Equal(t, wsutil.LingerTime/10, at)
}

// The peer reads nothing: the connection ends after WriteTimeout, and nothing
// follows a frame that may be cut off.
func TestWriteTimeout(t *testing.T) {
	var again error
	flood := func(c *driver.Conn, m wsutil.Event) {
		for again == nil {
			again = c.Send(ws.OpBinary, make([]byte, 40<<10))
		}
		again = c.Send(ws.OpBinary, make([]byte, 40<<10))
	}
	at, err := run(t, ws.StateServerSide, driver.Options{WriteTimeout: 3 * second}, flood, func(p *peer, _ func()) {
		p.send("a")
	})
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Equal(t, err, again)
	require.Equal(t, 3*second, at)
}

// A whole connection, of both sides, with compression and messages of many
// sizes; then Serve ends with its context.
func TestEcho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, compress := range []bool{false, true} {
			ours, theirs := wstest.Pipe(nil)
			accepted := make(chan error, 1)
			o := driver.Options{Compress: compress}
			go func() {
				c, err := driver.Accept(ours, o)
				if err == nil {
					err = c.Run(t.Context(), driver.Echo)
				}
				accepted <- err
			}()
			offer := wsflate.Parameters{ClientMaxWindowBits: wsflate.AnyWindowBits}
			d := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return theirs, nil }}
			if compress {
				d.Extensions = append(d.Extensions, offer.Option())
			}
			conn, _, hs, err := d.Dial(t.Context(), "ws://server.example/")
			require.NoError(t, err)
			require.Equal(t, compress, len(hs.Extensions) > 0)
			if compress {
				offer, err = offer.Confirm(hs.Extensions[0])
				require.NoError(t, err)
			}
			c := driver.New(conn, nil, ws.StateClientSide, offer, compress, o)
			sizes := []int{0, 1, 125, 126, 4096, 65_535, 65_536, 300_000}
			next := 0
			send := func() {
				require.NoError(t, c.Send(ws.OpText, []byte(strings.Repeat("words ", sizes[next])[:sizes[next]])))
			}
			send()
			err = c.Run(t.Context(), func(c *driver.Conn, m wsutil.Event) {
				require.Len(t, m.Payload, sizes[next])
				require.Equal(t, compress && sizes[next] > 100, m.Compressed())
				if next++; next == len(sizes) {
					require.NoError(t, c.Close(ws.StatusNormalClosure, "done"))
					return
				}
				send()
			})
			require.Equal(t, wsutil.ClosedError{Code: ws.StatusNormalClosure, Reason: "done"}, err)
			require.Equal(t, err, <-accepted)
			require.Equal(t, len(sizes), next)
		}
	})
}

// A request that is refused is answered, and the answer arrives.
func TestRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := wstest.Pipe(nil)
		go func() {
			theirs.Write([]byte("GET / HTTP/1.0\r\n\r\nmore"))
			answer, err := io.ReadAll(theirs)
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 505 ") {
				t.Errorf("%q, %v", answer, err)
			}
			theirs.Close()
		}()
		_, err := driver.Accept(ours, driver.Options{})
		require.ErrorIs(t, err, ws.ErrHandshakeBadProtocol)
	})
}

func TestAttacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := wstest.Listen(nil)
		done := make(chan error, 1)
		go func() {
			done <- driver.Serve(ctx, l, driver.Options{Config: wsutil.Config{MaxMessage: 1 << 20}, Compress: true}, driver.Echo)
		}()
		o := &wstest.AttackOptions{Connections: 8, Patience: 12 * time.Second, InProcess: true, Dial: l.DialContext}
		if race.Enabled {
			o.MaxMemory = 1 << 30
		}
		results, err := wstest.RunAttacks(ctx, "ws://server.example/", o)
		require.NoError(t, err)
		require.Len(t, results, len(wstest.Attacks()))
		for _, r := range results {
			t.Logf("%s: slowest ping %v, heap %+d, after it %+d %s", r.Name, r.Slowest, r.Heap, r.HeapAfter, r.Detail)
			require.True(t, r.Survived, "%s: %s", r.Name, r.Detail)
		}
		cancel()
		require.NoError(t, <-done)
	})
	require.ErrorIs(t, driver.Serve(t.Context(), closed{}, driver.Options{}, nil), net.ErrClosed)
}

// closed is a listener that was closed.
type closed struct{ net.Listener }

func (closed) Accept() (net.Conn, error) { return nil, errors.Join(net.ErrClosed) }
func (closed) Close() error              { return nil }
