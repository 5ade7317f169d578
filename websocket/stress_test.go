package websocket

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/wsflate"
)

// stress has every method called against every other, by many goroutines, with contexts that
// end at any time. Nothing may be stuck, and nothing may panic.
func stress(t *testing.T, seed uint64, s, c *Conn) {
	prepared, err := NewPreparedMessage(MessageText, payload(500))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i, conn := range []*Conn{s, c} {
		for j := range 6 {
			r := rand.New(rand.NewPCG(seed, uint64(10*i+j)))
			wg.Go(func() {
				for {
					act(conn, r, prepared)
					time.Sleep(time.Duration(1+r.IntN(3)) * time.Millisecond) // or else errors could spin for ever
					select {
					case <-conn.Done():
						for range 3 {
							act(conn, r, prepared)
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

func act(c *Conn, r *rand.Rand, prepared *PreparedMessage) {
	ctx, cancel := context.WithTimeout(background, time.Duration(1+r.IntN(500))*time.Millisecond)
	defer cancel()
	switch r.IntN(12) {
	case 0, 1, 2:
		c.Read(ctx)
	case 3:
		if _, rd, err := c.Reader(ctx); err == nil {
			io.CopyN(io.Discard, rd, int64(r.IntN(1000)))
		}
	case 4:
		if w, err := c.Writer(ctx, MessageText); err == nil {
			for range r.IntN(4) {
				w.Write(make([]byte, r.IntN(5000)))
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
	case 8:
		for range c.Messages(ctx) {
			break
		}
	case 9:
		<-c.CloseRead(ctx).Done()
	default:
		c.Write(ctx, MessageBinary, make([]byte, r.IntN(2000)))
	}
}

func TestStress(t *testing.T) {
	options := ConnOptions{
		ReadLimit: -1, FragmentSize: 700, KeepAlive: 50 * time.Millisecond, WriteTimeout: 3 * time.Second,
		ReadIdleTimeout: time.Minute, Stats: new(Stats),
	}
	flate := &wsflate.Parameters{}
	for seed := range uint64(30) {
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
}
