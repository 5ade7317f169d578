// Command guard compares the speed of two commits and fails if a row of the
// benchmarks has become slower by more than a limit.
//
//	go run ./guard -old main -bench 'Message|Handshake'
//
// It builds the benchmarks of both and runs them alternately, row by row, for a
// short time each, so that other load on the machine affects both equally. The
// result is the median of the ratios of all rounds. A row over the limit is
// measured again with three times as many rounds before it fails. Rows that
// exist in only one commit are listed and skipped.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/wskit/wskit/bench/paired"
)

// options are the flags.
type options struct {
	old, new  string
	packages  string
	bench     string
	rounds    int
	benchtime time.Duration
	limit     float64
}

func main() {
	var o options
	flag.StringVar(&o.old, "old", "main", "the `commit` to compare with")
	flag.StringVar(&o.new, "new", "", "the `commit` that must not be slower; the files as they are if empty")
	flag.StringVar(&o.packages, "packages", "bench", "`folders` of the packages with the benchmarks, from the root, separated by spaces")
	flag.StringVar(&o.bench, "bench", ".", "measure the rows that match this `regexp`")
	flag.IntVar(&o.rounds, "rounds", 11, "measure each row `N` times with both")
	flag.DurationVar(&o.benchtime, "benchtime", 10*time.Millisecond, "`time` to spend on one measurement")
	flag.Float64Var(&o.limit, "limit", 1.05, "fail if the median of the ratios of new to old is above `R`")
	flag.Parse()
	if err := o.run(os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		os.Exit(1)
	}
}

func (o options) check() error {
	switch {
	case o.rounds < 1:
		return fmt.Errorf("-rounds is %d, want at least 1", o.rounds)
	case o.limit <= 0:
		return fmt.Errorf("-limit is %v, want more than 0", o.limit)
	case len(strings.Fields(o.packages)) == 0:
		return errors.New("-packages names no folder")
	}
	_, err := regexp.Compile(o.bench)
	return err
}

// row is a benchmark that exists in both commits. Each function measures it
// once, in nanoseconds for an operation.
type row struct {
	name     string
	old, new func() (float64, error)
}

// run measures all rows, and returns an error that names those over the limit.
func (o options) run(out, progress io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "guard")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	before, err := checkout(dir, "old", o.old)
	if err != nil {
		return err
	}
	defer before.remove()
	after, err := checkout(dir, "new", o.new)
	if err != nil {
		return err
	}
	defer after.remove()
	rows, err := o.build(before, after, progress)
	if err != nil {
		return err
	}
	return o.compareAll(rows, out, progress)
}

// compareAll compares all rows.
func (o options) compareAll(rows []row, out, progress io.Writer) error {
	var slow []string
	for _, r := range rows {
		s, err := compare(r, o.rounds)
		if err == nil && s.Median > o.limit {
			fmt.Fprintf(progress, "%s: %v, once more\n", r.name, s)
			s, err = compare(r, 3*o.rounds)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-60s %s\n", r.name, s)
		if s.Median > o.limit {
			slow = append(slow, fmt.Sprintf("%s (%.3f)", r.name, s.Median))
		}
	}
	if len(slow) > 0 {
		return fmt.Errorf("slower than %s by more than %.0f %%: %s", o.old, 100*(o.limit-1), strings.Join(slow, ", "))
	}
	return nil
}

// compare measures a row alternately. The order changes from round to round.
func compare(r row, rounds int) (paired.Summary, error) {
	var ratios []float64
	for i := range rounds {
		first, second := r.old, r.new
		if i%2 == 1 {
			first, second = second, first
		}
		a, err := first()
		if err != nil {
			return paired.Summary{}, err
		}
		b, err := second()
		if err != nil {
			return paired.Summary{}, err
		}
		if i%2 == 1 {
			a, b = b, a
		}
		ratios = append(ratios, b/a)
	}
	return paired.Summarize(ratios), nil
}

// build builds the benchmarks of both trees, and returns the rows in the order
// of the new tree.
func (o options) build(before, after *tree, progress io.Writer) ([]row, error) {
	var rows []row
	match := regexp.MustCompile(o.bench)
	for _, pkg := range strings.Fields(o.packages) {
		was, old, err := before.build(pkg)
		if err != nil {
			return nil, err
		}
		is, new, err := after.build(pkg)
		if err != nil {
			return nil, err
		}
		for _, name := range is {
			switch {
			case !match.MatchString(name):
			case !slices.Contains(was, name):
				fmt.Fprintf(progress, "%s: only in the new one\n", name)
			default:
				rows = append(rows, row{name, old.row(name, o.benchtime), new.row(name, o.benchtime)})
			}
		}
		for _, name := range was {
			if match.MatchString(name) && !slices.Contains(is, name) {
				fmt.Fprintf(progress, "%s: only in the old one\n", name)
			}
		}
	}
	if len(rows) == 0 {
		return nil, errors.New("no row to compare")
	}
	return rows, nil
}
