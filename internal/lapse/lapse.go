// Package lapse remembers errors for a time.
package lapse

import (
	"sync"
	"time"
)

// Errors is a map of errors by name that expire. It holds at most 1000. The
// zero value is ready to use. All methods are safe for concurrent use.
type Errors struct {
	mu     sync.Mutex
	byName map[string]entry
}

type entry struct {
	err   error
	until time.Time
}

const most = 1000

// Put remembers err for d. It does nothing if d is not positive.
func (e *Errors) Put(name string, err error, d time.Duration) {
	if d <= 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byName == nil {
		e.byName = make(map[string]entry)
	}
	if len(e.byName) >= most {
		e.makeRoom()
	}
	e.byName[name] = entry{err, time.Now().Add(d)}
}

// makeRoom removes expired errors, or if there are none, any error.
func (e *Errors) makeRoom() {
	now := time.Now()
	last := ""
	for name, v := range e.byName {
		if last = name; now.After(v.until) {
			delete(e.byName, name)
		}
	}
	if len(e.byName) >= most {
		delete(e.byName, last)
	}
}

// Get returns the error of a name, or nil.
func (e *Errors) Get(name string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	v, ok := e.byName[name]
	if ok && !time.Now().Before(v.until) {
		delete(e.byName, name)
		return nil
	}
	return v.err
}
