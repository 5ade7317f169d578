package main

import (
	"fmt"
	"strings"
)

// pagePart is the name of the table in a page about performance.
const pagePart = "performance"

// pageTable returns the table of all rows with their limits. It shows the
// lowest times, which are most reliable on a machine with other load.
func pageTable(rep *report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| work | limit | %s | by `Conn` | best other | ratio |\n|---|---:|---:|---:|---:|---:|\n", ours)
	rounds := 0
	for i := range rep.Rows {
		r := &rep.Rows[i]
		mine, other, theirs := r.lowest(isOurs), "", 0.0
		for lib, c := range r.By {
			rounds = max(rounds, c.Samples)
			if lib != limit && !isOurs(lib) && better(theirs, c.Min) != theirs {
				other, theirs = project(lib), c.Min
			}
		}
		bound := r.lowest(func(lib string) bool { return lib == limit })
		conn := r.lowest(func(lib string) bool { return lib == connection })
		q := quotient(mine, theirs)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", strings.ReplaceAll(r.Name, "/", " "),
			dash(bound > 0, duration(bound)), dash(mine > 0, duration(mine)), dash(conn > 0, duration(conn)),
			dash(theirs > 0, other+" "+duration(theirs)), dash(q > 0, ratio(q)))
	}
	fmt.Fprintf(&b, "\nLowest time of an operation in %d rounds, in memory without system calls: the part of the work that no library can leave out, "+
		"the best way through %s, package websocket, the best of the others, and the ratio of the second to the fourth; %s, %s, %s/%s, %s. To repeat it: `cd bench && %s`\n",
		rounds, ours, rep.Date, rep.CPU, rep.GOOS, rep.GOARCH, rep.Go, rep.Command)
	return b.String()
}

// lowest returns the lowest time of the selected libraries, or 0 if none was
// measured.
func (r *row) lowest(wanted func(lib string) bool) (ns float64) {
	for lib, c := range r.By {
		if wanted(lib) {
			ns = better(ns, c.Min)
		}
	}
	return ns
}
