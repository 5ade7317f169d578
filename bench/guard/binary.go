package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tree is the files of a commit.
type tree struct {
	dir  string // folder of the files
	out  string // prefix of built binaries
	root string // of the repository, if dir is a copy to be removed
}

// checkout checks out a commit in a folder below dir. If commit is empty, the
// tree is the working tree.
func checkout(dir, name, commit string) (*tree, error) {
	root, err := command("", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	root = strings.TrimSpace(root)
	t := &tree{dir: root, out: filepath.Join(dir, name+"-")}
	if commit == "" {
		return t, nil
	}
	t.dir, t.root = filepath.Join(dir, name), root
	_, err = command(root, "git", "worktree", "add", "--detach", t.dir, commit)
	return t, err
}

// remove removes the copy.
func (t *tree) remove() {
	if t.root != "" {
		command(t.root, "git", "worktree", "remove", "--force", t.dir)
	}
}

// binary is a program of tests and the folder that it runs in.
type binary struct{ path, dir string }

// build builds the benchmarks of a package, and returns the names of those of
// this project: those without a library in the name, and those with this one.
func (t *tree) build(pkg string) (names []string, b binary, err error) {
	b = binary{path: t.out + strings.ReplaceAll(filepath.ToSlash(pkg), "/", "-"), dir: filepath.Join(t.dir, pkg)}
	if _, err := command(b.dir, "go", "test", "-c", "-o", b.path, "."); err != nil {
		return nil, b, err
	}
	out, err := b.run(".", "1x")
	if err != nil {
		return nil, b, err
	}
	for _, m := range measured.FindAllStringSubmatch(out, -1) {
		_, lib, named := strings.Cut(m[1], "lib=")
		ours := !named || strings.HasPrefix(lib, "wskit")
		if ours && !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names, b, nil
}

// measured is a line of a benchmark: its name, without the number of
// processors, and the time.
var measured = regexp.MustCompile(`(?m)^(Benchmark\S*?)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op`)

// row returns a function that measures one row for that time, and returns the
// nanoseconds of an operation.
func (b binary) row(name string, benchtime time.Duration) func() (float64, error) {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return func() (float64, error) {
		out, err := b.run(strings.Join(parts, "/"), benchtime.String())
		if err != nil {
			return 0, err
		}
		return timeOf(name, out)
	}
}

// timeOf finds the time of a row in the output of a program of tests.
func timeOf(name, out string) (float64, error) {
	for _, m := range measured.FindAllStringSubmatch(out, -1) {
		if ns, err := strconv.ParseFloat(m[2], 64); err == nil && m[1] == name && ns > 0 {
			return ns, nil
		}
	}
	return 0, fmt.Errorf("%s: no time in the output %q", name, out)
}

// run runs the benchmarks that match, on one processor.
func (b binary) run(bench, benchtime string) (string, error) {
	return command(b.dir, b.path, "-test.run", "^$", "-test.cpu", "1", "-test.bench", bench, "-test.benchtime", benchtime)
}

// command runs a command and returns its output.
func command(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out), nil
}
