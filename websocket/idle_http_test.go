package websocket

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A connection inside its handler does not hold a reader of the server, and the
// handshake, also that of a browser, leaves the goroutine's stack at 4 KiB. One
// that negotiates an extension leaves it at 8 KiB.
func TestIdleHandler(t *testing.T) {
	const n = 100
	smallStacks(t, 20*n)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := Accept(w, r, nil); err == nil {
			defer c.CloseNow()
			echo(c)
		}
	}))
	defer srv.Close()
	heap, stack := inUse()
	for range n {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://x\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
			"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"))
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, 101, resp.StatusCode)
	}
	heapAfter, stackAfter := inUse()
	require.Less(t, (stackAfter-stack)/n, 5000.0, "bytes of stack for each connection")
	require.Less(t, (heapAfter-heap)/n, 10000.0, "bytes of heap, the client's end among them")
}

// inUse returns the bytes of heap and stacks in use.
func inUse() (heap, stack float64) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc), float64(m.StackInuse)
}
