package bench

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// idleConns is how many connections are open at once: the clients' ends are dialed
// before the server accepts one, and so have to fit its backlog.
const idleConns = 2000

// BenchmarkIdle measures what an idle connection of a server holds after a garbage
// collection, heap and stack, with a goroutine each that reads and has echoed one message.
func BenchmarkIdle(b *testing.B) {
	for _, server := range []struct {
		name  string
		serve func(b *testing.B, conn net.Conn)
	}{
		{"tcp", func(_ *testing.B, conn net.Conn) { go idleTCP(conn) }},
		{"wskit-websocket", func(b *testing.B, conn net.Conn) {
			hs, err := ws.Upgrade(conn)
			if err != nil {
				b.Fatal(err)
			}
			c, err := websocket.NewConn(conn, nil, hs, ws.StateServerSide, nil)
			if err != nil {
				b.Fatal(err)
			}
			go idleWebsocket(c)
		}},
	} {
		b.Run("lib="+server.name, func(b *testing.B) {
			for range b.N {
				idle(b, server.name != "tcp", server.serve)
			}
		})
	}
}

const idleRequest = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func idle(b *testing.B, upgrade bool, serve func(*testing.B, net.Conn)) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	clients := make([]net.Conn, idleConns)
	for i := range clients {
		if clients[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
			b.Fatal(err)
		}
		defer clients[i].Close()
		if upgrade {
			io.WriteString(clients[i], idleRequest)
		}
	}
	// The runtime makes the stacks of new goroutines as large as those it has seen in use at the
	// last garbage collection, on average. A server has many small ones: here these stand
	// for them.
	crowd := make(chan struct{})
	defer close(crowd)
	for range 10 * idleConns {
		go func() { <-crowd }()
	}
	heapBefore, stackBefore := held()
	for range clients {
		conn, err := ln.Accept()
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		serve(b, conn)
	}
	frame := ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("one message for each"))))
	p := make([]byte, 4096)
	for _, c := range clients {
		c.Write(frame)
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		c.Read(p)
	}
	time.Sleep(100 * time.Millisecond)
	heap, stack := held()
	b.ReportMetric(float64(heap-heapBefore)/idleConns, "heap-B/conn")
	b.ReportMetric(float64(stack-stackBefore)/idleConns, "stack-B/conn")
}

// held returns the bytes of heap and stacks in use after a garbage collection.
func held() (heap, stack int64) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), int64(m.StackInuse)
}

func idleTCP(conn net.Conn) {
	p := make([]byte, 0, 64)
	for {
		n, err := conn.Read(p[:cap(p)])
		if err != nil {
			return
		}
		if _, err := conn.Write(p[:n]); err != nil {
			return
		}
	}
}

func idleWebsocket(c *websocket.Conn) {
	ctx := context.Background()
	for {
		typ, p, err := c.ReadAppend(ctx, nil)
		if err != nil {
			return
		}
		if c.Write(ctx, typ, p) != nil {
			return
		}
	}
}
