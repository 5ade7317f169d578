package serve

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/wskit/wskit/cmd/internal/page"
)

// frame describes a frame that the server sees. It is for the page, because a
// browser does not show control frames or compression to a page.
type frame struct {
	At        time.Time `json:"at"`
	Direction string    `json:"direction"` // "in" (to the server) or "out"
	Opcode    string    `json:"opcode"`
	Number    int64     `json:"n,omitempty"` // number of the message in its direction, from 1
	Size      int       `json:"size"`
	Wire      int       `json:"wire"` // payload size on the wire; less than size if it was compressed
	Code      int       `json:"code,omitempty"`
}

// frames sends frames to pages as server-sent events: a page opens /frames?id=X
// and then a connection with the same id. The zero value is ready to use.
type frames struct {
	mu   sync.Mutex
	byID map[string]*watchers
	done bool
}

// watchers are the pages that watch the connections of one id.
type watchers struct {
	mu    sync.Mutex
	lists []chan frame
}

// of returns the watchers of an id, or nil if there are none.
func (f *frames) of(id string) *watchers {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.byID[id]
}

// tell sends a frame to the watchers. A slow watcher misses frames.
func (w *watchers) tell(f frame) {
	if w == nil {
		return
	}
	f.At = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, list := range w.lists {
		select {
		case list <- f:
		default:
		}
	}
}

// watch adds list to the watchers of id.
func (f *frames) watch(id string, list chan frame) (ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.done {
		return false
	}
	if f.byID == nil {
		f.byID = make(map[string]*watchers)
	}
	w := f.byID[id]
	if w == nil {
		w = new(watchers)
		f.byID[id] = w
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists = append(w.lists, list)
	return true
}

// forget undoes watch.
func (f *frames) forget(id string, list chan frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.byID[id]
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, l := range w.lists {
		if l == list {
			w.lists = append(w.lists[:i:i], w.lists[i+1:]...)
			break
		}
	}
	if len(w.lists) == 0 {
		delete(f.byID, id)
	}
}

// close ends all streams of events, including future ones.
func (f *frames) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done = true
	for _, w := range f.byID {
		w.mu.Lock()
		for _, list := range w.lists {
			close(list)
		}
		w.lists = nil
		w.mu.Unlock()
	}
	f.byID = nil
}

// ServeHTTP serves a stream of events.
func (f *frames) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	if id == "" || len(id) > 64 {
		http.Error(w, "id is missing, or too long", http.StatusBadRequest)
		return
	}
	list := make(chan frame, 256)
	if !f.watch(id, list) {
		http.Error(w, "the server is going down", http.StatusServiceUnavailable)
		return
	}
	defer f.forget(id, list)
	page.Events(w, r, nil, list, func(one frame) string {
		p, _ := json.Marshal(one)
		return string(p)
	}, nil)
}
