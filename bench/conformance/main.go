// Command conformance runs the conformance suite, package wstest, against this
// project and the alternatives, as servers and as clients, and writes the
// results to a page.
//
// Run it in the folder of the module bench:
//
//	go run ./conformance -agents wskit
//	go run ./conformance -docs ../docs -json report.json
//	go run ./conformance -agents gws -input report.json -docs ../docs -json report.json
//
// The last command runs only some agents and reads the results of the others
// from an earlier run. Without -docs and -json, it only prints a line for each
// agent. It fails if a case of this project failed, or was tolerated without a
// documented reason.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"

	"github.com/wskit/wskit/websocket/wstest"
)

// options holds the flags.
type options struct {
	agents string
	cases  string
	limit  int64
	docs   string
	json   string
	input  string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childCommand {
		exit(child(os.Args[2:]))
	}
	var o options
	flag.StringVar(&o.agents, "agents", "", "run the agents whose side and name, \"server wskit: websocket\" say, match this `regexp`")
	flag.StringVar(&o.cases, "cases", "", "run the cases whose ID matches this `regexp`")
	flag.Int64Var(&o.limit, "limit", 1<<20, "largest message in `bytes` that the agents take")
	flag.StringVar(&o.docs, "docs", "", "write conformance.md and conformance.html in this `folder`")
	flag.StringVar(&o.json, "json", "", "write the report with all wire logs to this `file`")
	flag.StringVar(&o.input, "input", "", "take the agents that do not run from this `file`, which -json has written")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, o, os.Stderr))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run executes the flags. It prints progress to progress.
func run(ctx context.Context, o options, progress io.Writer) error {
	chosen, err := o.choose()
	if err != nil {
		return err
	}
	if o.docs != "" { // check before measuring for minutes
		if err := checkPage(o.docs); err != nil {
			return err
		}
	}
	earlier, err := o.earlier()
	if err != nil {
		return err
	}
	p := &page{Limit: o.limit}
	for _, a := range agents(o.limit) {
		found := earlier[a.String()]
		if slices.Contains(chosen, a.String()) {
			r := &runner{agent: a, limit: o.limit, filter: o.cases, progress: progress}
			if found, err = r.run(ctx); err != nil {
				return fmt.Errorf("%s: %w", a, err)
			}
		}
		if found == nil {
			continue
		}
		version, err := a.version()
		if err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
		p.Rows = append(p.Rows, row{Agent: found, Version: version, Setup: a.setup, ours: a.ours})
	}
	return errors.Join(o.write(p), p.verdict())
}

// earlier returns the agents of an earlier run, by side and name.
func (o options) earlier() (map[string]*wstest.Agent, error) {
	if o.input == "" {
		return nil, nil
	}
	f, err := os.Open(o.input)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := wstest.ReadReport(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.input, err)
	}
	found := map[string]*wstest.Agent{}
	for i, a := range r.Agents {
		found[a.Direction+" "+a.Name] = &r.Agents[i]
	}
	return found, nil
}

// choose returns the names of the agents selected by the flags.
func (o options) choose() (chosen []string, err error) {
	re, err := regexp.Compile(o.agents)
	if err != nil {
		return nil, err
	}
	for _, a := range agents(o.limit) {
		if re.MatchString(a.String()) {
			chosen = append(chosen, a.String())
		}
	}
	if len(chosen) == 0 && o.input == "" {
		return nil, fmt.Errorf("no agent matches %q", o.agents)
	}
	return chosen, nil
}

// write writes the files selected by the flags.
func (o options) write(p *page) error {
	if o.json != "" {
		if err := writeFile(o.json, p.report().WriteJSON); err != nil {
			return err
		}
	}
	if o.docs == "" {
		return nil
	}
	return p.update(o.docs)
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// report returns the results as a report of package wstest.
func (p *page) report() *wstest.Report {
	r := &wstest.Report{Schema: 1}
	for _, row := range p.Rows {
		r.Agents = append(r.Agents, *row.Agent)
	}
	return r
}
