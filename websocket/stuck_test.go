package websocket

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// transports wrap a connection so that it has deadlines, or none.
var transports = map[string]func(net.Conn) io.ReadWriteCloser{
	"deadlines":    func(c net.Conn) io.ReadWriteCloser { return c },
	"no deadlines": func(c net.Conn) io.ReadWriteCloser { return struct{ io.ReadWriteCloser }{c} },
}

// stuckTransport is a transport whose Close ends nothing.
type stuckTransport struct {
	io.Reader
	io.Writer
}

func (stuckTransport) Close() error { return nil }

// stuck blocks until it is let go.
type stuck chan struct{}

func (s stuck) Read([]byte) (int, error)  { <-s; return 0, io.EOF }
func (s stuck) Write([]byte) (int, error) { <-s; return 0, io.ErrClosedPipe }

// Close and CloseNow keep their time on a transport that does not, whatever is stuck there.
func TestCloseOnStuckTransport(t *testing.T) {
	const timeout = 200 * time.Millisecond
	for name, begin := range map[string]func(c *Conn){
		"idle":      func(*Conn) {},
		"reading":   func(c *Conn) { go c.Read(background) },
		"CloseRead": func(c *Conn) { c.CloseRead(background) },
		"writing":   func(c *Conn) { go c.Write(background, MessageText, nil) },
	} {
		for _, writes := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					free := make(stuck)
					defer close(free)
					transport := stuckTransport{free, io.Discard}
					if writes {
						transport.Writer = free
					}
					for _, end := range []func(c *Conn){
						func(c *Conn) { require.ErrorIs(t, c.Close(StatusNormalClosure, ""), net.ErrClosed) },
						func(c *Conn) { c.CloseNow() },
					} {
						c := newConn(connConfig{transport: transport, ConnOptions: ConnOptions{CloseTimeout: timeout}})
						begin(c)
						synctest.Wait()
						start := time.Now()
						end(c)
						require.LessOrEqual(t, time.Since(start), timeout)
						<-c.Done()
					}
				})
			})
		}
	}
}
