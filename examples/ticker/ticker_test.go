package ticker

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// subscribers returns how many this process can have, both ends of each, up to
// 9,000.
func subscribers(t *testing.T) int {
	n := 500
	if testing.Short() {
		return n
	}
	if limits, err := os.ReadFile("/proc/self/limits"); err == nil {
		for line := range strings.Lines(string(limits)) {
			var soft int
			if _, err := fmt.Sscanf(line, "Max open files %d", &soft); err == nil {
				open, _ := filepath.Glob("/proc/self/fd/*")
				n = min((soft-len(open)-100)/2, most)
			}
		}
	}
	return n
}

func TestTicker(t *testing.T) {
	ticker, err := New()
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- ticker.Serve(l) }()

	n := subscribers(t)
	conns := make([]net.Conn, n)
	for i := range conns {
		conn, br, _, err := ws.Dial(context.Background(), "ws://"+l.Addr().String())
		require.NoError(t, err)
		require.Nil(t, br)
		conn.SetDeadline(time.Now().Add(time.Minute))
		conns[i] = conn
	}
	require.Eventually(t, func() bool { return ticker.Server().Conns() == n }, time.Minute, time.Millisecond)
	for i := range 3 {
		sent, err := ticker.Publish("WSK", float64(i))
		require.NoError(t, err)
		require.Equal(t, n, sent)
	}
	for _, conn := range conns {
		br := bufio.NewReaderSize(conn, 64)
		for i := range 3 {
			f, err := ws.ReadFrame(br)
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf(`{"symbol":"WSK","price":%d}`, i), string(f.Payload))
		}
	}
	for _, conn := range conns {
		conn.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, ticker.Server().Shutdown(ctx))
	<-served
}

// A subscriber that does not read gets the newest price later, and holds up
// nobody.
func TestSlowSubscriber(t *testing.T) {
	ticker, err := New()
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go ticker.Serve(l)
	conn, _, _, err := ws.Dial(context.Background(), "ws://"+l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	require.Eventually(t, func() bool { return ticker.Server().Conns() == 1 }, time.Minute, time.Millisecond)

	last := 0
	for ticker.Server().Stats().Behind == 0 { // until the socket is full
		for range 10_000 {
			last++
			ticker.Publish("WSK", float64(last))
		}
	}
	last++
	ticker.Publish("WSK", float64(last))
	br := bufio.NewReader(conn)
	received := 0
	for want := fmt.Sprintf(`{"symbol":"WSK","price":%g}`, float64(last)); ; {
		f, err := ws.ReadFrame(br)
		require.NoError(t, err)
		received++
		if string(f.Payload) == want {
			break
		}
	}
	require.Less(t, received, last, "older prices were left out")
	ticker.Server().Close()
}
