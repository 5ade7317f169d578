package websocket

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/wsflate"
)

// stress has every method called against every other, by many goroutines, with contexts that
// end at any time. Nothing may be stuck, and nothing may panic.
func stress(t *testing.T, seed uint64, s, c *Conn) {
	prepared, err := NewPreparedMessage(MessageText, telling(500))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i, conn := range []*Conn{s, c} {
		for j := range 6 {
			r := rand.New(rand.NewPCG(seed, uint64(10*i+j)))
			wg.Go(func() {
				for {
					act(t, conn, r, prepared)
					time.Sleep(time.Duration(1+r.IntN(3)) * time.Millisecond) // otherwise errors could spin forever
					select {
					case <-conn.Done():
						for range 3 {
							act(t, conn, r, prepared)
						}
						return
					default:
					}
				}
			})
		}
	}
	wg.Go(func() {
		r := rand.New(rand.NewPCG(seed, 99))
		time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
		conn := []*Conn{s, c}[r.IntN(2)]
		if r.IntN(3) == 0 {
			conn.CloseNow()
		} else {
			conn.Close(StatusNormalClosure, "")
		}
	})
	wg.Wait()
	for _, conn := range []*Conn{s, c} {
		conn.Close(StatusNormalClosure, "")
		conn.CloseNow()
		_, _, err := conn.Read(background)
		require.Error(t, err)
		require.Error(t, conn.Write(background, MessageText, nil))
	}
}

// telling returns a message of which every part shows whether it is where it belongs: it
// begins with its length.
func telling(n int) []byte {
	p := fmt.Appendf(nil, "%06d", n)
	for i := len(p); i < n; i++ {
		p = append(p, 'a'+byte((i+n)%26))
	}
	return p
}

// told counts the messages that were found to be whole.
var told atomic.Int64

// requireTelling checks that p is a message that telling has made, or if not whole the beginning
// of one.
func requireTelling(t *testing.T, p []byte, whole bool) {
	var n int
	_, err := fmt.Sscanf(string(p[:min(len(p), 6)]), "%06d", &n)
	switch want := telling(n); {
	case !whole && len(p) < 6:
	case err != nil:
		t.Errorf("%q begins no message", p[:min(len(p), 20)])
	case whole && !bytes.Equal(p, want) || !whole && !bytes.HasPrefix(want, p):
		t.Errorf("a message of %d bytes has come as another one of %d", n, len(p))
	default:
		told.Add(1)
	}
}

// act calls a method.
func act(t *testing.T, c *Conn, r *rand.Rand, prepared *PreparedMessage) {
	ctx, cancel := context.WithTimeout(background, time.Duration(1+r.IntN(500))*time.Millisecond)
	defer cancel()
	poison(r)
	if r.IntN(300) == 0 {
		actOnce(ctx, c, r)
		return
	}
	switch n := 6 + r.IntN(2000); r.IntN(14) {
	case 0, 1, 2:
		if _, p, err := c.Read(ctx); err == nil {
			requireTelling(t, p, true)
		}
	case 3:
		if _, rd, err := c.Reader(ctx); err == nil {
			p, _ := io.ReadAll(io.LimitReader(rd, int64(r.IntN(1000))))
			requireTelling(t, p, false)
		}
	case 4:
		if w, err := c.Writer(ctx, MessageText); err == nil {
			for p := telling(5 * n); len(p) > 0; {
				part := min(len(p), 1+r.IntN(5000))
				w.Write(p[:part])
				p = p[part:]
			}
			w.Close()
		}
	case 5:
		c.Ping(ctx)
	case 6:
		c.WritePrepared(ctx, prepared)
	case 7:
		c.SetReadLimit(-1)
		c.Latency()
		c.CloseRecord()
		c.Stats()
		c.Subprotocol()
	case 8:
		for m, err := range c.Messages(ctx) {
			if err == nil {
				requireTelling(t, m.Data, true)
			}
			break
		}
	case 9:
		var p []byte
		if _, err := Read(ctx, c, &p); err == nil {
			requireTelling(t, p, true)
		}
	case 10:
		Write(ctx, c, MessageText, telling(n))
	case 11:
		n := NetConn(ctx, c, MessageBinary)
		n.SetWriteDeadline(time.Now().Add(time.Duration(r.IntN(100)) * time.Millisecond))
		n.Write(telling(6 + r.IntN(2000)))
		n.LocalAddr()
	default:
		c.Write(ctx, MessageBinary, telling(n))
	}
}

// actOnce calls a method that ends the connection, or most probably does so.
func actOnce(ctx context.Context, c *Conn, r *rand.Rand) {
	switch r.IntN(6) {
	case 0, 1:
		<-c.CloseRead(ctx).Done()
	case 2:
		c.Close(StatusCode(3000+r.IntN(2000)), "enough")
	case 3:
		c.CloseNow()
	case 4:
		n := NetConn(ctx, c, MessageBinary)
		n.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(100)) * time.Millisecond))
		n.Read(make([]byte, 100))
	default:
		NetConn(ctx, c, MessageText).Close()
	}
}

func TestStress(t *testing.T) {
	options := ConnOptions{
		ReadLimit: -1, FragmentSize: 700, KeepAlive: 50 * time.Millisecond, WriteTimeout: 3 * time.Second,
		ReadIdleTimeout: time.Minute, Stats: new(Stats),
	}
	flate := &wsflate.Parameters{}
	seeds := uint64(30)
	if race.Enabled {
		seeds = 10
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			a, b := bufferedPipe()
			s, c := pairOver(t, a, b, options, options)
			start := time.Now()
			stress(t, seed, s, c)
			require.Less(t, time.Since(start), 30*time.Second)
		})
		synctest.Test(t, func(t *testing.T) {
			s, c := pipePair(t, options, ConnOptions{ReadLimit: -1})
			stress(t, seed, s, c)
		})
		synctest.Test(t, func(t *testing.T) {
			a, b := bufferedPipe()
			s := newConn(connConfig{transport: a, flate: flate, ConnOptions: options})
			c := newConn(connConfig{transport: b, client: true, flate: flate, ConnOptions: options})
			stress(t, seed, s, c)
		})
	}
	for seed := range uint64(4) {
		s, c := tcpPair(t, options, ConnOptions{ReadLimit: -1})
		within(t, 20*time.Second, func() { stress(t, seed, s, c) })
	}
	require.Greater(t, told.Load(), int64(1000), "messages that were looked at")
}
