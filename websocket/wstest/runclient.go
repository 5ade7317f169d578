package wstest

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// RunClient tests a client. It listens on a port of the loopback interface, on
// Options.Listener or through Options.Serve, and calls start with the base URL.
// The documentation of the package says what the client then does. start
// returns when the client has finished, and RunClient returns the error of
// start. If start is nil, the program starts the client by other means, and the
// client has finished when it has fetched the report.
//
// The error is about the run: an invalid filter, a client that could not be
// started, or the end of ctx. If ctx ends, RunClient returns its cause and also
// the report, in which unfinished cases are skipped. Cases that the client
// never opened are failed.
func RunClient(ctx context.Context, start func(url string) error, o *Options) (*Report, error) {
	o = o.orDefaults()
	if o.Listener != nil {
		defer o.Listener.Close()
	}
	cases, err := o.Cases(Client)
	if err != nil {
		return nil, err
	}
	h := newHost(ctx, cases, o)
	url, err := h.open()
	if err != nil {
		return nil, err
	}
	defer h.shut()
	began := time.Now()
	stop := context.AfterFunc(ctx, h.stop)
	if start == nil {
		err = h.awaitReport()
	} else {
		err = start(url)
	}
	stop()
	h.finish()
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	return newReport(Client, "", o, began, h.results), context.Cause(ctx)
}

// host is the server for a client under test.
type host struct {
	ctx     context.Context
	ln      net.Listener // nil if Options.Serve listens
	shut    func()       // ends the server at the end
	cases   []Case       // cases that can run; the others are already in results
	index   []int        // of cases in results
	opts    *Options
	tellOf  func(Result)
	told    chan struct{} // receives an element when a client has fetched the report
	failed  chan error    // receives the error that ends Accept
	served  sync.WaitGroup
	mu      sync.Mutex
	results []Result
	taken   []bool
	broken  map[int]string // reasons of broken cases, by case
	conns   map[net.Conn]struct{}
	ended   bool // no more connections are accepted
}

func newHost(ctx context.Context, cases []Case, o *Options) *host {
	h := &host{
		ctx: ctx, opts: o, results: make([]Result, len(cases)), conns: map[net.Conn]struct{}{}, broken: map[int]string{},
		tellOf: o.teller(), told: make(chan struct{}, 1), failed: make(chan error, 1),
	}
	for i, c := range cases {
		h.results[i] = Result{Case: c, Verdict: Failed, Detail: "the client did not open a connection for this case"}
		if why := c.skip(o); why != "" {
			h.results[i] = Result{Case: c, Verdict: Skipped, Detail: why}
			h.tellOf(h.results[i])
			continue
		}
		h.cases = append(h.cases, c)
		h.index = append(h.index, i)
	}
	h.taken = make([]bool, len(h.cases))
	return h
}

// open starts the server, and returns its URL.
func (h *host) open() (url string, err error) {
	if h.opts.Serve != nil {
		url, h.shut, err = h.opts.Serve(h)
		return url, err
	}
	if h.ln = h.opts.Listener; h.ln == nil {
		if h.ln, err = new(net.ListenConfig).Listen(h.ctx, "tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	h.shut = func() {}
	h.served.Go(h.accept)
	return "ws://" + h.ln.Addr().String(), nil
}

func (h *host) accept() {
	for {
		conn, err := h.ln.Accept()
		if err != nil {
			h.failed <- err
			return
		}
		if h.take(conn) {
			go h.serve(conn)
		}
	}
}

// ServeHTTP handles a stream of HTTP/2 or HTTP/3.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor < 2 || r.Method != http.MethodConnect {
		http.Error(w, "wstest: not an extended CONNECT", http.StatusMethodNotAllowed)
		return
	}
	conn, err := newHandlerConn(w, r)
	if err != nil {
		http.Error(w, "wstest: "+err.Error(), http.StatusInternalServerError)
		return
	}
	if h.take(conn) {
		h.serve(conn)
	}
}

// take reports whether to serve a connection. Otherwise it closes it.
func (h *host) take(conn net.Conn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		conn.Close()
		return false
	}
	h.conns[conn] = struct{}{}
	h.served.Add(1)
	return true
}

// serve serves a connection after take has returned true.
func (h *host) serve(conn net.Conn) {
	defer h.served.Done()
	h.talk(conn)
	conn.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, conn)
}

// end stops accepting connections.
func (h *host) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	if h.ln != nil {
		h.ln.Close()
	}
}

// stop closes all connections.
func (h *host) stop() {
	h.end()
	h.mu.Lock()
	defer h.mu.Unlock()
	for conn := range h.conns {
		conn.Close()
	}
}

// awaitReport waits until a client has fetched the report, or until none can.
func (h *host) awaitReport() error {
	select {
	case <-h.told:
		return nil
	case err := <-h.failed:
		return err
	case <-h.ctx.Done():
		return context.Cause(h.ctx)
	}
}

// finish waits for the pending cases. Each has its own time limit.
func (h *host) finish() {
	h.end()
	h.served.Wait()
	for i, taken := range h.taken {
		if !taken {
			if h.ctx.Err() != nil {
				h.results[h.index[i]] = overtaken(h.cases[i])
			}
			h.tellOf(h.results[h.index[i]])
		}
	}
}

// talk serves one connection.
func (h *host) talk(conn net.Conn) {
	p := newPeer(conn, false, h.opts)
	if p.readRequest() != nil {
		return
	}
	switch p.request.URL.Path {
	case "/count":
		h.tell(p, strconv.Itoa(len(h.cases)))
	case "/cases":
		h.tell(p, h.names())
	case "/report":
		h.tell(p, h.summary())
		select {
		case h.told <- struct{}{}:
		default:
		}
	case "/case":
		h.play(p)
	case "/broken":
		h.note(p)
	default:
		p.notFound()
	}
	p.shut()
}

// tell sends one message and closes.
func (h *host) tell(p *peer, message string) {
	if p.answerWith("") == nil {
		p.send(text(message))
		p.finish()
		p.wantEnd(true)
	}
}

func (p *peer) notFound() {
	p.conn.Write([]byte("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
}

// names returns the IDs of the cases, one on each line.
func (h *host) names() string {
	ids := make([]string, len(h.cases))
	for i, c := range h.cases {
		ids[i] = c.ID
	}
	return strings.Join(ids, "\n")
}

// find returns the case that a request names: by number, by ID, or by both.
func (h *host) find(q url.Values) (i int, ok bool) {
	id := q.Get("id")
	if n := q.Get("n"); n != "" {
		i, err := strconv.Atoi(n)
		i--
		return i, err == nil && i >= 0 && i < len(h.cases) && (id == "" || id == h.cases[i].ID)
	}
	i = slices.IndexFunc(h.cases, func(c Case) bool { return c.ID == id })
	return i, i >= 0
}

func (h *host) play(p *peer) {
	i, ok := h.find(p.request.URL.Query())
	if !ok || !h.claim(i) {
		p.notFound()
		return
	}
	result := p.play(h.ctx, &h.cases[i])
	h.record(i, result)
	h.tellOf(result)
}

// claim reports whether case i has not run yet, and marks it as run.
func (h *host) claim(i int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.taken[i]
	h.taken[i] = true
	return !was
}

// record stores the result of case i, unless the client has reported that it
// broke.
func (h *host) record(i int, r Result) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if why := h.broken[i]; why != "" {
		r.Verdict, r.Detail = Failed, why
	}
	h.results[h.index[i]] = r
}

// note makes a case fail that the client reports as broken.
func (h *host) note(p *peer) {
	q := p.request.URL.Query()
	i, ok := h.find(q)
	if !ok {
		p.notFound()
		return
	}
	why := "the client broke down: " + q.Get("why")
	h.mu.Lock()
	h.broken[i] = why
	r := &h.results[h.index[i]]
	r.Verdict, r.Detail = Failed, why
	h.mu.Unlock()
	h.tell(p, "noted")
}

func (h *host) summary() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, err := json.Marshal(count(h.results))
	if err != nil {
		return "{}"
	}
	return string(b)
}
