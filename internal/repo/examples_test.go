package repo

import (
	"go/ast"
	"go/doc"
	"go/token"
	"maps"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// withoutExample are exported types of more than two methods that have no
// example of their own, each with the reason.
var withoutExample = map[string]string{
	"contrib/otel.Instrumentation": "the example of the package makes one",
	"hub.Broker":                   "natsbroker and redisbroker implement it",
	"hub.PresenceStore":            "natsbroker and redisbroker implement it",
	"hub/natsbroker.Broker":        "the example of the package makes one",
	"hub/natsbroker.Server":        "the example of the package makes one",
	"hub/redisbroker.Broker":       "the example of the package makes one",
	"websocket.Member":             "*wsloop.Conn implements it",
	"websocket.Stream":             "wsh2 and wsh3 implement it",
	"wsutil.Inflater":              "*wsflate.Receiver implements it",
	"wsutil.Deflater":              "*wsflate.Sender implements it",
}

// withoutPackageExample are packages without an example of the package that runs, each
// with the reason.
var withoutPackageExample = map[string]string{
	"hub/redisbroker": "its example needs a Redis server",
	"wsbridge":        "the example of Handler is all there is to it",
	"wsh2":            "the example of Transport is all there is to it",
}

// documentedPackage is a package that others import, with its examples.
type documentedPackage struct {
	comment  string
	methods  map[string]int    // exported methods, by exported type
	makes    map[string]string // the type that a function returns
	examples []*doc.Example    // that run
}

// documentedPackages returns the packages of all modules that others may import.
func documentedPackages(t *testing.T) map[string]*documentedPackage {
	found := make(map[string]*documentedPackage)
	eachGoFile(t, func(name string, _ *token.FileSet, f *ast.File) {
		dir := path.Dir(name)
		top, _, _ := strings.Cut(name, "/")
		switch top {
		case "bench", "cmd", "examples", "fuzz":
			return
		}
		if strings.Contains("/"+dir+"/", "/internal/") {
			return
		}
		p := found[dir]
		if p == nil {
			p = &documentedPackage{methods: make(map[string]int), makes: make(map[string]string)}
			found[dir] = p
		}
		if strings.HasSuffix(name, "_test.go") {
			p.addExamples(f)
		} else {
			p.addDeclarations(f)
		}
	})
	return found
}

func (p *documentedPackage) addExamples(f *ast.File) {
	for _, e := range doc.Examples(f) {
		if e.Output != "" {
			p.examples = append(p.examples, e)
		}
	}
}

func (p *documentedPackage) addDeclarations(f *ast.File) {
	if f.Doc != nil {
		p.comment = f.Doc.Text()
	}
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			switch {
			case !d.Name.IsExported():
			case d.Recv != nil:
				p.methods[receiver(d)]++
			case d.Type.Results != nil:
				p.makes[d.Name.Name] = strings.TrimPrefix(resultName(d.Type.Results.List[0].Type), "*")
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if s, ok := spec.(*ast.TypeSpec); ok {
					if i, ok := s.Type.(*ast.InterfaceType); ok {
						p.methods[s.Name.Name] = len(members(i))
					}
				}
			}
		}
	}
}

// resultName returns the name of a type of the same package, or "".
func resultName(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.StarExpr:
		return resultName(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// shows reports whether an example is about a type: about the type, a method of it, or
// a function that returns it. Package documentation shows all three beside the type.
func (p *documentedPackage) shows(name string) bool {
	for _, e := range p.examples {
		about, _, _ := strings.Cut(e.Name, "_")
		if about == name || p.makes[about] == name {
			return true
		}
	}
	return false
}

// TestTypesHaveExamples looks for an example that runs for each exported type of more
// than two methods.
func TestTypesHaveExamples(t *testing.T) {
	seen, unused := 0, maps.Clone(withoutExample)
	for dir, p := range documentedPackages(t) {
		for name, methods := range p.methods {
			if methods <= 2 || !ast.IsExported(name) {
				continue
			}
			seen++
			reason := withoutExample[dir+"."+name]
			require.Equal(t, reason == "", p.shows(name), "%s.%s has %d methods; an example with output, or a reason", dir, name, methods)
			delete(unused, dir+"."+name)
		}
	}
	require.Empty(t, unused, "types that do not exist, or have fewer methods")
	require.Greater(t, seen, 40)
}

// TestPackagesHaveExamples looks for an example of each package that runs, and for a
// first paragraph that stands by itself.
func TestPackagesHaveExamples(t *testing.T) {
	for dir, p := range documentedPackages(t) {
		require.Regexp(t, `^Package \w+ [a-z]`, p.comment, dir)
		first, _, _ := strings.Cut(p.comment, "\n\n")
		require.Greater(t, len(first), 60, "%s: the first paragraph says too little: %s", dir, first)
		require.True(t, strings.HasSuffix(strings.TrimSpace(first), "."), "%s: the first paragraph is no sentence: %s", dir, first)
		ofPackage := false
		for _, e := range p.examples {
			ofPackage = ofPackage || e.Name == ""
		}
		require.Equal(t, withoutPackageExample[dir] == "", ofPackage, "%s: an Example with output, or a reason", dir)
	}
}
