package repo

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// languages are those that fenced blocks of pages may be in. The empty one is for
// output and file names.
var languages = []string{"", "go", "sh", "js", "yaml", "nginx", "haproxy", "caddy"}

// goCode finds Go that stands outside of a block that TestGoBlocksAreTested sees.
var goCode = regexp.MustCompile(`(?m)^.*(?:\w :=|\bfunc ?[\w(]|^\s*package \w+$|^\s*defer ).*$`)

// TestBlocksAreSeen looks for blocks that the tests of this file would pass over: in
// another form, in a language that they do not know, or Go that is not marked as such.
func TestBlocksAreSeen(t *testing.T) {
	fence := regexp.MustCompile("(?m)^\\s*(?:```|~~~).*$")
	indented := regexp.MustCompile(`(?m)(?:^(?:    |\t).*\n)+`)
	for name, page := range pages(t) {
		for _, m := range fenced.FindAllStringSubmatch(page, -1) {
			require.Contains(t, languages, m[1], "%s: language of a block", name)
			if m[1] == "" {
				require.Empty(t, goCode.FindString(m[2]), "%s: Go in a block without a language", name)
			}
		}
		rest := fenced.ReplaceAllString(page, "")
		require.Empty(t, fence.FindString(rest), "%s: this fence is no ```language at the beginning of a line", name)
		for _, block := range indented.FindAllString(rest, -1) {
			require.Empty(t, goCode.FindString(block), "%s: Go in an indented block", name)
		}
	}
}

// TestDocumentedFoldersExist looks for the programs that pages run or install, in blocks
// and in sentences.
func TestDocumentedFoldersExist(t *testing.T) {
	program := regexp.MustCompile(`(?:cd ([\w/.-]+) && )?go (?:run|install) (?:-\S+ )*(\./[\w/-]+)`)
	found := 0
	for name, page := range pages(t) {
		for _, m := range program.FindAllStringSubmatch(page, -1) {
			found++
			in := m[1]
			if in == "" {
				in = path.Dir(name) // of the page, as in bench/README.md
			}
			in = strings.TrimPrefix(in, "wskit/") // after git clone
			_, err := os.Stat(filepath.Join(root, in, m[2]))
			_, inRoot := os.Stat(filepath.Join(root, m[2]))
			require.True(t, err == nil || m[1] == "" && inRoot == nil, "%s: %s", name, m[0])
		}
	}
	require.Greater(t, found, 5)
}

// otherTypes are members that pages name without a package, of types that are not ours
// or of a field.
var otherTypes = []string{
	"Client.Timeout",   // net/http
	"Message.Close",    // gws
	"Queue.MaxBytes",   // the field Queue of ConnOptions
	"Server.Handshake", // x/net
}

// TestPagesNameMembersThatExist looks up each method or field that a page names by its
// type, such as Conn.Send. Pages about moving name those of others in the first column
// of a table.
func TestPagesNameMembersThatExist(t *testing.T) {
	members := make(map[string]bool)
	for _, names := range exportedNames(t) {
		for name := range names {
			members[name] = true
		}
	}
	qualified := regexp.MustCompile("`\\*?([A-Z]\\w*\\.[A-Z]\\w*)")
	firstColumn := regexp.MustCompile(`(?m)^\| [^|]* \|`)
	found := 0
	for page, text := range pages(t) {
		if strings.HasPrefix(page, "docs/guide/from-") {
			text = firstColumn.ReplaceAllString(text, "")
		}
		for _, m := range qualified.FindAllStringSubmatch(text, -1) {
			found++
			require.True(t, members[m[1]] || slices.Contains(otherTypes, m[1]), "%s names %s", page, m[1])
		}
	}
	require.Greater(t, found, 100)
}
