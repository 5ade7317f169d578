package repo

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// notInCI are documented targets that CI does not run.
var notInCI = []string{
	"ci",                 // is CI
	"help",               // lists
	"conformance-report", // runs what "conformance" runs, and the alternatives, whose faults are not ours
	"autobahn",           // needs a command on Python 2
	"dist",               // builds six platforms; a test of cmd/dist builds one of them
	"bench-guard",        // compares two commits, on a machine that has little else to do
	"release",            // is about a version; a test runs its script
	"mutants",            // takes minutes, and its survivors need a reader
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(b)
}

// notRun are documented commands that neither CI nor a test runs, with the
// reasons.
var notRun = map[string]string{
	"git clone":          "needs a host for the repository",
	"tcpdump":            "needs the rights of root; trace.txtar reads what it writes",
	"go install ./wskit": "make test and make samples build it",
	"go work init":       "is about a module of the reader's",
	"go fix":             "is about a module of the reader's",
	"jq":                 "is a program of others",
	"caddy run":          "the tests of examples/interop run Caddy",
	"go run ./report":    "make bench-report runs it",
	"go run ./idle":      "make bench-idle runs it",
	"go run ./first/":    "its test runs it",
	"echo":               "feeds wskit trace, as trace.txtar does",
}

// TestDocumentedTargetsAreRun checks that every documented target is in the
// Makefile and runs in CI.
func TestDocumentedTargetsAreRun(t *testing.T) {
	target := regexp.MustCompile(`\bmake ([a-z][a-z0-9-]*)`)
	described := regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):.*## \S`)
	var targets []string
	for _, m := range described.FindAllStringSubmatch(read(t, "Makefile"), -1) {
		targets = append(targets, m[1])
	}
	var run []string
	for _, m := range target.FindAllStringSubmatch(read(t, ".ci/run"), -1) {
		run = append(run, m[1])
	}
	inCode := regexp.MustCompile("(?m)`make ([a-z][a-z0-9-]*)|^(?:    )?make ([a-z][a-z0-9-]*)")
	found := 0
	for name, page := range pages(t) {
		for _, m := range inCode.FindAllStringSubmatch(page, -1) {
			found++
			named := m[1] + m[2]
			require.Contains(t, targets, named, "%s names a target that is not in the Makefile, or not described", name)
			if !slices.Contains(notInCI, named) {
				require.Contains(t, run, named, "%s names a target that CI does not run", name)
			}
		}
	}
	require.Greater(t, found, 20)
	for _, name := range targets {
		if !slices.Contains(notInCI, name) {
			require.Contains(t, run, name, "a target that CI does not run")
		}
	}
}

// TestDocumentedCommandsAreKnown checks the commands in shell blocks of pages.
// Those of wskit are tested in cmd/internal/app.
func TestDocumentedCommandsAreKnown(t *testing.T) {
	comment := regexp.MustCompile(`\s+#.*$`)
	found := 0
	for name, page := range pages(t) {
		for _, block := range blocks(page, "sh") {
			for line := range strings.Lines(block) {
				for part := range strings.SplitSeq(comment.ReplaceAllString(strings.TrimSpace(line), ""), " && ") {
					found++
					known := part == "" || strings.HasPrefix(part, "make ") || strings.HasPrefix(part, "wskit ")
					if dir, ok := strings.CutPrefix(part, "cd "); ok {
						_, err := os.Stat(filepath.Join(root, dir))
						known = err == nil || strings.Contains(block, "git clone")
					}
					for prefix, reason := range notRun {
						known = known || strings.HasPrefix(part, prefix) && reason != ""
					}
					require.True(t, known, "%s: nothing runs %q", name, part)
				}
			}
		}
	}
	require.Greater(t, found, 10)
}

// The tests named in SECURITY.md exist in a package of that name in any module.
func TestSecurityPageNamesTests(t *testing.T) {
	exist := map[string]bool{}
	define := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(p, "_test.go") {
			return err
		}
		b, err := os.ReadFile(p)
		for _, m := range define.FindAllSubmatch(b, -1) {
			exist[filepath.Base(filepath.Dir(p))+"."+string(m[1])] = true
		}
		return err
	})
	require.NoError(t, err)
	named := regexp.MustCompile("`(\\w+\\.(?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(read(t, "SECURITY.md"), -1)
	require.NotEmpty(t, named)
	for _, m := range named {
		require.True(t, exist[m[1]], "SECURITY.md names %s, which does not exist", m[1])
	}
}

// The programs to copy are short and have tests.
func TestProgramsToCopy(t *testing.T) {
	section := regexp.MustCompile(`(?s)## Programs to copy\n(.*?)\n## `).FindStringSubmatch(read(t, "examples/README.md"))
	require.NotNil(t, section)
	programs := regexp.MustCompile(`\]\(([^.)][^)]*)\)`).FindAllStringSubmatch(section[1], -1)
	require.Greater(t, len(programs), 10)
	for _, m := range programs {
		mains, err := filepath.Glob(filepath.Join(root, "examples", m[1], "main*.go"))
		require.NoError(t, err)
		tests := 0
		for _, name := range mains {
			if strings.HasSuffix(name, "_test.go") {
				tests++
				continue
			}
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			require.Less(t, strings.Count(string(b), "\n"), 150, name)
		}
		require.NotZero(t, tests, "%s has no test", m[1])
		require.Greater(t, len(mains), tests, "%s has no program", m[1])
	}
}
