package bench

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// The benchmark of the generator itself: how much processor time it takes for an echo
// of 64 bytes, beside a bare TCP client that does no more than write and read as many
// bytes. The server is a process of its own, so that its time does not count.

const (
	requestSize = 6 + 64 // a masked frame
	answerSize  = 2 + 64
	benchConns  = 8
)

func TestMain(m *testing.M) {
	if os.Getenv("WSKIT_BENCH_SERVER") != "" {
		serveFixed()
		return
	}
	os.Exit(m.Run())
}

// serveFixed answers each request of requestSize bytes with a frame, without looking.
func serveFixed() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString(ln.Addr().String() + "\n")
	frame, _ := ws.CompileFrame(ws.NewTextFrame([]byte(strings.Repeat("x", 64))))
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			p := make([]byte, requestSize)
			for {
				if _, err := io.ReadFull(conn, p); err != nil {
					return
				}
				conn.Write(frame)
			}
		}()
	}
}

func startFixed(b *testing.B) string {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "WSKIT_BENCH_SERVER=1")
	stdout, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	p := make([]byte, 64)
	n, err := stdout.Read(p)
	require.NoError(b, err)
	return strings.TrimSpace(string(p[:n]))
}

// BenchmarkEcho reports cpu-ns/op; the generator should be within a fifth of the bare
// client.
func BenchmarkEcho(b *testing.B) {
	addr := startFixed(b)
	measure := func(b *testing.B, run func()) {
		before := cpuTime()
		run()
		b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
	}
	b.Run("bare", func(b *testing.B) { measure(b, func() { bareClient(b, addr, b.N) }) })
	b.Run("load", func(b *testing.B) {
		c := config{
			connections: benchConns, pipeline: 1, count: int64(b.N), patience: time.Minute, atOnce: benchConns,
			dial: func(context.Context, int) (net.Conn, ws.Handshake, error) {
				conn, err := net.Dial("tcp", addr)
				return unclosed{conn}, ws.Handshake{}, err
			},
		}
		c.mix.op = ws.OpText
		require.NoError(b, c.mix.parseSizes("64"))
		l := newLoad(c)
		measure(b, func() { l.run(b.Context(), func(progress) {}) })
		require.EqualValues(b, b.N, l.recorder.total.received)
	})
}

// unclosed swallows the close frame, which the server would not understand.
type unclosed struct{ net.Conn }

func (c unclosed) Write(p []byte) (int, error) {
	if len(p) > 0 && p[0] == 0x88 {
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(p)
}

func bareClient(b *testing.B, addr string, n int) {
	done := make(chan error)
	for i := range benchConns {
		go func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				done <- err
				return
			}
			defer conn.Close()
			p := make([]byte, 4096)
			for range (n + i) / benchConns {
				conn.Write(p[:requestSize])
				if _, err := io.ReadFull(conn, p[:answerSize]); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range benchConns {
		require.NoError(b, <-done)
	}
}
