package deflate

import (
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// isWarm reports whether the next large message continues after the last one.
func isWarm(e *Encoder) bool {
	c := e.warm.take()
	if c != nil {
		c.busy = false // nobody else is here
	}
	return c != nil
}

// A compressor continues only with the context that it holds.
func TestWarm(t *testing.T) {
	if race.Enabled {
		t.Skip("pools drop what they like under the race detector")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which takes compressors
	random := rand.New(rand.NewPCG(8, 8))
	large := func() []byte { return contents[0].make(random, maxOwn+random.IntN(20<<10)+1) }
	noise := func() []byte { return contents[2].make(random, maxOwn+1) }
	for _, tt := range []struct {
		name  string
		level int
		do    func(t *testing.T, e *Encoder, p *peer)
		warm  bool
	}{
		{"large messages", 1, func(t *testing.T, e *Encoder, p *peer) {}, true},
		{"small messages of a higher level", 5, func(t *testing.T, e *Encoder, p *peer) {
			m := contents[0].make(random, 100)
			p.receive(t, e.Append(nil, m), m)
		}, true},
		{"a small message", 1, func(t *testing.T, e *Encoder, p *peer) {
			m := contents[0].make(random, 100)
			p.receive(t, e.Append(nil, m), m)
		}, false},
		{"a message of elsewhere", 1, func(t *testing.T, e *Encoder, p *peer) {
			m := contents[0].make(random, 100)
			alone := newEncoder(15, false, 1)
			e.Add(m)
			p.receive(t, alone.Append(nil, m), m)
		}, false},
		{"a message that stays plain", 1, func(t *testing.T, e *Encoder, p *peer) {
			_, ok := e.Try(nil, noise())
			require.False(t, ok)
		}, false},
		{"another message, taken back", 5, func(t *testing.T, e *Encoder, p *peer) {
			e.Append(nil, large())
			before := e.window.before
			e.Undo()
			require.GreaterOrEqual(t, before, 0)
		}, false},
		{"another encoder", 1, func(t *testing.T, e *Encoder, p *peer) {
			c := e.warm.c.Value() // as if other had got it from the pool
			require.True(t, c.claim())
			c.out = nil
			c.w.ResetDict(&c.out, nil)
			c.w.Write(large())
			c.w.Flush()
			c.giveBack()
		}, false},
		{"a reset", 1, func(t *testing.T, e *Encoder, p *peer) {
			e.Reset(15, true, 1)
			*p = *newPeer(15, true)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, p := newEncoder(15, true, tt.level), newPeer(15, true)
			m := large()
			p.receive(t, e.Append(nil, m), m)
			require.True(t, isWarm(e))
			tt.do(t, e, p)
			require.Equal(t, tt.warm, isWarm(e))
			for range 3 {
				m := large()
				p.receive(t, e.Append(nil, m), m)
			}
		})
	}
}

// Without a context nothing is gone on with.
func TestNeverWarmWithoutTakeover(t *testing.T) {
	e, p := newEncoder(15, false, 1), newPeer(15, false)
	random := rand.New(rand.NewPCG(9, 9))
	for range 3 {
		m := contents[0].make(random, maxOwn+1)
		p.receive(t, e.Append(nil, m), m)
		require.False(t, isWarm(e))
	}
	m := contents[0].make(random, 3*(maxOwn+1))
	out := e.AppendPart(nil, m[:maxOwn+1], false)
	out = e.AppendPart(out, m[maxOwn+1:], true)
	require.False(t, isWarm(e), "the message is over")
	p.receive(t, out, m)
}

// A compressor that the garbage collector has taken is missed by nobody.
func TestWarmIsNotHeld(t *testing.T) {
	e, p := newEncoder(15, true, 1), newPeer(15, true)
	random := rand.New(rand.NewPCG(10, 10))
	for range 2 {
		m := contents[0].make(random, maxOwn+1)
		p.receive(t, e.Append(nil, m), m)
		for range 3 { // the second one empties the pools
			runtime.GC()
		}
		require.Nil(t, e.warm.c.Value())
	}
}

// Encoders on many goroutines share the compressors of a pool.
func TestWarmOfMany(t *testing.T) {
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(11, uint64(g)))
			e, p := newEncoder(15, true, 1+g%2), newPeer(15, true)
			for range 4 {
				m := contents[0].make(random, maxOwn-1000+random.IntN(4<<10))
				p.receive(t, e.Append(nil, m), m)
			}
		})
	}
	wg.Wait()
}
