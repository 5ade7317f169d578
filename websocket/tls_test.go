package websocket

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// tlsConfigs are those of a server and of a client that trusts it.
var tlsConfigs = sync.OnceValues(func() (server, client *tls.Config) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	client = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName, client.NextProtos = "example.com", nil
	return &tls.Config{Certificates: srv.TLS.Certificates}, client
})

// tlsPair returns the two sides of a connection over TLS over a and b.
func tlsPair(t *testing.T, a, b net.Conn, server, client ConnOptions) (s, c *Conn) {
	forServer, forClient := tlsConfigs()
	x, y := tls.Server(a, forServer), tls.Client(b, forClient)
	shaken := make(chan error, 1)
	go func() { shaken <- x.Handshake() }()
	require.NoError(t, y.Handshake())
	require.NoError(t, <-shaken)
	return pairOver(t, x, y, server, client)
}

// eachTransport runs f in a bubble over a pipe without any room, and outside over TCP.
func eachTransport(t *testing.T, f func(t *testing.T, a, b net.Conn)) {
	tlsConfigs() // outside of bubbles
	t.Run("pipe", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := net.Pipe()
			f(t, a, b)
		})
	})
	t.Run("tcp", func(t *testing.T) {
		a, b := tcpConns(t)
		f(t, a, b)
	})
}

// A context that ends between messages leaves both ends usable, and a record of TLS of which
// a part was read is not lost.
func TestTLSContextBetweenMessages(t *testing.T) {
	eachTransport(t, func(t *testing.T, a, b net.Conn) {
		s, c := tlsPair(t, a, b, ConnOptions{}, ConnOptions{ReadLimit: -1})
		for _, ends := range [][2]*Conn{{s, c}, {c, s}, {s, c}} {
			ctx, cancel := context.WithTimeout(background, 10*time.Millisecond)
			_, _, err := ends[0].Read(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorContains(t, err, stillOpen)
			cancel()
			go ends[1].Write(background, MessageText, []byte("on we go"))
			_, p, err := ends[0].Read(background)
			require.NoError(t, err)
			require.Equal(t, "on we go", string(p))
		}
		go s.Write(background, MessageBinary, make([]byte, 1<<20))
		_, p, err := c.Read(background)
		require.NoError(t, err)
		require.Len(t, p, 1<<20)
	})
}

// TLS cannot continue after an interrupted write.
func TestTLSContextWithinWrite(t *testing.T) {
	tlsConfigs()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		s, c := tlsPair(t, a, b, ConnOptions{}, ConnOptions{})
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		start := time.Now()
		err := s.Write(ctx, MessageText, []byte("nobody reads"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, withinFrame)
		<-s.Done()
		require.Equal(t, time.Second, time.Since(start))
		_, _, err = c.Read(background)
		require.Equal(t, StatusCode(-1), CloseStatus(err))
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestTLSTimeouts(t *testing.T) {
	tlsConfigs()
	for name, options := range map[string]ConnOptions{
		"idle":      {ReadIdleTimeout: time.Second},
		"keepalive": {KeepAlive: 600 * time.Millisecond, KeepAliveTimeout: 400 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := bufferedPipe()
				s, _ := tlsPair(t, a, b, options, ConnOptions{})
				start := time.Now()
				_, _, err := s.Read(background)
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				require.Equal(t, time.Second, time.Since(start))
			})
		})
	}
}

// Nothing that was sent before the close frame is lost, and the code arrives.
func TestTLSClose(t *testing.T) {
	eachTransport(t, func(t *testing.T, a, b net.Conn) {
		s, c := tlsPair(t, a, b, ConnOptions{}, ConnOptions{})
		closed := make(chan error, 1)
		go func() {
			for i := range 100 {
				if err := s.Write(background, MessageText, fmt.Append(nil, i)); err != nil {
					closed <- err
					return
				}
			}
			closed <- s.Close(4000, "the end")
		}()
		for i := range 100 {
			_, p, err := c.Read(background)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(i), string(p))
		}
		_, _, err := c.Read(background)
		require.ErrorIs(t, err, CloseError{4000, "the end"})
		require.NoError(t, <-closed)
		require.True(t, s.CloseRecord().Clean && c.CloseRecord().Clean)
	})
}

// A peer that violates the protocol gets the code, also over TLS.
func TestTLSFault(t *testing.T) {
	eachTransport(t, func(t *testing.T, a, b net.Conn) {
		s, c := tlsPair(t, a, b, ConnOptions{ReadLimit: 10}, ConnOptions{})
		go c.Write(background, MessageText, make([]byte, 100))
		read := make(chan error, 1)
		go func() {
			_, _, err := s.Read(background)
			read <- err
		}()
		_, _, err := c.Read(background)
		require.Equal(t, StatusMessageTooBig, CloseStatus(err))
		require.ErrorIs(t, <-read, ErrMessageTooBig)
	})
}

// A deadline that closes a NetConn over TLS is a timeout, and so is all that follows,
// until the program closes it itself.
func TestTLSNetConnDeadline(t *testing.T) {
	tlsConfigs()
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		s, _ := tlsPair(t, a, b, ConnOptions{}, ConnOptions{})
		n := NetConn(background, s, MessageBinary)
		n.SetDeadline(time.Now().Add(time.Second))
		_, err := n.Write([]byte("nobody reads"))
		require.Equal(t, os.ErrDeadlineExceeded, err)
		<-s.Done()
		for _, at := range []time.Time{{}, time.Now().Add(time.Hour)} {
			n.SetDeadline(at)
			_, wrote := n.Write([]byte("over"))
			_, read := n.Read(make([]byte, 1))
			for _, err := range []error{wrote, read} {
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				timeout, ok := err.(net.Error)
				require.True(t, ok && timeout.Timeout(), "%T", err)
				require.ErrorContains(t, err, withinFrame)
			}
		}
		n.Close()
		_, err = n.Write([]byte("closed"))
		require.ErrorIs(t, err, net.ErrClosed)
		_, ok := err.(net.Error)
		require.False(t, ok)
	})
}

// The alert with which TLS ends does not wait for a peer that has stopped to read.
func TestTLSCloseInTime(t *testing.T) {
	tlsConfigs()
	for name, end := range map[string]struct {
		close func(s *Conn) error
		took  time.Duration
	}{
		"now":   {func(s *Conn) error { return s.CloseNow() }, 0},
		"close": {func(s *Conn) error { s.Close(StatusNormalClosure, ""); return nil }, DefaultCloseTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := net.Pipe()
				s, _ := tlsPair(t, a, b, ConnOptions{}, ConnOptions{})
				start := time.Now()
				require.NoError(t, end.close(s))
				require.Equal(t, end.took, time.Since(start))
			})
		})
	}
}

// Accept and Dial hand the connection over as it is.
func TestTLSAcceptAndDial(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		short, cancel := context.WithTimeout(background, 10*time.Millisecond)
		defer cancel()
		if _, _, err := c.Read(short); c.protocol.Err() == nil && err != nil {
			echo(c)
		}
	}))
	defer srv.Close()
	c, _, err := Dial(t.Context(), srv.URL, &DialOptions{HTTPClient: srv.Client()})
	require.NoError(t, err)
	defer c.CloseNow()
	ctx, cancel := context.WithTimeout(background, 30*time.Millisecond)
	defer cancel()
	_, _, err = c.Read(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	requireEcho(t, c)
	_, secure := c.transport.ReadWriteCloser.(secured)
	require.True(t, secure)
	require.NoError(t, c.Close(4000, "done"))
	require.Equal(t, "done", c.CloseRecord().Reason)
}
