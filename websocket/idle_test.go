package websocket

import (
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// A goroutine that reads, and has written, does not need more than the smallest stack.
func TestIdleStack(t *testing.T) {
	const n = 200
	smallStacks(t, 20*n)
	var clients []*Conn
	var servers []net.Conn
	for range n {
		a, b := tcpConns(t)
		servers = append(servers, a)
		clients = append(clients, newConn(connConfig{transport: b, client: true}))
	}
	runtime.GC()
	before := stacks()
	for _, a := range servers {
		go echo(newConn(connConfig{transport: a}))
	}
	for range 3 {
		for _, c := range clients {
			require.NoError(t, c.Write(background, MessageText, []byte("to and fro")))
			_, _, err := c.Read(background)
			require.NoError(t, err)
		}
	}
	require.Less(t, (stacks()-before)/n, uint64(2500), "bytes of stack for each connection")
	for _, c := range clients {
		require.NoError(t, c.Close(StatusNormalClosure, ""))
	}
}

func stacks() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.StackInuse
}

// smallStacks keeps so many goroutines that the runtime makes the stacks of new ones small.
// It skips the test where frames are of other sizes than those that it measures.
func smallStacks(t *testing.T, goroutines int) {
	if race.Enabled || runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("frames are of other sizes")
	}
	crowd := make(chan struct{})
	t.Cleanup(func() { close(crowd) })
	for range goroutines {
		go func() { <-crowd }()
	}
}
