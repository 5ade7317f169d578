// Command mutants tests the tests: it makes one small change at a time to the
// given files, runs the tests of their package, and prints the changes that no
// test detected. The working tree is not modified.
//
//	go run ./internal/mutants -sample 200 wsutil/protocol*.go
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	c := &config{}
	flag.IntVar(&c.sample, "sample", 0, "try that many mutants, chosen at random; 0 tries all")
	flag.Uint64Var(&c.seed, "seed", 1, "seed of the sample")
	flag.IntVar(&c.parallel, "parallel", max(1, runtime.NumCPU()/2), "mutants tested at the same time")
	flag.DurationVar(&c.timeout, "timeout", time.Minute, "time for the tests of a package; a mutant that exceeds it is killed")
	flag.Float64Var(&c.share, "share", 97, "fail if less than that percentage is killed")
	flag.StringVar(&c.also, "also", "", "comma-separated packages to test if the tests of the file's package pass")
	flag.StringVar(&c.match, "match", "", "try only the mutants whose line of output matches this expression")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := c.run(ctx, os.Stdout, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

type config struct {
	sample, parallel int
	seed             uint64
	timeout          time.Duration
	share            float64
	also, match      string
}

// mutants returns the mutants to try, ordered by file and place.
func (c *config) mutants(files []string) (all []mutant, err error) {
	match, err := regexp.Compile(c.match)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		found, err := mutate(file)
		if err != nil {
			return nil, err
		}
		all = append(all, slices.DeleteFunc(found, func(m mutant) bool { return !match.MatchString(m.String()) })...)
	}
	if len(all) == 0 {
		return nil, errors.New("found nothing to change in the files given")
	}
	if c.sample <= 0 || c.sample > len(all) {
		return all, nil
	}
	sample := make([]mutant, 0, c.sample)
	order := rand.New(rand.NewPCG(c.seed, 0)).Perm(len(all))[:c.sample]
	for _, i := range slices.Sorted(slices.Values(order)) {
		sample = append(sample, all[i])
	}
	return sample, nil
}

// run tests each mutant and prints those that survive, then the totals.
func (c *config) run(ctx context.Context, out io.Writer, files []string) error {
	mutants, err := c.mutants(files)
	if err != nil {
		return err
	}
	for i, m := range mutants { // without a change, the tests must pass
		if i > 0 && filepath.Dir(m.file) == filepath.Dir(mutants[i-1].file) {
			continue
		}
		if result, output, err := c.test(ctx, m.file, ""); err != nil || result != survived {
			return fmt.Errorf("the tests of %s fail without a change: %w", filepath.Dir(m.file), cmp.Or(err, errors.New(string(output))))
		}
	}
	var (
		lock  sync.Mutex // guards count and out
		count [3]int
		group sync.WaitGroup
		slots = make(chan struct{}, max(1, c.parallel))
	)
	for _, m := range mutants {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			result, err := c.try(ctx, m)
			lock.Lock()
			defer lock.Unlock()
			switch {
			case ctx.Err() != nil: // an interrupted test has no result
			case err != nil:
				fmt.Fprintf(out, "%v: %v\n", m, err)
			default:
				count[result]++
				if result == survived {
					fmt.Fprintln(out, m)
				}
			}
		})
	}
	group.Wait()
	built := count[killed] + count[survived]
	fmt.Fprintf(out, "%d of %d killed, %d survived; %d did not build\n", count[killed], built, count[survived], count[invalid])
	if percent := 100 * float64(count[killed]) / float64(max(1, built)); percent < c.share {
		return fmt.Errorf("%.1f%% killed, expected at least %g%%", percent, c.share)
	}
	return ctx.Err()
}

// An outcome is the result of the tests of a mutant.
type outcome int

const (
	killed outcome = iota
	survived
	invalid // does not build
)

// try runs the tests over m.
func (c *config) try(ctx context.Context, m mutant) (outcome, error) {
	temp, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return killed, err
	}
	defer os.RemoveAll(temp)
	path, err := filepath.Abs(m.file)
	changed, overlay := filepath.Join(temp, filepath.Base(m.file)), filepath.Join(temp, "overlay.json")
	replace, _ := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	err = errors.Join(err, os.WriteFile(changed, m.source(), 0o600), os.WriteFile(overlay, replace, 0o600))
	if err != nil {
		return killed, err
	}
	result, _, err := c.test(ctx, m.file, overlay)
	return result, err
}

// test runs the tests of the package of file, then the others. A change can
// make a loop allocate without end, so the shell limits the address space to 6
// GiB.
func (c *config) test(ctx context.Context, file, overlay string) (result outcome, output []byte, err error) {
	packages := append([]string{"./" + filepath.Dir(file)}, strings.FieldsFunc(c.also, func(r rune) bool { return r == ',' })...)
	for _, p := range packages {
		cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -v 6291456; exec "$@"`, "sh", "go", "test",
			"-short", "-vet=off", "-failfast", "-count=1", "-timeout", c.timeout.String(), "-overlay", overlay, p)
		output, err = cmd.CombinedOutput()
		switch exit := (*exec.ExitError)(nil); {
		case err == nil:
			continue
		case !errors.As(err, &exit):
			return killed, output, err
		case bytes.Contains(output, []byte(" failed]\n")): // [build failed] or [setup failed]
			return invalid, output, nil
		}
		return killed, output, nil
	}
	return survived, nil, nil
}
