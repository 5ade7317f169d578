package wstest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// RunServer puts the server at a ws or wss URL to the test: it opens a connection for each case
// and plays the client. The server should send every message back as it is; see Options.NoEcho
// for one that does not.
//
// The error is about the run: a bad URL or filter, a server that is not there or does not take
// a plain handshake, a ctx that ended. If ctx ends during the run, RunServer returns its cause
// and, too, the report, in which the cases that had not ended are skipped. Cases that
// failed are in the report.
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
	if err := t.probe(ctx, o); err != nil {
		return nil, err
	}
	start := time.Now()
	results := runAll(ctx, cases, o, func(c *Case) Result { return playClient(ctx, c, t, o) })
	return newReport(Server, url, o, start, results), context.Cause(ctx)
}

// probeTime is how long a server may take for the handshake before the run.
const probeTime = 10 * time.Second

// probe asks for a plain handshake: without an answer to it, no case is worth its time.
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
	case res == nil:
		return errors.New("wstest: the server ends the connection instead of answering a handshake")
	case res.StatusCode != http.StatusSwitchingProtocols:
		return fmt.Errorf("wstest: the server refuses a plain handshake: %s", res.Status)
	}
	p.send(closing(ws.StatusNormalClosure, ""))
	return nil
}

// runAll runs cases with as many at once as the options say.
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

// overtaken is the result of a case that the end of the run has overtaken.
func overtaken(c Case) Result {
	return Result{Case: c, Verdict: Skipped, Detail: "the run ended before the case did"}
}

// playClient runs a case against a server.
func playClient(ctx context.Context, c *Case, t target, o *Options) Result {
	if why := c.skip(o); why != "" {
		return Result{Case: *c, Verdict: Skipped, Detail: why}
	}
	dialing, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	conn, err := t.dial(dialing, o)
	switch {
	case ctx.Err() != nil:
		if err == nil {
			conn.Close()
		}
		return overtaken(*c)
	case err != nil:
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
