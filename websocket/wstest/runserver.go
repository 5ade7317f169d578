package wstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// RunServer tests the server at a ws or wss URL. It opens a connection for each
// case and acts as the client. The server should echo every message. If it does
// not, set Options.NoEcho.
//
// The error is about the run: an invalid URL or filter, a server that is not
// running or refuses a plain handshake, or the end of ctx. If ctx ends during
// the run, RunServer returns its cause and also the report, in which unfinished
// cases are skipped. If the server stops accepting connections during the run,
// RunServer does the same, with a *GoneError. Failed cases are not errors; they
// are in the report.
func RunServer(ctx context.Context, url string, o *Options) (*Report, error) {
	o = o.orDefaults()
	t, err := parseTarget(url)
	if err != nil {
		return nil, err
	}
	cases, err := o.Cases(Server)
	if err != nil {
		return nil, err
	}
	if err := t.probe(ctx, o); err != nil {
		return nil, err
	}
	start := time.Now()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := &serverRun{target: t, o: o, end: end}
	results := runAll(ctx, cases, o, func(c *Case) Result { return s.playClient(ctx, c) })
	err = context.Cause(ctx)
	if gone, ok := errors.AsType[*GoneError](err); ok {
		gone.Cases = s.suspects(results)
	}
	return newReport(Server, url, o, start, results), err
}

// GoneError reports that a server under test no longer accepts connections.
type GoneError struct {
	// Cases are the IDs of the cases that may have killed the server: of the
	// last cases that had a connection, those that failed, or else the very
	// last one.
	Cases []string

	// Err is the error of the last attempt to connect.
	Err error
}

// Error lists the cases.
func (e *GoneError) Error() string {
	if len(e.Cases) == 0 {
		return fmt.Sprintf("wstest: the server is gone: %v", e.Err)
	}
	return fmt.Sprintf("wstest: the server is gone since %s: %v", strings.Join(e.Cases, ", "), e.Err)
}

// Unwrap returns Err.
func (e *GoneError) Unwrap() error { return e.Err }

// serverRun is one run against a server.
type serverRun struct {
	target target
	o      *Options
	end    context.CancelCauseFunc

	mu     sync.Mutex
	opened []string // the IDs of the last connected cases, at most Parallel
}

// connected records that a case has a connection.
func (s *serverRun) connected(c *Case) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, c.ID)
	if len(s.opened) > s.o.Parallel {
		s.opened = s.opened[1:]
	}
}

// suspects returns the cases that may have killed the server.
func (s *serverRun) suspects(results []Result) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range results {
		if r.Verdict == Failed && slices.Contains(s.opened, r.ID) {
			ids = append(ids, r.ID)
		}
	}
	if n := len(s.opened); len(ids) == 0 && n > 0 {
		ids = s.opened[n-1:]
	}
	return ids
}

// redials is how often a server is dialed before it counts as gone. The pause
// before the nth attempt is n-1 times redialPause: 1.5 s in all.
const (
	redials     = 6
	redialPause = 100 * time.Millisecond
)

// dial connects for a case. If that fails repeatedly, it ends the run.
func (s *serverRun) dial(ctx context.Context) (conn net.Conn, err error) {
	for n := range redials {
		if err := sleep(ctx, time.Duration(n)*redialPause); err != nil {
			return nil, err
		}
		dialing, cancel := context.WithTimeout(ctx, s.o.Timeout)
		conn, err = s.target.dial(dialing, s.o)
		cancel()
		if err == nil || ctx.Err() != nil {
			return conn, err
		}
	}
	s.end(&GoneError{Err: err})
	return nil, err
}

// probeTime is how long a server may take for the handshake before the run.
const probeTime = 10 * time.Second

// probe performs a plain handshake. If it fails, no case can pass.
func (t target) probe(ctx context.Context, options *Options) error {
	o := *options
	o.Timeout = min(o.Timeout, probeTime)
	dialing, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	conn, err := t.dial(dialing, &o)
	if err != nil {
		return err
	}
	p := newPeer(conn, true, &o)
	p.target = t
	defer p.shut()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	p.sendRequest(0, p.newRequest())
	res, err := p.answer()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("wstest: %w", err)
	case res == nil && streamFault(conn) != nil:
		return fmt.Errorf("wstest: %w", streamFault(conn))
	case res == nil:
		return errors.New("wstest: the server ends the connection instead of answering a handshake")
	case res.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("wstest: the server refuses a plain handshake: %s", res.Status)
	}
	p.send(closing(ws.StatusNormalClosure, ""))
	return nil
}

// runAll runs cases, at most Parallel of them concurrently.
func runAll(ctx context.Context, cases []Case, o *Options, play func(*Case) Result) []Result {
	results := make([]Result, len(cases))
	tell := o.teller()
	slots := make(chan struct{}, o.Parallel)
	alone := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for i := range cases {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if cases[i].needs&needAlone != 0 {
				alone <- struct{}{}
				defer func() { <-alone }()
			}
			if ctx.Err() != nil {
				results[i] = overtaken(cases[i])
			} else {
				results[i] = play(&cases[i])
			}
			tell(results[i])
		})
	}
	wg.Wait()
	return results
}

// overtaken returns the result of a case that had not finished at the end of
// the run.
func overtaken(c Case) Result {
	return Result{Case: c, Verdict: Skipped, Detail: "the run ended before the case did"}
}

// playClient runs a case against a server.
func (s *serverRun) playClient(ctx context.Context, c *Case) Result {
	if why := c.skip(s.o); why != "" {
		return Result{Case: *c, Verdict: Skipped, Detail: why}
	}
	conn, err := s.dial(ctx)
	if ctx.Err() != nil {
		if err == nil {
			conn.Close()
		}
		return overtaken(*c)
	}
	s.connected(c)
	p := newPeer(conn, true, s.o)
	p.target = s.target
	return p.play(ctx, c)
}

// play runs the script of a case and closes the connection.
func (p *peer) play(ctx context.Context, c *Case) Result {
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	err := p.run(ctx, c)
	p.shut()
	if ctx.Err() != nil {
		return overtaken(*c)
	}
	r := Result{Case: *c, Duration: time.Since(p.log.start), Wire: p.log.all()}
	r.Verdict, r.Detail = judge(err)
	if p.closed != nil {
		r.CloseCode = uint16(p.closed.code)
	}
	return r
}

func (p *peer) run(ctx context.Context, c *Case) error {
	if c.needs&needRaw == 0 {
		if err := p.openPlain(); err != nil {
			return err
		}
	}
	if err := c.script(ctx, p); err != nil {
		return err
	}
	return p.remark
}
