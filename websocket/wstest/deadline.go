package wstest

import (
	"sync"
	"time"
)

// deadline is a deadline for waiting on a condition. It can be moved while
// goroutines wait. The lock of the condition guards passed.
type deadline struct {
	changed *sync.Cond
	timer   *time.Timer
	times   int // number of changes: timers of earlier ones do nothing
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
