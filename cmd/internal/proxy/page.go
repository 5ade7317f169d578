package proxy

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/wskit/wskit/cmd/internal/page"
	"github.com/wskit/wskit/cmd/internal/trace"
)

const (
	pageWidth   = 16 << 10 // maximum payload bytes shown on the page
	feedKept    = 4 << 20  // bytes of lines kept for pages that are opened later
	feedBacklog = 1000     // lines queued for each open page
)

// feed sends the lines of a trace to open pages, as server-sent events.
type feed struct {
	live *trace.Live

	mu    sync.Mutex
	kept  []string // the newest lines
	size  int      // bytes of kept
	pages map[chan string]struct{}
	over  bool
}

func newFeed() *feed {
	f := &feed{pages: make(map[chan string]struct{})}
	f.live = trace.NewLive(f, trace.LiveOptions{Width: pageWidth, Inflate: true, JSON: true})
	return f
}

// Write sends a line. A page that reads too slowly misses lines.
func (f *feed) Write(p []byte) (int, error) {
	line := strings.TrimSuffix(string(p), "\n")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept, f.size = append(f.kept, line), f.size+len(line)
	for f.size > feedKept {
		f.size -= len(f.kept[0])
		f.kept = f.kept[1:]
	}
	for lines := range f.pages {
		select {
		case lines <- line:
		default:
		}
	}
	return len(p), nil
}

// open returns the lines so far, and a channel for later lines. ok is false
// after close.
func (f *feed) open() (kept []string, lines chan string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return nil, nil, false
	}
	lines = make(chan string, feedBacklog)
	f.pages[lines] = struct{}{}
	return append(kept, f.kept...), lines, true
}

func (f *feed) leave(lines chan string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.pages, lines)
}

// close ends all pages.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	for lines := range f.pages {
		close(lines)
	}
	clear(f.pages)
}

// ServeHTTP sends lines until the page is closed.
func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kept, lines, ok := f.open()
	if !ok {
		http.Error(w, "the proxy is shutting down", http.StatusServiceUnavailable)
		return
	}
	defer f.leave(lines)
	http.NewResponseController(w).SetReadDeadline(time.Time{}) // the stream lasts as long as the page is open
	page.Events(w, r, kept, lines, func(line string) string { return line }, func(c *http.ResponseController) {
		c.SetWriteDeadline(time.Now().Add(10 * time.Second))
	})
}

// handler serves the page. It answers only if the host is an address or
// localhost: another page whose name resolves to this host must not read the
// frames.
func (f *feed) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /proxied", f)
	mux.Handle("GET /", page.Handler(page.Proxy))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && host != "localhost" {
			http.Error(w, "use localhost or an address", http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// servePage serves the page of --page until stop is called.
func (p *proxy) servePage() (stop func(), err error) {
	if p.pageAddr == "" {
		return func() {}, nil
	}
	ln, err := net.Listen("tcp", p.pageAddr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w: choose another --page", err)
	}
	p.page = newFeed()
	server := &http.Server{
		Handler: p.page.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(ln)
	}()
	p.log(0, fmt.Sprintf("page at http://%v/", ln.Addr()))
	return func() {
		p.page.close()
		server.Close()
		<-done
	}, nil
}
