// Package program runs the example programs in their tests.
package program

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/wskit/wskit/websocket"
)

// Start runs a server on the loopback interface until the test ends, and
// returns its address. The test fails if the server ends with an error, or does
// not end soon after its context.
func Start(t *testing.T, run func(context.Context, net.Listener) error) (addr string) {
	t.Helper()
	addr, stop := StartStop(t, run)
	t.Cleanup(stop)
	return addr
}

// StartStop is Start for a test that stops the server. stop waits for its end,
// and may be called again.
func StartStop(t *testing.T, run func(context.Context, net.Listener) error) (addr string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := run(ctx, ln); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	}()
	return ln.Addr().String(), func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Error("the server does not end")
		}
	}
}

// Dial opens a connection, which is closed when the test ends.
func Dial(t *testing.T, url string, opts *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// Send sends a text.
func Send(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// Receive returns the next message.
func Receive(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_, p, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// Echo sends a text and fails the test if it does not come back.
func Echo(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	Send(t, c, text)
	if got := Receive(t, c); got != text {
		t.Fatalf("sent %.40q, got %.40q", text, got)
	}
}
