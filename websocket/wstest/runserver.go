package wstest

import (
	"context"
	"sync"
	"time"
)

// RunServer puts the server at a ws or wss URL to the test: it opens a connection for each case
// and plays the client. The server should send every message back as it is; see Options.NoEcho
// for one that does not.
//
// The error is about the run: a bad URL or filter, a server that is not there, a ctx that
// ended. Cases that failed are in the report.
func RunServer(ctx context.Context, url string, o *Options) (*Report, error) {
	o = o.orDefaults()
	t, err := parseTarget(url)
	if err != nil {
		return nil, err
	}
	cases, err := choose(Server, o)
	if err != nil {
		return nil, err
	}
	conn, err := t.dial(ctx, o)
	if err != nil {
		return nil, err
	}
	conn.Close()

	start := time.Now()
	results := runAll(ctx, cases, o, func(c *Case) Result { return playClient(ctx, c, t, o) })
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return newReport(Server, url, o, start, results), nil
}

// runAll runs cases with as many at once as the options say.
func runAll(ctx context.Context, cases []Case, o *Options, play func(*Case) Result) []Result {
	results := make([]Result, len(cases))
	tell := o.teller()
	slots := make(chan struct{}, o.Parallel)
	alone := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for i := range cases {
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if cases[i].needs&needAlone != 0 {
				alone <- struct{}{}
				defer func() { <-alone }()
			}
			results[i] = play(&cases[i])
			tell(results[i])
		})
	}
	wg.Wait()
	return results
}

// playClient runs a case against a server.
func playClient(ctx context.Context, c *Case, t target, o *Options) Result {
	if why := c.skip(o); why != "" {
		return Result{Case: *c, Verdict: Skipped, Detail: why}
	}
	dialing, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	conn, err := t.dial(dialing, o)
	if err != nil {
		return Result{Case: *c, Verdict: Failed, Detail: "dial: " + err.Error()}
	}
	p := newPeer(conn, true, o)
	p.target = t
	return p.play(ctx, c)
}

// play runs the script of a case and closes the connection.
func (p *peer) play(ctx context.Context, c *Case) Result {
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	err := p.run(ctx, c)
	p.shut()
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
	return c.script(ctx, p)
}
