// Command report measures all libraries, prints a table of medians with the
// ratio of this project to the best of the others, and stores it.
//
// It is run in the folder of the module bench:
//
//	go run ./report -count 6 -readme ../README.md
//
// Without -readme it only prints the table.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/wskit/wskit/bench/marked"
)

// options are the flags.
type options struct {
	count     int
	benchtime string
	bench     string
	input     string
	readme    string
	page      string // about performance
	json      string
}

func main() {
	var o options
	flag.IntVar(&o.count, "count", 6, "measure `N` rounds, each of all rows one after another")
	flag.StringVar(&o.benchtime, "benchtime", "20ms", "`time` to spend on each row in each round")
	flag.StringVar(&o.bench, "bench", ".", "measure the rows that match this `regexp`")
	flag.StringVar(&o.input, "input", "", "read this `file` of \"go test -bench\" in place of measuring")
	flag.StringVar(&o.readme, "readme", "", "replace the table in this `file`")
	flag.StringVar(&o.page, "page", "", "replace the table of the limits in this `file`")
	flag.StringVar(&o.json, "json", "results", "keep the figures in a file of this `folder`, when -readme is given")
	flag.Parse()
	if err := run(o, time.Now(), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// run executes the flags. It prints the table to out, and progress to progress.
func run(o options, now time.Time, out, progress io.Writer) error {
	if o.count < 1 {
		return fmt.Errorf("-count is %d, want at least 1", o.count)
	}
	for file, name := range map[string]string{o.readme: part, o.page: pagePart} {
		if file == "" {
			continue
		}
		if err := marked.Check(file, name); err != nil { // before minutes are spent
			return err
		}
	}
	raw, err := measurements(o, progress)
	if err != nil {
		return err
	}
	rep, err := parse(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	rep.Date = now.Format(time.DateOnly)
	rep.Go = runtime.Version()
	rep.Command = o.command()
	if err := writeTable(out, rep); err != nil {
		return err
	}
	if o.page != "" {
		if err := marked.Update(o.page, pagePart, pageTable(rep)); err != nil {
			return err
		}
	}
	if o.readme == "" {
		return nil
	}
	if err := marked.Update(o.readme, part, markdown(rep)); err != nil {
		return err
	}
	file, err := keep(o.json, rep)
	if err == nil {
		fmt.Fprintf(progress, "wrote %s and %s\n", o.readme, file)
	}
	return err
}

// command returns the command line that repeats the measurement.
func (o options) command() string {
	s := fmt.Sprintf("go run ./report -count %d -benchtime %s", o.count, o.benchtime)
	if o.bench != "." {
		s += fmt.Sprintf(" -bench %q", o.bench)
	}
	return s
}

// measurements returns the output of the benchmarks.
func measurements(o options, progress io.Writer) ([]byte, error) {
	if o.input != "" {
		return os.ReadFile(o.input)
	}
	return measure(o, progress)
}
