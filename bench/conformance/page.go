package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/wskit/wskit/bench/marked"
	"github.com/wskit/wskit/examples/conformance"
	"github.com/wskit/wskit/websocket/wstest"
)

// part is the name of the generated part of the page.
const part = "conformance"

// page is the published page.
type page struct {
	Limit int64
	Rows  []row
}

// row is the result of an agent.
type row struct {
	*wstest.Agent
	Version string
	Setup   string
	ours    *conformance.Assembly // nil for the others
}

// dates returns the dates of the first and the last run.
func (p *page) dates() string {
	first, last := "", ""
	for _, r := range p.Rows {
		day := r.Started.Format(time.DateOnly)
		if first == "" || day < first {
			first = day
		}
		last = max(last, day)
	}
	if first != last {
		return first + " to " + last
	}
	return first
}

// verdict returns an error if one of our cases failed, or was tolerated without
// a reason.
func (p *page) verdict() error {
	var errs []error
	for _, r := range p.Rows {
		if r.ours == nil {
			continue
		}
		for _, res := range r.Results {
			_, excused := r.ours.Excuse(res.ID)
			if res.Verdict == wstest.Failed || res.Verdict == wstest.Tolerated && !excused {
				errs = append(errs, fmt.Errorf("%s %s: %s %s: %s", r.Direction, r.Name, res.ID, res.Verdict, res.Detail))
			}
		}
	}
	return errors.Join(errs...)
}

// checkPage returns an error if update will not find the place for its output.
func checkPage(folder string) error {
	return marked.Check(filepath.Join(folder, "conformance.md"), part)
}

// update writes the block of the page, and the suite's own page next to it.
func (p *page) update(folder string) error {
	if err := marked.Update(filepath.Join(folder, "conformance.md"), part, p.markdown()); err != nil {
		return err
	}
	return writeFile(filepath.Join(folder, "conformance.html"), compact(p.report()).WriteHTML)
}

// compact shortens the wire logs of failed cases and omits the others.
func compact(r *wstest.Report) *wstest.Report {
	const entries, data = 5, 32
	small := &wstest.Report{Schema: r.Schema}
	for _, a := range r.Agents {
		results := a.Results
		a.Results = make([]wstest.Result, len(results))
		for i, res := range results {
			wire := res.Wire
			res.Wire = nil
			if res.Verdict == wstest.Skipped {
				res.Detail = ""
			}
			if res.Verdict == wstest.Failed {
				for _, e := range wire[max(0, len(wire)-entries):] {
					e.Data = e.Data[:min(len(e.Data), data)]
					res.Wire = append(res.Wire, e)
				}
			}
			a.Results[i] = res
		}
		small.Agents = append(small.Agents, a)
	}
	return small
}

// platform returns the platform of the run.
func platform() string {
	return fmt.Sprintf("%s, %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
