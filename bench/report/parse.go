package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/wskit/wskit/bench/paired"
)

const (
	ours  = "wskit"
	limit = "limit" // not a library: the part of the work that no library can omit
)

// report holds the results in their stored form.
type report struct {
	Date      string   `json:"date"`
	CPU       string   `json:"cpu"`
	GOOS      string   `json:"goos"`
	GOARCH    string   `json:"goarch"`
	Go        string   `json:"go"`
	Command   string   `json:"command"`
	Libraries []string `json:"libraries"`
	Rows      []row    `json:"rows"`
}

// row is one piece of work.
type row struct {
	Name  string           `json:"name"`
	Ratio float64          `json:"ratio,omitempty"` // of our best time to the best of the others; 0: none
	By    map[string]*cell `json:"by"`              // library
}

// cell holds the medians of one library for an operation.
type cell struct {
	Nanoseconds float64 `json:"ns"`
	Min         float64 `json:"ns_min"`
	Max         float64 `json:"ns_max"`
	Samples     int     `json:"samples"`
	Bytes       float64 `json:"bytes"`
	Allocs      float64 `json:"allocs"`
	Reads       float64 `json:"reads,omitempty"`
	Writes      float64 `json:"writes,omitempty"`

	samples map[string][]float64 // by unit
}

// parse reads the output of "go test -bench" and computes the medians. Rows are
// in the order in which they appear.
func parse(r io.Reader) (*report, error) {
	rep := new(report)
	br := benchfmt.NewReader(r, "benchmarks")
	for br.Scan() {
		switch rec := br.Result().(type) {
		case *benchfmt.Result:
			if err := rep.add(rec); err != nil {
				return nil, err
			}
		case *benchfmt.SyntaxError:
			return nil, rec
		}
	}
	if err := br.Err(); err != nil {
		return nil, err
	}
	if len(rep.Rows) == 0 {
		return nil, errors.New("no benchmarks in the input")
	}
	slices.SortFunc(rep.Libraries, byRank)
	for i := range rep.Rows {
		rep.Rows[i].summarize()
	}
	return rep, nil
}

// add adds one measurement.
func (rep *report) add(res *benchfmt.Result) error {
	name, lib, ok := splitName(res.Name)
	if !ok {
		return fmt.Errorf("benchmark %q does not name its library", res.Name)
	}
	if !slices.Contains(rep.Libraries, lib) {
		rep.Libraries = append(rep.Libraries, lib)
	}
	rep.CPU, rep.GOOS, rep.GOARCH = strings.Join(strings.Fields(res.GetConfig("cpu")), " "), res.GetConfig("goos"), res.GetConfig("goarch")

	i := slices.IndexFunc(rep.Rows, func(r row) bool { return r.Name == name })
	if i < 0 {
		i = len(rep.Rows)
		rep.Rows = append(rep.Rows, row{Name: name, By: make(map[string]*cell)})
	}
	c := rep.Rows[i].By[lib]
	if c == nil {
		c = &cell{samples: make(map[string][]float64)}
		rep.Rows[i].By[lib] = c
	}
	for _, v := range res.Values {
		c.samples[v.Unit] = append(c.samples[v.Unit], v.Value)
	}
	return nil
}

// splitName removes the library from a benchmark's name.
func splitName(full benchfmt.Name) (name, lib string, ok bool) {
	base, parts := full.Parts()
	name = string(base)
	for _, part := range parts {
		p := string(part)
		if v, is := strings.CutPrefix(p, "/lib="); is {
			lib, ok = v, true
		} else if strings.HasPrefix(p, "/") { // the other form is the number of processors
			name += p
		}
	}
	return name, lib, ok
}

// summarize computes the medians and the ratio.
func (r *row) summarize() {
	var mine, theirs float64
	for lib, c := range r.By {
		c.summarize()
		switch {
		case lib == limit:
		case isOurs(lib):
			mine = better(mine, c.Nanoseconds)
		default:
			theirs = better(theirs, c.Nanoseconds)
		}
	}
	r.Ratio = quotient(mine, theirs)
}

// quotient returns mine / theirs, and 0 if one of them is missing.
func quotient(mine, theirs float64) float64 {
	if mine == 0 || theirs == 0 {
		return 0
	}
	return mine / theirs
}

// better returns the smaller of two times. 0 means none.
func better(a, b float64) float64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// time returns the time of a cell, or 0 if the cell is empty.
func (c *cell) time() float64 {
	if c == nil {
		return 0
	}
	return c.Nanoseconds
}

// project returns the project of lib, without the suffix for one of its
// adapters.
func project(lib string) string {
	name, _, _ := strings.Cut(lib, "-")
	return name
}

// isOurs reports whether lib is an adapter of this project.
func isOurs(lib string) bool { return project(lib) == ours }

// byRank orders libraries: ours, the others by name, and the limit.
func byRank(a, b string) int {
	rank := func(lib string) int {
		switch {
		case isOurs(lib):
			return 0
		case lib == limit:
			return 2
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
}

// summarize computes the medians from the samples.
func (c *cell) summarize() {
	times := c.samples["sec/op"]
	c.Samples = len(times)
	c.Nanoseconds = 1e9 * paired.Median(times)
	if len(times) > 0 {
		c.Min, c.Max = 1e9*slices.Min(times), 1e9*slices.Max(times)
	}
	c.Bytes, c.Allocs = paired.Median(c.samples["B/op"]), paired.Median(c.samples["allocs/op"])
	c.Reads, c.Writes = paired.Median(c.samples["reads/op"]), paired.Median(c.samples["writes/op"])
}
