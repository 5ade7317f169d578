package check

import (
	"fmt"
	"io"
	"os"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/ui"
	"github.com/wskit/wskit/websocket/wstest"
)

// caseKey identifies a case of a report. Servers and clients have cases with
// the same names.
type caseKey struct{ direction, id string }

// baseline is the result of an earlier run.
type baseline map[caseKey]wstest.Verdict

// readBaseline reads the JSON report of an earlier run. A report has one
// server, one client or both; with more than one of a kind, the choice would be
// ambiguous.
func readBaseline(name string) (baseline, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, exit.Usagef("--baseline: %v", err)
	}
	defer f.Close()
	r, err := wstest.ReadReport(f)
	if err != nil || r.Schema != 1 {
		return nil, exit.Usagef("--baseline %s: not a JSON report: make one with wskit check --report", name)
	}
	b := make(baseline)
	seen := make(map[string]string)
	for _, a := range r.Agents {
		if other, ok := seen[a.Direction]; ok {
			return nil, exit.Usagef("--baseline %s: the report has more than one %s, %s and %s: give a report with one", name, a.Direction, other, a.Name)
		}
		seen[a.Direction] = a.Name
		for _, res := range a.Results {
			b[caseKey{a.Direction, res.ID}] = res.Verdict
		}
	}
	return b, nil
}

// change is a case whose verdict differs from that in the baseline.
type change struct {
	id       string
	old, new wstest.Verdict
}

// compare returns the cases of r that are worse than in the baseline and those
// that are better. Only failed cases count, and tolerated cases if all is true.
// A case that one of the runs has skipped is neither, unless it has failed now.
func (b baseline) compare(r *wstest.Report, all bool) (worse, better []change) {
	rank := func(v wstest.Verdict) int {
		switch {
		case v == wstest.Failed:
			return 2
		case v == wstest.Tolerated && all:
			return 1
		}
		return 0
	}
	for _, a := range r.Agents {
		for _, res := range a.Results {
			old := b[caseKey{a.Direction, res.ID}] // Skipped if the case is missing
			switch c := (change{res.ID, old, res.Verdict}); {
			case rank(res.Verdict) > rank(old):
				worse = append(worse, c)
			case rank(res.Verdict) < rank(old) && res.Verdict != wstest.Skipped:
				better = append(better, c)
			}
		}
	}
	return worse, better
}

// printBaseline prints what is worse and what is better than the baseline.
func printBaseline(w io.Writer, name string, worse, better []change) {
	p := ui.For(w)
	fmt.Fprintf(w, "%d cases worse than in %s, %d better\n", len(worse), name, len(better))
	for _, c := range worse {
		fmt.Fprintln(w, p.Red(fmt.Sprintf("new        %s: %s, was %s", c.id, c.new, c.old)))
	}
	for _, c := range better {
		fmt.Fprintln(w, p.Green(fmt.Sprintf("fixed      %s: %s, was %s", c.id, c.new, c.old)))
	}
}
