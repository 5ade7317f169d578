package repo

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/wskit/wskit"

// root is the folder of the root module, seen from this package.
const root = "../.."

// mayImport is the picture of the packages: which packages of ours each one may
// import, internal ones aside. What is not listed may import nothing of ours.
var mayImport = map[string][]string{
	"httphead":            {},
	"ws":                  {"httphead"},
	"wsutil":              {"httphead", "ws"},
	"wsflate":             {"httphead", "ws"},
	"wsloop":              {"httphead", "ws", "wsutil", "wsflate"},
	"websocket":           {"httphead", "ws", "wsutil", "wsflate"},
	"websocket/reconnect": {"ws", "websocket"},
	"websocket/wsjson":    {"websocket"},
	"wsh2":                {"ws", "websocket"},
	"wsbridge":            {"httphead", "ws", "wsflate", "websocket"},
	"websocket/xconnect":  {},
	"websocket/wstest":    {"httphead", "ws", "wsutil", "wsflate", "websocket"},
}

// testsMayImport is what tests may import beside that: to show that two
// packages which do not know each other fit.
var testsMayImport = map[string][]string{
	"wsflate":             {"wsutil"},
	"wsloop":              {"websocket", "websocket/wstest"},
	"websocket":           {"websocket/xconnect"},
	"websocket/reconnect": {"websocket/wstest"},
	"websocket/wstest":    {"websocket/xconnect"},
	"wsh2":                {"websocket/wstest", "websocket/xconnect"},
	"wsbridge":            {"websocket/xconnect", "wsh2"},
}

// packages returns the folders of the root module that hold Go files, each with
// its files. Folders with a go.mod of their own are other modules.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(p, filepath.FromSlash(root)), string(filepath.Separator)))
		if d.IsDir() {
			_, noModule := os.Stat(filepath.Join(p, "go.mod"))
			name := d.Name()
			if rel != "" && (noModule == nil || name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(rel, ".go") {
			found[path.Dir(rel)] = append(found[path.Dir(rel)], p)
		}
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, found, "ws", "the walk has missed the repository")
	return found
}

func TestImportsPointOneWay(t *testing.T) {
	for dir, files := range packages(t) {
		if strings.HasPrefix(dir, "internal/") {
			continue // covered by the rule on internal packages below
		}
		for _, file := range files {
			for _, imported := range ownImports(t, file) {
				if strings.HasPrefix(imported, "internal/") || imported == dir {
					continue
				}
				inTest := strings.HasSuffix(file, "_test.go") && slices.Contains(testsMayImport[dir], imported)
				if !slices.Contains(mayImport[dir], imported) && !inTest {
					t.Errorf("%s: package %s must not import %s", file, dir, imported)
				}
			}
		}
	}
}

// Internal packages are below all others: they import none but their like.
func TestInternalPackagesAreAtTheBottom(t *testing.T) {
	for dir, files := range packages(t) {
		if !strings.HasPrefix(dir, "internal/") {
			continue
		}
		for _, file := range files {
			for _, imported := range ownImports(t, file) {
				if !strings.HasPrefix(imported, "internal/") {
					t.Errorf("%s: internal package imports %s", file, imported)
				}
			}
		}
	}
}

// ownImports returns what the file imports of this module, by folder.
func ownImports(t *testing.T, file string) (dirs []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	require.NoError(t, err)
	for _, spec := range f.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		if dir, ok := strings.CutPrefix(p, module+"/"); ok {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func TestOnePackageCommentEach(t *testing.T) {
	for dir, files := range packages(t) {
		var documented []string
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
			require.NoError(t, err)
			if f.Doc != nil {
				documented = append(documented, file)
			}
		}
		// Two files that exclude each other by a build tag may not both have
		// one.
		require.Len(t, documented, 1, "package %s: files with a package comment", dir)
	}
}

// The root module requires what the design names, and nothing else.
func TestRootModuleStaysLean(t *testing.T) {
	allowed := map[string]string{
		"github.com/gobwas/httphead":    "grammar of field values",
		"github.com/klauspost/compress": "deflate of large messages and at high levels",
		"github.com/stretchr/testify":   "tests",
		"go.uber.org/goleak":            "tests: goroutines left behind",
		"go.yaml.in/yaml/v3":            "what testify needs",
		"golang.org/x/net":              "SOCKS, and proxies of the environment",
		"golang.org/x/sys":              "epoll and kqueue",
		"golang.org/x/text":             "what x/net needs",
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	require.NotContains(t, string(mod), "replace ", "the root module stands on its own")
	seen := make(map[string]bool)
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) < 2 || !strings.Contains(fields[0], ".") || !strings.HasPrefix(fields[1], "v") {
			continue
		}
		seen[fields[0]] = true
		require.Contains(t, allowed, fields[0], "a new requirement needs its reason here and in CONTRIBUTING.md")
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(allowed)), slices.Collect(maps.Keys(seen)))
}
