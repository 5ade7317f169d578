package websocket

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// A connection that waits for the peer to end its side holds no buffer, be it a socket
// or not, and whatever follows the close frame.
func TestLingerHoldsNoBuffer(t *testing.T) {
	if race.Enabled {
		t.Skip("pools lose buffers at random")
	}
	closing := ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, ""))))
	fault := []byte{0x83, 0x80, 0, 0, 0, 0}
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"socket": func(c net.Conn) net.Conn { return c },
		"stream": func(c net.Conn) net.Conn { return struct{ tcpConn }{c.(*net.TCPConn)} },
	} {
		for what, wire := range map[string][]byte{
			"a ping behind the close frame": append(closing[:len(closing):len(closing)], 0x89, 0x80, 1, 2, 3, 4),
			"a fault":                       fault,
			"32 KiB behind a fault":         append(fault[:len(fault):len(fault)], make([]byte, 32<<10)...),
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))  // one pool,
				defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which nobody empties
				const n = 50
				var peers []net.Conn
				var conns []*Conn
				done := make(chan struct{})
				for range n {
					a, b := tcpConns(t)
					peers = append(peers, b)
					c := newConn(connConfig{transport: wrap(a)})
					conns = append(conns, c)
				}
				runtime.GC()
				before := heap()
				for i, c := range conns {
					go func() {
						c.Read(background)
						done <- struct{}{}
					}()
					peers[i].Write(wire)
				}
				for i, b := range peers {
					conns[i].clock.stop() // it lingers as long as the peer likes
					f, err := ws.ReadFrame(b)
					require.NoError(t, err)
					require.Equal(t, ws.OpClose, f.Header.OpCode)
					_, err = b.Read(make([]byte, 1))
					require.Equal(t, io.EOF, err, "it has ended its side, and reads")
					b.Write(make([]byte, 100)) // which is dropped
				}
				drainPools(t)
				runtime.GC()
				runtime.GC()
				require.Less(t, (heap()-before)/n, int64(4<<10), "bytes of heap for each connection")
				for _, b := range peers {
					b.Close()
				}
				for range n {
					<-done
				}
				for _, c := range conns {
					<-c.Done()
				}
			})
		}
	}
}

// tcpConn is what a Conn uses of a TCP connection, without its socket.
type tcpConn interface {
	net.Conn
	CloseWrite() error
}

func heap() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The server ends its side of TCP directly after its close frame, also if bytes follow
// the one of the peer: the peer sees the end while the server still reads (RFC 6455,
// section 7.1.1).
func TestEndFollowsCloseFrame_RFC6455_7_1_1(t *testing.T) {
	closing := ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(4000, "bye"))))
	ping := ws.AppendFrame(nil, ws.MaskFrame(ws.NewPingFrame(nil)))
	tlsConfigs()
	for name, secure := range map[string]bool{"tcp": false, "tls": true} {
		t.Run(name, func(t *testing.T) {
			a, b := tcpConns(t)
			var transport, peer net.Conn = a, b
			if secure {
				forServer, forClient := tlsConfigs()
				transport = tls.Server(a, forServer)
				peer = tls.Client(b, forClient)
			}
			s := newConn(connConfig{transport: transport})
			s.clock.stop() // only the peer ends the wait: the test does not depend on time
			read := make(chan error, 1)
			go func() {
				_, _, err := s.Read(background)
				read <- err
			}()
			_, err := peer.Write(append(closing, ping...))
			require.NoError(t, err)
			f, err := ws.ReadFrame(peer)
			require.NoError(t, err)
			code, reason := ws.ParseCloseFrameData(f.Payload)
			require.Equal(t, ws.StatusCode(4000), code)
			require.Equal(t, "bye", reason)
			_, err = peer.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err, "the end, while the server still reads")
			_, err = b.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err, "of TCP, too")
			select {
			case <-s.Done():
				require.Fail(t, "the server has not waited for the peer")
			default:
			}
			b.Close()
			require.ErrorIs(t, <-read, CloseError{4000, "bye"})
			<-s.Done()
		})
	}
}

// A context that ends while the connection lingers ends that.
func TestContextEndsLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		defer b.Close()
		s := newConn(connConfig{transport: a, client: true})
		ctx, cancel := context.WithTimeout(background, 300*time.Millisecond)
		defer cancel()
		ws.WriteFrame(b, ws.NewCloseFrame(nil)) // a client waits for the server to close
		start := time.Now()
		_, _, err := s.Read(ctx)
		require.Equal(t, StatusNoStatusRcvd, CloseStatus(err))
		require.Equal(t, 300*time.Millisecond, time.Since(start))
	})
}

// What a buffer of the pool was borrowed for is over when the connection lingers.
func TestLingerDropsInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := bufferedPipe()
		defer b.Close()
		s := newConn(connConfig{transport: a})
		b.Write(append([]byte{0x83, 0x80, 0, 0, 0, 0}, make([]byte, 900)...))
		go s.Read(background)
		synctest.Wait()
		require.Nil(t, s.input.buffer)
		require.Nil(t, s.input.p)
		s.CloseNow()
	})
}
