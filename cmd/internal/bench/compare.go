package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/wskit/wskit/cmd/internal/ui"
)

// comparison is a metric of two results.
type comparison struct {
	Name     string  `json:"name"`
	Old      float64 `json:"old"`
	New      float64 `json:"new"`
	Ratio    float64 `json:"ratio"` // new / old, or 0 if old is 0
	moreGood bool
	format   func(float64) string
}

// compare compares the metrics of two results.
func compare(old, new *Result) []comparison {
	var all []comparison
	add := func(name string, old, new float64, moreGood bool, format func(float64) string) {
		c := comparison{Name: name, Old: old, New: new, moreGood: moreGood, format: format}
		if old != 0 {
			c.Ratio = new / old
		}
		all = append(all, c)
	}
	perSecond := number[float64]
	add("messages/s", old.Messages.PerSecond, new.Messages.PerSecond, true, perSecond)
	add("handshakes/s", old.Handshakes.PerSecond, new.Handshakes.PerSecond, true, perSecond)
	if old.Settings.Mode != echoes || new.Settings.Mode != echoes {
		add("bytes/s sent", old.Bytes.SentPerSecond, new.Bytes.SentPerSecond, true, size)
		add("bytes/s received", old.Bytes.ReceivedPerSecond, new.Bytes.ReceivedPerSecond, true, size)
	}
	a, b := old.Latency, new.Latency
	for _, l := range []struct {
		name     string
		old, new float64
	}{
		{"mean", a.Mean, b.Mean}, {"p50", a.P50, b.P50}, {"p90", a.P90, b.P90}, {"p99", a.P99, b.P99},
		{"p99.9", a.P999, b.P999}, {"max", a.Max, b.Max},
	} {
		if a.Count+b.Count == 0 || old.Settings.Mode != new.Settings.Mode {
			break // one has no latency, or they measure different things
		}
		add("latency "+l.name, l.old, l.new, false, duration)
	}
	add("lost", float64(old.Messages.Lost), float64(new.Messages.Lost), false, perSecond)
	add("unsent", float64(old.Messages.Unsent), float64(new.Messages.Unsent), false, perSecond)
	add("errors", float64(old.errorCount()), float64(new.errorCount()), false, perSecond)
	return all
}

func (r *Result) errorCount() (n int64) {
	for _, count := range r.Errors {
		n += count
	}
	return n
}

// printComparison prints two results side by side.
func printComparison(w io.Writer, old, new *Result, asJSON bool) error {
	all := compare(old, new)
	if asJSON {
		return json.NewEncoder(w).Encode(all)
	}
	if old.Settings != new.Settings || old.URL != new.URL {
		fmt.Fprintf(w, "old  %s: %s\nnew  %s: %s\n\n", old.URL, old.Settings, new.URL, new.Settings)
	}
	p := ui.For(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\told\tnew\tnew/old\t\n")
	for _, c := range all {
		ratio := "-"
		if c.Ratio != 0 {
			ratio = fmt.Sprintf("%.2f", c.Ratio)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t  %s\n", c.Name, c.format(c.Old), c.format(c.New), ratio, c.verdict(p))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range new.Crossed {
		if _, err := fmt.Fprintf(w, "failed  %s\n", p.Red(c.String())); err != nil {
			return err
		}
	}
	return nil
}

// verdict rates a difference of more than 5 percent.
func (c comparison) verdict(p ui.Palette) string {
	better := c.New > c.Old == c.moreGood
	switch {
	case c.New == c.Old || c.Ratio > 0.95 && c.Ratio < 1.05:
		return ""
	case better:
		return p.Green("better")
	}
	return p.Red("worse")
}
