package wsbridge

import (
	"context"
	"net/http"
	"sync"
)

// open holds the bridges of a Handler. mu guards it, and leave and abort of
// each bridge.
type open struct {
	mu      sync.Mutex
	over    bool // Shutdown was called
	bridges map[*bridge]struct{}
	none    chan struct{} // closed when over is set and the last bridge has ended
}

// Shutdown closes both sides of all bridges with status 1001, and returns when
// all bridges have ended. Each ends within CloseTimeout. If ctx ends before
// that, Shutdown resets the remaining ones and returns the error of ctx. From
// the first call on, requests are refused with status 503. Shutdown may be
// called more than once.
//
// [http.Server.Shutdown] waits for bridges over HTTP/2 and ignores those over
// HTTP/1.1. Also call this method, for example with
// [http.Server.RegisterOnShutdown].
func (h *Handler) Shutdown(ctx context.Context) error {
	o := &h.open
	o.mu.Lock()
	if !o.over {
		o.over, o.none = true, make(chan struct{})
		if len(o.bridges) == 0 {
			close(o.none)
		}
		for b := range o.bridges {
			go b.leave()
		}
	}
	o.mu.Unlock()
	select {
	case <-o.none:
		return nil
	case <-ctx.Done():
	}
	o.mu.Lock()
	for b := range o.bridges {
		b.abort()
	}
	o.mu.Unlock()
	<-o.none
	return ctx.Err()
}

// enter adds a bridge that has no streams yet.
func (o *open) enter(b *bridge) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return refusal(http.StatusServiceUnavailable)
	}
	if o.bridges == nil {
		o.bridges = make(map[*bridge]struct{})
	}
	o.bridges[b] = struct{}{}
	return nil
}

// begin stores the functions that close a bridge. leave and abort may be called
// by any goroutine, any number of times, even after the bridge has ended.
func (o *open) begin(b *bridge, leave, abort func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b.leave, b.abort = leave, abort
	if o.over {
		go leave()
	}
}

// exit removes a bridge.
func (o *open) exit(b *bridge) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.bridges[b]; !ok {
		return
	}
	delete(o.bridges, b)
	if o.over && len(o.bridges) == 0 {
		close(o.none)
	}
}
