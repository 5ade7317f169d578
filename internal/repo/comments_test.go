package repo

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// TestCommentsBeginWithTheName checks that the comment of each function, type,
// constant and variable of all modules begins with its name, or with an article
// and its name. Comments of groups and of tests are exempt.
func TestCommentsBeginWithTheName(t *testing.T) {
	eachGoFile(t, func(name string, files *token.FileSet, f *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, decl := range f.Decls {
			for documented, comment := range documented(decl) {
				if !beginsWith(comment.Text(), documented) {
					t.Errorf("%v: the comment of %s does not begin with that name", files.Position(comment.Pos()), documented)
				}
			}
		}
	})
}

// documented returns the comments of a declaration by the documented names.
func documented(decl ast.Decl) map[string]*ast.CommentGroup {
	found := make(map[string]*ast.CommentGroup)
	switch d := decl.(type) {
	case *ast.FuncDecl:
		found[d.Name.Name] = d.Doc
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				found[s.Name.Name] = s.Doc
				if !d.Lparen.IsValid() {
					found[s.Name.Name] = d.Doc
				}
			case *ast.ValueSpec:
				if !d.Lparen.IsValid() && len(s.Names) == 1 {
					found[s.Names[0].Name] = d.Doc
				}
			}
		}
	}
	for name, comment := range found {
		if comment == nil || name == "_" || strings.TrimSpace(comment.Text()) == "" { // only directives
			delete(found, name)
		}
	}
	return found
}

// beginsWith reports whether a comment begins with a name.
func beginsWith(comment, name string) bool {
	words := strings.Fields(comment)
	if len(words) > 1 && (words[0] == "A" || words[0] == "An" || words[0] == "The") {
		words = words[1:]
	}
	return strings.TrimSuffix(strings.TrimRight(words[0], ",.:;"), "'s") == name
}
