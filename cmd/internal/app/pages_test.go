package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/words"
)

// TestPagesUseFlagsThatExist parses each command line of wskit that a page shows.
func TestPagesUseFlagsThatExist(t *testing.T) {
	shown := regexp.MustCompile(`(?m)^(?:    |\$ |.*\| )?(wskit [a-z]+(?: .*)?)$`)
	found := 0
	walkPages(t, func(name, page string) {
		for _, m := range shown.FindAllStringSubmatch(inCode(page), -1) {
			found++
			require.NoError(t, parseLine(m[1]), "%s: %s", name, m[1])
		}
	})
	require.Greater(t, found, 40)
}

// parseLine finds the subcommand of a line and parses its flags.
func parseLine(line string) error {
	args, err := words.Split(shell.Split(line, 2)[0])
	if err != nil {
		return err
	}
	cmd, rest, err := newRoot().Find(args[1:])
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// shell matches where a command of a shell ends: at a pipe, a redirection, a comment.
var shell = regexp.MustCompile(`\s(?:\||>>?|#|&)(?:\s|$)`)

// inCode returns the lines of a page that stand in blocks of code.
func inCode(page string) string {
	var b strings.Builder
	fenced := false
	for line := range strings.Lines(page) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced, strings.HasPrefix(line, "    "):
			b.WriteString(line)
		}
	}
	return b.String()
}

func walkPages(t *testing.T, visit func(name, page string)) {
	t.Helper()
	const root = "../../.."
	require.NoError(t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if filepath.Ext(p) == ".md" {
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			visit(p, string(text))
		}
		return nil
	}))
}

// TestPagesThatAreNamedExist finds the pages that the help and the page of wskit serve
// name.
func TestPagesThatAreNamedExist(t *testing.T) {
	html, err := os.ReadFile("../page/files/index.html")
	require.NoError(t, err)
	named := regexp.MustCompile(`\bdocs/[\w./-]+\.md\b`)
	names := named.FindAllString(newRoot().Long, -1)
	require.Len(t, names, 2)
	linked := named.FindAllString(string(html), -1)
	require.Len(t, linked, 1)
	for _, name := range append(names, linked...) {
		require.FileExists(t, filepath.Join("../../..", name))
	}
}
