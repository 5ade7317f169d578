package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/wskit/wskit/websocket/wstest"
)

// timeLimit limits each case. All but a few take milliseconds.
const timeLimit = 8 * time.Second

// Limits for a client, which may hang in a case.
const (
	patience      = 2 * time.Minute
	alonePatience = 30 * time.Second
)

// runner runs the suite against one agent.
type runner struct {
	agent    *agent
	limit    int64
	filter   string
	progress io.Writer
}

// run runs all cases, and those that failed a second time: a machine that is busy makes cases
// run into their time limits. The better outcome stands. If the agent's process did not
// survive, the cases that it did not reach run in another one, those that are not strict run
// alone, and one that ends the process is left out of the report, as is one in which the
// agent panics.
func (r *runner) run(ctx context.Context) (*wstest.Agent, error) {
	began := time.Now()
	found, died, err := r.all(ctx)
	if err != nil {
		return nil, err
	}
	ids := failedIDs(found)
	if len(ids) > 0 && died == nil {
		var again *wstest.Agent
		if again, died, err = r.once(ctx, anyOf(ids), casesAtOnce); err != nil {
			return nil, err
		}
		r.adopt(found, again)
	}
	if died != nil {
		fmt.Fprintf(r.progress, "%s: the process ended: %v\n", r.agent, died)
		if err := r.alone(ctx, found); err != nil {
			return nil, err
		}
	}
	for _, id := range panickedIDs(found) {
		fmt.Fprintf(r.progress, "%s: left out: %s makes it panic\n", r.agent, id)
		drop(found, id)
	}
	found.Duration = time.Since(began)
	recount(found)
	c := found.Counts
	fmt.Fprintf(r.progress, "%s: strict %d, tolerated %d, failed %d, skipped %d, in %v\n",
		r.agent, c.Strict, c.Tolerated, c.Failed, c.Skipped, found.Duration.Round(time.Millisecond))
	return found, nil
}

// all runs each case, in as many processes as it takes.
func (r *runner) all(ctx context.Context) (found *wstest.Agent, died, err error) {
	found, died, err = r.once(ctx, r.filter, casesAtOnce)
	if err != nil || died == nil {
		return found, died, err
	}
	for left := missedIDs(found); len(left) > 0; {
		more, _, err := r.once(ctx, anyOf(left), casesAtOnce)
		if err != nil {
			return nil, nil, err
		}
		replace(found, more.Results)
		missed := missedIDs(found)
		if len(missed) == len(left) {
			break // the function alone runs one case at a time
		}
		left = missed
	}
	return found, died, nil
}

// once runs the cases that match the filter in a new process. died says that
// the process ended early.
func (r *runner) once(ctx context.Context, filter string, parallel int) (found *wstest.Agent, died, err error) {
	o := &wstest.Options{Agent: r.agent.name, Filter: filter, Parallel: parallel, Timeout: timeLimit, MaxMessage: r.limit}
	if r.agent.ours != nil {
		o.RequireCompression = r.agent.ours.Compresses
	}
	var rep *wstest.Report
	if r.agent.side == client {
		rep, died, err = r.client(ctx, o)
	} else {
		rep, died, err = r.server(ctx, o)
	}
	if err != nil {
		return nil, nil, err
	}
	return &rep.Agents[0], died, nil
}

func (r *runner) server(ctx context.Context, o *wstest.Options) (rep *wstest.Report, died, err error) {
	p, err := r.start(ctx)
	if err != nil {
		return nil, nil, err
	}
	port, err := p.port()
	if err != nil {
		return nil, nil, err
	}
	rep, err = wstest.RunServer(ctx, "ws://127.0.0.1:"+port+"/ws", o)
	died = p.stop()
	if gone, ok := errors.AsType[*wstest.GoneError](err); ok {
		return rep, cmp.Or(died, error(gone)), nil
	}
	return rep, died, err
}

func (r *runner) client(ctx context.Context, o *wstest.Options) (rep *wstest.Report, died, err error) {
	limit := patience
	if o.Parallel == 1 {
		limit = alonePatience
	}
	rep, err = wstest.RunClient(ctx, func(url string) error {
		p, err := r.start(ctx, url)
		if err == nil {
			died = p.wait(limit)
		}
		return err
	}, o)
	return rep, died, err
}

func (r *runner) start(ctx context.Context, url ...string) (*process, error) {
	argv, err := r.agent.argv(r.limit, url...)
	if err != nil {
		return nil, err
	}
	return start(ctx, argv)
}

// alone runs each case that is not strict in its own process. Otherwise a crash
// may look like a dropped connection, which is tolerated.
func (r *runner) alone(ctx context.Context, found *wstest.Agent) error {
	var mu sync.Mutex
	var errs []error
	var open sync.WaitGroup
	slots := make(chan struct{}, casesAtOnce)
	for _, id := range looseIDs(found) {
		slots <- struct{}{}
		open.Go(func() {
			defer func() { <-slots }()
			again, died, err := r.once(ctx, anyOf([]string{id}), 1)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				errs = append(errs, err)
			case died != nil:
				fmt.Fprintf(r.progress, "%s: left out: %s ends the process: %v\n", r.agent, id, died)
				drop(found, id)
			default:
				replace(found, again.Results)
			}
		})
	}
	open.Wait()
	return errors.Join(errs...)
}

// adopt copies better results of the second run, with a remark.
func (r *runner) adopt(found, again *wstest.Agent) {
	var better []wstest.Result
	for _, res := range again.Results {
		if res.Verdict != wstest.Failed && !missed(res) {
			fmt.Fprintf(r.progress, "%s: %s failed at first\n", r.agent, res.ID)
			better = append(better, res)
		}
	}
	replace(found, better)
}

func replace(a *wstest.Agent, results []wstest.Result) {
	for _, res := range results {
		i := slices.IndexFunc(a.Results, func(old wstest.Result) bool { return old.ID == res.ID })
		a.Results[i] = res
	}
}

func drop(a *wstest.Agent, id string) {
	a.Results = slices.DeleteFunc(a.Results, func(res wstest.Result) bool { return res.ID == id })
}

func failedIDs(a *wstest.Agent) []string { return idsOf(a, wstest.Failed) }

func looseIDs(a *wstest.Agent) []string {
	return append(idsOf(a, wstest.Failed, wstest.Tolerated), missedIDs(a)...)
}

// missed reports whether the end of the run came before the case.
func missed(res wstest.Result) bool {
	return res.Verdict == wstest.Skipped && res.Detail == "the run ended before the case did"
}

func missedIDs(a *wstest.Agent) (ids []string) {
	for _, res := range a.Results {
		if missed(res) {
			ids = append(ids, res.ID)
		}
	}
	return ids
}

// panickedIDs returns the cases in which wstest.DriveClient recovered a panic.
func panickedIDs(a *wstest.Agent) (ids []string) {
	for _, res := range a.Results {
		if strings.HasPrefix(res.Detail, "the client broke down: panic:") {
			ids = append(ids, res.ID)
		}
	}
	return ids
}

func idsOf(a *wstest.Agent, verdicts ...wstest.Verdict) (ids []string) {
	for _, res := range a.Results {
		if slices.Contains(verdicts, res.Verdict) {
			ids = append(ids, res.ID)
		}
	}
	return ids
}

func recount(a *wstest.Agent) {
	a.Counts = wstest.Counts{}
	for _, res := range a.Results {
		add(&a.Counts, res.Verdict)
	}
}

func add(c *wstest.Counts, v wstest.Verdict) {
	switch v {
	case wstest.Strict:
		c.Strict++
	case wstest.Tolerated:
		c.Tolerated++
	case wstest.Failed:
		c.Failed++
	default:
		c.Skipped++
	}
}

// anyOf returns a regular expression that matches exactly these IDs.
func anyOf(ids []string) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = regexp.QuoteMeta(id)
	}
	return "^(?:" + strings.Join(quoted, "|") + ")$"
}
