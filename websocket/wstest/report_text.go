package wstest

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteText writes the report as a table for a terminal: a line for each agent and area,
// and after it the cases that are not strict, with the reason.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for i := range r.Agents {
		r.Agents[i].text(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (a *Agent) text(b *strings.Builder) {
	fmt.Fprintf(b, "%s (%s): %d cases in %v\n\n", a.Name, a.Direction, len(a.Results), a.Duration.Round(time.Millisecond))
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "area\tstrict\ttolerated\tfailed\tskipped\t")
	for _, area := range a.areas() {
		line(tw, area.name, area.counts)
	}
	line(tw, "total", a.Counts)
	tw.Flush()
	b.WriteByte('\n')
	for _, res := range a.Results {
		if res.Verdict == Tolerated || res.Verdict == Failed {
			fmt.Fprintf(b, "%-9s  %s: %s\n", res.Verdict, res.ID, res.Detail)
		}
	}
	b.WriteByte('\n')
}

func line(w io.Writer, name string, c Counts) {
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t\n", name, c.Strict, c.Tolerated, c.Failed, c.Skipped)
}

type area struct {
	name   string
	counts Counts
}

// areas counts by the first part of the cases' IDs, in order.
func (a *Agent) areas() (list []area) {
	for i := range a.Results {
		name, _, _ := strings.Cut(a.Results[i].ID, "/")
		at := slices.IndexFunc(list, func(a area) bool { return a.name == name })
		if at < 0 {
			at = len(list)
			list = append(list, area{name: name})
		}
		c, one := &list[at].counts, count(a.Results[i:i+1])
		c.Strict += one.Strict
		c.Tolerated += one.Tolerated
		c.Failed += one.Failed
		c.Skipped += one.Skipped
	}
	return list
}

// transcript is a wire log for a terminal.
func transcript(wire []Entry) string {
	var b strings.Builder
	for _, e := range wire {
		fmt.Fprintf(&b, "%8.3fs %-5s  %s", e.At.Seconds(), e.From, e.Text)
		if e.Data != "" {
			fmt.Fprintf(&b, "  %s", e.Data)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
