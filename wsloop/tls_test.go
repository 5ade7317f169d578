package wsloop

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

func dialTLS(t testing.TB, addr string) *client {
	t.Helper()
	_, cfg := certificate(t)
	conn, err := tls.Dial("tcp", addr, cfg)
	require.NoError(t, err)
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { conn.Close() })
	u := mustURL(t, "wss://example.com/")
	br, _, err := ws.Dialer{}.Upgrade(conn, u)
	require.NoError(t, err)
	if br == nil {
		br = bufio.NewReader(conn)
	}
	return &client{t: t, Conn: conn, r: br}
}

// serveTLS starts a server with TLS in the given mode.
func serveTLS(t *testing.T, cfg *Config, h *Handler) (*Server, string) {
	cfg.TLS, _ = certificate(t)
	return serve(t, cfg, h)
}

// One record holds several messages, and the TLS layer keeps what follows the
// first: that raises no event, and all are read.
func TestTLSMessagesInOneRecord(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		_, addr := serveTLS(t, cfg, echo())
		c := dialTLS(t, addr)
		c.send(ws.NewTextFrame([]byte("1")), ws.NewTextFrame([]byte("2")), ws.NewTextFrame([]byte("3")))
		for _, want := range []string{"1", "2", "3"} {
			c.want(want)
		}
		large := make([]byte, 30<<10) // two records
		c.send(ws.NewBinaryFrame(large))
		require.Equal(t, large, c.next().Payload)
		c.send(ws.NewCloseFrame(nil))
		c.wantClose(ws.StatusNoStatusRcvd)
		_, err := c.r.ReadByte()
		require.ErrorIs(t, err, io.EOF, "the end is announced by an alert")
	})
}

// Handshakes that stall, or that are garbage, hold up nobody, and end.
func TestTLSBadHandshakes(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		cfg.HandshakeTimeout = time.Second
		s, addr := serveTLS(t, cfg, echo())
		var stalled []net.Conn
		hello := clientHello(t)
		for i := range 20 {
			conn, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			switch i % 4 {
			case 0: // nothing
			case 1:
				conn.Write(hello[:len(hello)/2])
			case 2: // all but an answer
				conn.Write(hello)
			case 3:
				conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			}
			stalled = append(stalled, conn)
		}
		c := dialTLS(t, addr)
		c.text("hello")
		c.want("hello")
		for _, conn := range stalled {
			io.Copy(io.Discard, conn)
			conn.Close()
		}
		c.text("hello")
		c.want("hello")
		c.Conn.Close()
		require.Eventually(t, func() bool { return s.Conns() == 0 }, 20*time.Second, time.Millisecond)
	})
}

// clientHello returns the first flight of a client.
func clientHello(t *testing.T) []byte {
	a, b := net.Pipe()
	defer b.Close()
	_, cfg := certificate(t)
	go func() {
		tls.Client(a, cfg).Handshake()
	}()
	b.SetDeadline(time.Now().Add(20 * time.Second))
	p := make([]byte, 16<<10)
	n, err := b.Read(p)
	require.NoError(t, err)
	return p[:n]
}

// heldWrites keeps all writes after the first, until release.
type heldWrites struct {
	net.Conn
	first bool
	held  []byte
}

func (c *heldWrites) Write(p []byte) (int, error) {
	if !c.first {
		c.first = true
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

func (c *heldWrites) release() error {
	_, err := c.Conn.Write(c.held)
	return err
}

// A client may end its side together with its handshake: the messages before
// that are answered, even if a FIN arrives while the server still computes.
func TestTLSDataBeforeFIN(t *testing.T) {
	inPoller(t, func(t *testing.T, cfg *Config) {
		s, addr := serveTLS(t, cfg, echo())
		raw, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(20 * time.Second))
		held := &heldWrites{Conn: raw}
		_, clientConfig := certificate(t)
		conn := tls.Client(held, clientConfig)
		require.NoError(t, conn.Handshake())
		p := []byte(strings.Replace(upgradeRequest, "Host: x", "Host: example.com", 1))
		p = ws.AppendFrame(p, ws.MaskFrame(ws.NewTextFrame([]byte("last"))))
		p = ws.AppendFrame(p, ws.MaskFrame(ws.NewCloseFrame(nil)))
		_, err = conn.Write(p)
		require.NoError(t, err)
		require.NoError(t, conn.CloseWrite())
		raw.SetDeadline(time.Now().Add(20 * time.Second)) // which CloseWrite has changed

		for range cap(s.compute) { // the server does not continue the handshake
			s.compute <- struct{}{}
		}
		require.NoError(t, held.release())
		require.NoError(t, raw.(*net.TCPConn).CloseWrite())
		require.Eventually(t, func() bool {
			ended := make(chan bool)
			s.loops[0].do(func(l *loop) { ended <- l.slots[0] == nil || l.slots[0].flags&flagEOF != 0 })
			return <-ended
		}, 20*time.Second, time.Millisecond)
		for range cap(s.compute) {
			<-s.compute
		}

		br := bufio.NewReader(conn)
		for line := "x"; line != "\r\n"; {
			line, err = br.ReadString('\n')
			require.NoError(t, err)
		}
		c := &client{t: t, Conn: conn, r: br}
		c.want("last")
		c.wantClose(ws.StatusNoStatusRcvd)
	})
}

// Garbage after the handshake ends the connection and no other one.
func TestTLSGarbage(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		ends := make(chan End, 1)
		h := echo()
		h.Close = func(_ *Conn, end End) { ends <- end }
		_, addr := serveTLS(t, cfg, h)
		c := dialTLS(t, addr)
		c.text("x")
		c.want("x")
		raw := c.Conn.(*tls.Conn).NetConn()
		raw.Write([]byte("\x17\x03\x03\x00\x20 this is no record that was encrypted"))
		end := await(t, ends)
		require.Equal(t, ws.StatusAbnormalClosure, end.Code)
		require.ErrorContains(t, end.Err, "tls: bad record MAC")
	})
}

// An attached *tls.Conn works, with what was read before.
func TestAttachTLS(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		server, _ := certificate(t)
		s := start(t, cfg, echo())
		l, err := tls.Listen("tcp", "127.0.0.1:0", server)
		require.NoError(t, err)
		defer l.Close()
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			hs, err := ws.Upgrade(conn)
			if err == nil {
				s.Attach(conn, nil, hs, ws.StateServerSide, nil)
			}
		}()
		c := dialTLS(t, l.Addr().String())
		c.send(ws.NewTextFrame([]byte("1")), ws.NewTextFrame([]byte("2")))
		c.want("1")
		c.want("2")
	})
}

// What came in one record with a message whose handler panics is not lost: the
// peer's close frame is read.
func TestTLSPanic(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		ends := make(chan End, 1)
		_, addr := serveTLS(t, cfg, &Handler{
			Message: func(*Conn, ws.OpCode, []byte) { panic("oh") },
			Close:   func(_ *Conn, end End) { ends <- end },
		})
		c := dialTLS(t, addr)
		large := make([]byte, 20<<10) // the close frame is in another record
		c.send(ws.NewTextFrame([]byte("x")), ws.NewBinaryFrame(large), ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "")))
		c.wantClose(ws.StatusInternalServerError)
		require.Equal(t, ws.StatusInternalServerError, await(t, ends).Code)
	})
}

// The error of a read is that of the connection, with TLS as without.
func TestResetIsReported(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, cfg *Config, h *Handler) (*client, *net.TCPConn){
		"plain": func(t *testing.T, cfg *Config, h *Handler) (*client, *net.TCPConn) {
			_, addr := serve(t, cfg, h)
			c := dial(t, addr)
			return c, c.Conn.(*net.TCPConn)
		},
		"TLS": func(t *testing.T, cfg *Config, h *Handler) (*client, *net.TCPConn) {
			_, addr := serveTLS(t, cfg, h)
			c := dialTLS(t, addr)
			return c, c.Conn.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inModes(t, func(t *testing.T, cfg *Config) {
				ends := make(chan End, 1)
				h := echo()
				h.Close = func(_ *Conn, end End) { ends <- end }
				c, raw := open(t, cfg, h)
				c.text("x")
				c.want("x")
				raw.SetLinger(0)
				raw.Close()
				require.ErrorIs(t, await(t, ends).Err, syscall.ECONNRESET)
			})
		})
	}
}
