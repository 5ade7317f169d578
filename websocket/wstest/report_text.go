package wstest

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteText writes the report for a terminal. For each agent, it writes a table
// with a line for each area, and then the cases that are not strict, with the
// reason. Cases with the same fault are written as a group.
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
	for _, g := range a.groups() {
		g.text(b)
	}
	b.WriteByte('\n')
}

// group holds the results of cases with the same verdict and fault.
type group struct {
	verdict Verdict
	fault   string
	results []Result
}

// groups returns the groups of the cases that are not strict, in the order of
// their first cases.
func (a *Agent) groups() (list []group) {
	for _, res := range a.Results {
		if res.Verdict != Tolerated && res.Verdict != Failed {
			continue
		}
		at := slices.IndexFunc(list, func(g group) bool { return g.verdict == res.Verdict && g.fault == res.Fault })
		if at < 0 {
			at = len(list)
			list = append(list, group{verdict: res.Verdict, fault: res.Fault})
		}
		list[at].results = append(list[at].results, res)
	}
	return list
}

// text writes a group. A single case is a line. Several cases have their fault
// as the title, and a paragraph for each reason.
func (g *group) text(b *strings.Builder) {
	if len(g.results) == 1 {
		fmt.Fprintf(b, "%-9s  %s: %s\n", g.verdict, g.results[0].ID, g.results[0].Detail)
		return
	}
	fmt.Fprintf(b, "%-9s  %d cases: %s\n", g.verdict, len(g.results), g.fault)
	for len(g.results) > 0 {
		detail := g.results[0].Detail
		var ids []string
		g.results = slices.DeleteFunc(g.results, func(r Result) bool {
			if r.Detail != detail {
				return false
			}
			ids = append(ids, r.ID)
			return true
		})
		paragraph(b, append(ids, detail))
	}
}

// paragraph writes IDs and, after a colon, their reason in lines of 100
// columns.
func paragraph(b *strings.Builder, words []string) {
	const indent = "             "
	b.WriteString(indent)
	column := len(indent)
	for i, word := range words {
		switch {
		case i == 0:
		case column+len(word) > 100 && i < len(words)-1:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		switch {
		case i < len(words)-2:
			word += ","
		case i == len(words)-2:
			word += ":"
		}
		b.WriteString(word)
		column += len(word)
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

// areas returns the counts by the first part of the cases' IDs, in order.
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

// transcript returns a wire log as text.
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
