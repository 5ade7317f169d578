package repo

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// unplain are phrases that the rules in CONTRIBUTING.md exclude, with
// replacements.
var unplain = []struct {
	phrase *regexp.Regexp
	plain  string
}{
	{regexp.MustCompile(`(?i)\bfor ever\b`), "forever, or a limit"},
	{regexp.MustCompile(`, too([,.:;]|$)`), "also"},
	{regexp.MustCompile(`without more ado`), "immediately"},
	{regexp.MustCompile(`\b(is|are) none of\b`), "is not a"},
	{regexp.MustCompile(`(^|[.;:] )Who [a-z]`), "a caller that, the peer"},
	{regexp.MustCompile(`\bunder way\b`), "in progress, pending"},
	{regexp.MustCompile(`\bgives? back\b`), "returns, releases"},
	{regexp.MustCompile(`\bknows? (no|nothing)\b`), "does not support"},
	{regexp.MustCompile(`\bfalls? silent\b|\bhangs? up\b`), "sends nothing, closes"},
	{regexp.MustCompile(`\bbehind (it|its|the (answer|request|response|header|head|handshake|close frame|closing handshake|payload|first))\b`), "after"},
	{regexp.MustCompile(`\bis the caller's to\b|\bfor the caller to see to\b`), "the caller must"},
	{regexp.MustCompile(`\bwhat of (it|them|p|that)\b`), "the part of"},
	{regexp.MustCompile(`(?i)\b(behaviour|honour|colour|favour|serialis|initialis|recognis|organis|cancelled|cancelling|foretold|centre)`), "American spelling"},
}

// TestPlainWords checks that no comment, and no string outside of tests, has a
// phrase that the rules for English exclude.
func TestPlainWords(t *testing.T) {
	eachGoFile(t, func(name string, files *token.FileSet, f *ast.File) {
		if name == "internal/repo/words_test.go" {
			return
		}
		check := func(pos token.Pos, text string) {
			text = strings.Join(strings.Fields(text), " ")
			for _, u := range unplain {
				if found := u.phrase.FindString(text); found != "" {
					t.Errorf("%v: %q: write %s", files.Position(pos), strings.TrimSpace(found), u.plain)
				}
			}
		}
		for _, comment := range f.Comments {
			check(comment.Pos(), comment.Text())
		}
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				check(lit.Pos(), lit.Value)
			}
			return true
		})
	})
}
