package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// writeTable writes all rows, for a terminal.
func writeTable(w io.Writer, rep *report) error {
	fmt.Fprintf(w, "%s, %s, %s/%s, %s\n", rep.Date, rep.CPU, rep.GOOS, rep.GOARCH, rep.Go)
	fmt.Fprintf(w, "Median time of an operation; then a for allocations, r for Reads and w for Writes, where there are any.\n")
	fmt.Fprintf(w, "The ratio is that of the best way through %s to the best of the others.\n\n", ours)

	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "work\tratio\t%s\n", strings.Join(rep.Libraries, "\t"))
	for _, r := range rep.Rows {
		fmt.Fprintf(tw, "%s\t%s", r.Name, ratio(r.Ratio))
		for _, lib := range rep.Libraries {
			fmt.Fprintf(tw, "\t%s", r.By[lib])
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

// String returns the figures of a cell. It may be nil.
func (c *cell) String() string {
	if c == nil {
		return "-"
	}
	s := duration(c.Nanoseconds)
	for _, figure := range []struct {
		value float64
		unit  string
	}{{c.Allocs, "a"}, {c.Reads, "r"}, {c.Writes, "w"}} {
		if figure.value >= 0.005 {
			s += " " + strconv.FormatFloat(math.Round(100*figure.value)/100, 'f', -1, 64) + figure.unit
		}
	}
	return s
}

// ratio formats r.
func ratio(r float64) string {
	if r == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", r)
}

// duration formats a time with three significant digits.
func duration(ns float64) string {
	unit := "ns"
	for _, next := range []string{"µs", "ms", "s"} {
		if ns < 999.5 {
			break
		}
		ns, unit = ns/1000, next
	}
	return digits(ns) + " " + unit
}

func digits(v float64) string {
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}
