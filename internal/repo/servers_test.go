package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestServersHaveTimeouts looks at the programs that others copy: none of them
// may serve HTTP without the bounds of http.Server, which has none by default.
func TestServersHaveTimeouts(t *testing.T) {
	servers := 0
	for _, dir := range []string{"cmd", "examples"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "node_modules" {
				return filepath.SkipDir
			}
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					for _, short := range []string{"Serve", "ServeTLS", "ListenAndServe", "ListenAndServeTLS"} {
						require.False(t, isHTTP(n.Fun, short), "%v: http.%s has no timeouts", files.Position(n.Pos()), short)
					}
				case *ast.CompositeLit:
					if isHTTP(n.Type, "Server") {
						servers++
						requireTimeouts(t, files.Position(n.Pos()), n)
					}
				}
				return true
			})
			return nil
		})
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, servers, 4, "the walk has missed some")
}

// isHTTP reports whether e is http.name.
func isHTTP(e ast.Expr, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	pkg, ok := s.X.(*ast.Ident)
	return ok && pkg.Name == "http"
}

func requireTimeouts(t *testing.T, at token.Position, literal *ast.CompositeLit) {
	var set []string
	for _, e := range literal.Elts {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok {
				set = append(set, key.Name)
			}
		}
	}
	for _, field := range []string{"ReadHeaderTimeout", "ReadTimeout", "WriteTimeout", "IdleTimeout", "MaxHeaderBytes"} {
		require.Contains(t, set, field, "%v: http.Server", at)
	}
}
