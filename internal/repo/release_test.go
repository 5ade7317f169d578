package repo

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// command runs a program in dir, without the configuration of the user's git.
func command(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com", "RELEASED=sub")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// newRelease returns a repository that version 1.2.3 can be released from.
func newRelease(t *testing.T) (dir string) {
	dir = t.TempDir()
	for name, text := range map[string]string{
		"CHANGELOG.md":    "# Changelog\n\n## [1.2.3] - 2026-11-30\n",
		"SECURITY.md":     "# Security\n",
		"ws/offer.go":     "package ws\n\nconst version = \"1.2\"\n",
		"sub/go.mod":      "module example.com/sub\n\nrequire (\n\tgithub.com/wskit/wskit v0.0.0\n\tgithub.com/wskit/wskit/wsh3 v0.0.0\n)\n",
		"scripts/release": read(t, "scripts/release"),
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "."}, {"commit", "-q", "-m", "release"}} {
		out, err := command(dir, "git", args...)
		require.NoError(t, err, out)
	}
	return dir
}

// TestRelease runs the script of make release.
func TestRelease(t *testing.T) {
	for _, name := range []string{"git", "bash"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("needs %s", name)
		}
	}
	good := newRelease(t)
	t.Run("good", func(t *testing.T) {
		out, err := command(good, "scripts/release", "v1.2.3")
		require.NoError(t, err, out)
		for _, want := range []string{
			"git tag v1.2.3 &&",
			"(cd sub && go mod edit -require=github.com/wskit/wskit@v1.2.3)\n",
			"(cd sub && go mod edit -require=github.com/wskit/wskit/wsh3@v1.2.3)\n",
			"git tag sub/v1.2.3 &&",
		} {
			require.Contains(t, out, want)
		}
		tags, err := command(good, "git", "tag")
		require.NoError(t, err)
		require.Empty(t, tags, "it prints, and does nothing")
	})
	for version, want := range map[string]string{"": "set VERSION", "1.2.3": "not of the form", "v1.2.3;x": "not of the form"} {
		out, err := command(good, "scripts/release", version)
		require.Error(t, err)
		require.Contains(t, out, want)
	}
	out, err := command(good, "scripts/release", "v1.3.0")
	require.Error(t, err)
	require.Contains(t, out, "no heading \"## [1.3.0]")
	require.Contains(t, out, "is not \"1.3\"")

	out, err = command(good, "bash", "-ec", "git tag v1.2.3; git tag sub/v1.2.3; git switch -q -c other; git rm -q sub/go.mod; echo 'TODO(maintainer)' >SECURITY.md")
	require.NoError(t, err, out)
	out, err = command(good, "scripts/release", "v1.2.3")
	require.Error(t, err)
	for _, want := range []string{"not committed", "not main", "tag v1.2.3 exists", "tag sub/v1.2.3 exists", "no address", "no module sub"} {
		require.Contains(t, out, want)
	}
	require.NotContains(t, out, "In this order")
}

// TestEveryModuleIsReleased compares the modules of the Makefile with those
// that scripts/release tags.
func TestEveryModuleIsReleased(t *testing.T) {
	released := regexp.MustCompile(`RELEASED:-([^}]*)`).FindStringSubmatch(read(t, "scripts/release"))
	require.NotNil(t, released)
	page := read(t, "docs/stability.md")
	for _, m := range regexp.MustCompile(`(?m)^MODULES\s*[:+]=(.*)$`).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		for _, module := range strings.Fields(m[1]) {
			top, _, _ := strings.Cut(module, "/")
			if module == "." || slices.Contains([]string{"examples", "bench", "fuzz"}, top) {
				continue // for development
			}
			require.Contains(t, strings.Fields(released[1]), module, "scripts/release")
			require.Contains(t, page, "`"+module+"`", "docs/stability.md")
		}
	}
}
