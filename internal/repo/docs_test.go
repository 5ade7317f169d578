package repo

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// notInCI are targets that the documentation names and CI does not run.
var notInCI = []string{
	"ci",                 // is CI
	"help",               // lists
	"conformance-report", // runs what "conformance" runs, and the alternatives, whose faults are not ours
	"autobahn",           // needs a command on Python 2
	"dist",               // builds six platforms; a test of cmd/dist builds one of them
	"bench-guard",        // compares two commits, on a machine that has little else to do
	"mutants",            // takes minutes, and its survivors need a reader
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(b)
}

// Every target that the documentation tells to run exists, says what it does, and
// is run by CI.
func TestDocumentedCommandsAreRun(t *testing.T) {
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
	found := 0
	for _, doc := range []string{"README.md", "CONTRIBUTING.md"} {
		for _, m := range target.FindAllStringSubmatch(read(t, doc), -1) {
			found++
			require.Contains(t, targets, m[1], "%s names a target that is not in the Makefile, or not described", doc)
			if !slices.Contains(notInCI, m[1]) {
				require.Contains(t, run, m[1], "%s names a target that CI does not run", doc)
			}
		}
	}
	require.NotZero(t, found)
	for _, name := range targets {
		if !slices.Contains(notInCI, name) {
			require.Contains(t, run, name, "a target that CI does not run")
		}
	}
}

// Links between the pages lead somewhere.
func TestDocumentedFilesExist(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, doc := range []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/guide/from-gobwas.md", "docs/wskit.md", "docs/conformance.md"} {
		for _, m := range link.FindAllStringSubmatch(read(t, doc), -1) {
			_, err := os.Stat(filepath.Join(root, filepath.Dir(doc), strings.TrimSpace(m[1])))
			require.NoError(t, err, "link in %s", doc)
		}
	}
}

// The tests that the security page refers to exist, in a package of that name, of any
// module.
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

// The code of the README compiles, in a function main, with the packages that it names.
func TestReadmeCodeCompiles(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		file := filepath.Join(t.TempDir(), "main.go")
		code := "package main\n\nimport (\n\t\"log\"\n\t\"net/http\"\n\t\"time\"\n\n\t\"" + module + "/websocket\"\n)\n\nfunc main() {\n" + b[1] + "}\n"
		require.NoError(t, os.WriteFile(file, []byte(code), 0o600))
		cmd := exec.Command("go", "vet", file)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}

// The programs to copy are short, and have tests that run them.
func TestProgramsToCopy(t *testing.T) {
	section := regexp.MustCompile(`(?s)## Programs to copy\n(.*?)\n## `).FindStringSubmatch(read(t, "README.md"))
	require.NotNil(t, section)
	programs := regexp.MustCompile(`\]\((examples/[^)]+)\)`).FindAllStringSubmatch(section[1], -1)
	require.Greater(t, len(programs), 10)
	for _, m := range programs {
		mains, err := filepath.Glob(filepath.Join(root, m[1], "main*.go"))
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
