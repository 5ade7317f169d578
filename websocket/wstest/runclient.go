package wstest

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// RunClient puts a client to the test: it serves on a port of the loopback interface, or on
// Options.Listener, and calls start with the URL that the client begins with. What the client does
// then is in the package's comment. start returns when the client has done all of it; its error is
// that of RunClient. If start is nil, the client comes by itself, and has done all of it when it has
// fetched the report.
//
// The error is about the run: a bad filter, a client that could not be started, a ctx that
// ended. Cases that the client never opened have failed in the report.
func RunClient(ctx context.Context, start func(url string) error, o *Options) (*Report, error) {
	o = o.orDefaults()
	if o.Listener != nil {
		defer o.Listener.Close()
	}
	cases, err := choose(Client, o)
	if err != nil {
		return nil, err
	}
	ln := o.Listener
	if ln == nil {
		if ln, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	h := newHost(ctx, ln, cases, o)
	began := time.Now()
	stop := context.AfterFunc(ctx, h.stop)
	if start == nil {
		err = h.awaitReport()
	} else {
		err = start("ws://" + ln.Addr().String())
	}
	stop()
	h.finish()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return newReport(Client, "", o, began, h.results), nil
}

// host is the server that a client under test talks to.
type host struct {
	ctx     context.Context
	ln      net.Listener
	cases   []Case // those that can run; the others are in results already
	index   []int  // of cases in results
	opts    *Options
	tellOf  func(Result)
	told    chan struct{} // gets an element when a client has fetched the report
	failed  chan error    // gets the error that ends Accept
	served  sync.WaitGroup
	mu      sync.Mutex
	results []Result
	taken   []bool
	open    map[net.Conn]struct{}
}

func newHost(ctx context.Context, ln net.Listener, cases []Case, o *Options) *host {
	h := &host{
		ctx: ctx, ln: ln, opts: o, results: make([]Result, len(cases)), open: map[net.Conn]struct{}{},
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
	h.served.Go(h.serve)
	return h
}

func (h *host) serve() {
	for {
		conn, err := h.ln.Accept()
		if err != nil {
			h.failed <- err
			return
		}
		h.mu.Lock()
		h.open[conn] = struct{}{}
		h.mu.Unlock()
		h.served.Go(func() {
			h.talk(conn)
			conn.Close()
			h.mu.Lock()
			delete(h.open, conn)
			h.mu.Unlock()
		})
	}
}

// stop breaks all off.
func (h *host) stop() {
	h.ln.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	for conn := range h.open {
		conn.Close()
	}
}

// awaitReport waits until a client has fetched the report, or none can.
func (h *host) awaitReport() error {
	select {
	case <-h.told:
		return nil
	case err := <-h.failed:
		return err
	}
}

// finish waits for the cases that are under way. Each ends by its own time limit.
func (h *host) finish() {
	h.ln.Close()
	h.served.Wait()
	for i, taken := range h.taken {
		if !taken {
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
	case "/report":
		h.tell(p, h.summary())
		select {
		case h.told <- struct{}{}:
		default:
		}
	case "/case":
		h.play(p)
	default:
		conn.Write([]byte("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
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

func (h *host) play(p *peer) {
	n, err := strconv.Atoi(p.request.URL.Query().Get("n"))
	if err != nil || !h.take(n-1) {
		p.conn.Write([]byte("HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
		return
	}
	result := p.play(h.ctx, &h.cases[n-1])
	h.tellOf(result)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.results[h.index[n-1]] = result
}

// take reports whether case i is there and has not been run.
func (h *host) take(i int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i < 0 || i >= len(h.taken) || h.taken[i] {
		return false
	}
	h.taken[i] = true
	return true
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

// DriveClient is what a client under test does, for one in Go: it asks the suite at base how
// many cases there are, calls run with the URL of each, with up to parallel calls at once, and
// fetches the report. run opens a WebSocket connection to the URL and sends every message back
// until the connection ends; its errors do not count.
//
//	wstest.RunClient(ctx, func(base string) error {
//		return wstest.DriveClient(ctx, base, 16, echoUntilTheEnd)
//	}, nil)
func DriveClient(ctx context.Context, base string, parallel int, run func(ctx context.Context, url string) error) error {
	message, err := fetch(ctx, base+"/count")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(message)
	if err != nil {
		return errors.New("wstest: the number of cases is " + strconv.Quote(message))
	}
	slots := make(chan struct{}, max(parallel, 1))
	var wg sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			run(ctx, base+"/case?n="+strconv.Itoa(i+1))
		})
	}
	wg.Wait()
	_, err = fetch(ctx, base+"/report")
	return err
}

// fetch reads the one message that is behind a URL.
func fetch(ctx context.Context, url string) (string, error) {
	t, err := parseTarget(url)
	if err != nil {
		return "", err
	}
	o := (*Options)(nil).orDefaults()
	conn, err := t.dial(ctx, o)
	if err != nil {
		return "", err
	}
	p := newPeer(conn, true, o)
	p.target = t
	defer p.shut()
	if _, err := p.ask(p.newRequest()); err != nil {
		return "", err
	}
	ev, err := p.wantAnyMessage()
	if err != nil {
		return "", err
	}
	p.send(closing(ws.StatusNormalClosure, ""))
	p.next()
	return string(ev.payload), nil
}
