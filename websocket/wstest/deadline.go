package wstest

import (
	"sync"
	"time"
)

// deadline is one that a condition waits for, and that can be moved meanwhile. passed is
// guarded by the condition's lock.
type deadline struct {
	changed *sync.Cond
	timer   *time.Timer
	times   int // how often it was set: a timer of an earlier time does nothing
	passed  bool
}

func (d *deadline) set(t time.Time) {
	d.changed.L.Lock()
	defer d.changed.L.Unlock()
	d.times++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.passed = !t.IsZero() && !time.Now().Before(t)
	if !t.IsZero() && !d.passed {
		n := d.times
		d.timer = time.AfterFunc(time.Until(t), func() { d.expire(n) })
	}
	d.changed.Broadcast()
}

func (d *deadline) expire(n int) {
	d.changed.L.Lock()
	defer d.changed.L.Unlock()
	if n == d.times {
		d.passed = true
		d.changed.Broadcast()
	}
}
