package main

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
)

// measure runs the benchmarks in rounds. A round is one measurement of each
// row, so that a machine that is slow for some seconds affects one figure of
// many rows, not all figures of one library.
func measure(o options, progress io.Writer) ([]byte, error) {
	var out bytes.Buffer
	for round := range o.count {
		fmt.Fprintf(progress, "round %d of %d\n", round+1, o.count)
		cmd := exec.Command("go", "test", "-run", "^$", "-bench", o.bench, "-benchtime", o.benchtime, "-timeout", "1h", ".")
		cmd.Stdout = &out
		cmd.Stderr = progress
		if err := cmd.Run(); err != nil {
			fmt.Fprintf(progress, "%s", out.Bytes())
			return nil, fmt.Errorf("go test: %w", err)
		}
	}
	return out.Bytes(), nil
}
