package wsh2_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh2"
)

// cleartext starts a server of HTTP/2 without TLS.
func cleartext(b *testing.B, h http.HandlerFunc) string {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	b.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

func acceptEcho(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err == nil {
		defer c.CloseNow()
		echo(c, r)
	}
}

// bareEcho echoes bytes as they come, without frames.
func bareEcho(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(w)
	flusher.Flush()
	p := make([]byte, 64<<10)
	for {
		n, err := r.Body.Read(p)
		if err != nil {
			return
		}
		w.Write(p[:n])
		flusher.Flush()
	}
}

// BenchmarkEcho is one echo after the other, beside the same bytes without
// WebSocket over the same transport.
func BenchmarkEcho(b *testing.B) {
	for _, size := range []int{64, 16 << 10} {
		b.Run(fmt.Sprintf("bare/size=%d", size), func(b *testing.B) {
			tr := &wsh2.Transport{Cleartext: true}
			defer tr.Close()
			s, _, err := websocket.OpenStream(b.Context(), tr, ws.Dialer{}, cleartext(b, bareEcho))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			p := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Write(p); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(s, p); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("websocket/size=%d", size), func(b *testing.B) {
			tr := &wsh2.Transport{Cleartext: true}
			defer tr.Close()
			c, _, err := websocket.Dial(b.Context(), cleartext(b, acceptEcho), &websocket.DialOptions{Transport: tr})
			if err != nil {
				b.Fatal(err)
			}
			defer c.CloseNow()
			p := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Write(b.Context(), websocket.MessageBinary, p); err != nil {
					b.Fatal(err)
				}
				if _, p, err = c.ReadAppend(b.Context(), p[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkIdle reports what an open WebSocket holds on both sides, without a
// read that waits on the client's.
func BenchmarkIdle(b *testing.B) {
	const n = 250
	url := cleartext(b, acceptEcho)
	for b.Loop() {
		tr := &wsh2.Transport{Cleartext: true}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		conns := make([]*websocket.Conn, n)
		for i := range conns {
			c, _, err := websocket.Dial(b.Context(), url, &websocket.DialOptions{Transport: tr})
			if err != nil {
				b.Fatal(err)
			}
			conns[i] = c
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/n, "B/websocket")
		for _, c := range conns {
			c.CloseNow()
		}
		tr.Close()
	}
}
