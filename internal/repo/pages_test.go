package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// walk calls visit with the slash-separated name of each file of the
// repository.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if name, err := filepath.Rel(root, p); err == nil && !d.IsDir() {
			visit(filepath.ToSlash(name))
		}
		return nil
	})
	require.NoError(t, err)
}

// eachGoFile calls visit for each Go file of all modules, parsed with its
// comments.
func eachGoFile(t *testing.T, visit func(name string, files *token.FileSet, f *ast.File)) {
	t.Helper()
	files := token.NewFileSet()
	walk(t, func(name string) {
		if path.Ext(name) != ".go" {
			return
		}
		f, err := parser.ParseFile(files, filepath.Join(root, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		visit(name, files, f)
	})
}

// pages returns the text of each page of the documentation, by its name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	walk(t, func(name string) {
		if path.Ext(name) == ".md" {
			found[name] = read(t, name)
		}
	})
	require.Contains(t, found, "docs/guide/README.md", "the walk has missed some")
	return found
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks returns the fenced blocks of a page that are in a language.
func blocks(page, language string) (found []string) {
	for _, m := range fenced.FindAllStringSubmatch(page, -1) {
		if m[1] == language {
			found = append(found, m[2])
		}
	}
	return found
}

// flat returns code without indentation and empty lines.
func flat(code string) string {
	var b strings.Builder
	b.WriteByte('\n')
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// TestGoBlocksAreTested finds the Go code of each page in a file of a package
// with tests. The compiler checks it there, and the tests run it. A line "//
// ..." stands for code that the page leaves out; an import may stand elsewhere
// in the file.
func TestGoBlocksAreTested(t *testing.T) {
	code := make(map[string]string) // of each folder with tests
	tested := make(map[string]bool)
	walk(t, func(name string) {
		if path.Ext(name) == ".go" {
			code[path.Dir(name)] += flat(read(t, name))
			tested[path.Dir(name)] = tested[path.Dir(name)] || strings.HasSuffix(name, "_test.go")
		}
	})
	maps.DeleteFunc(code, func(dir, _ string) bool { return !tested[dir] })
	elided := regexp.MustCompile(`(?m)^(?:(?:// )?\.\.\.|import ".*")\n`)
	for name, page := range pages(t) {
		for _, block := range blocks(page, "go") {
			for _, part := range elided.Split(flat(block), -1) {
				part = "\n" + strings.TrimPrefix(part, "\n")
				found := slices.ContainsFunc(slices.Collect(maps.Values(code)), func(folder string) bool { return strings.Contains(folder, part) })
				require.True(t, found, "%s: no package with tests has this code:\n%s", name, part)
			}
		}
	}
}

// TestLinksLeadSomewhere checks the links between pages, with their anchors,
// and the files that pages name.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`(?:\]\(|(?:src|srcset|href)=")([^)\s#:"]*)(?:#([^)\s"]+))?[)"]`)
	reference := regexp.MustCompile(`(?m)^\[[^\]]+\]: .*$|\]\[[^\]]*\]`)
	named := regexp.MustCompile("`((?:bench|cmd|contrib|docs|examples|fuzz|internal|scripts|httphead|hub|ws|wsutil|wsflate|websocket|wsloop|wsh2|wsh3|wsbridge)/[\\w./-]+)`")
	texts := pages(t)
	links := 0
	for page, text := range texts {
		text = fenced.ReplaceAllString(text, "")
		require.Empty(t, reference.FindString(text), "%s: write links as [text](target)", page)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			links++
			target := page
			if m[1] != "" {
				target = path.Join(path.Dir(page), m[1])
			}
			_, err := os.Stat(filepath.Join(root, target))
			require.NoError(t, err, "link in %s", page)
			if m[2] != "" {
				require.Contains(t, anchors(texts[target]), m[2], "anchor of %s in %s", target, page)
			}
		}
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join(root, m[1]))
			require.NoError(t, err, "%s names a file", page)
		}
	}
	require.Greater(t, links, 100)
}

// anchors returns those of the headings of a page.
func anchors(page string) (found []string) {
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		anchor := dropped.ReplaceAllString(strings.ToLower(m[1]), "")
		found = append(found, strings.ReplaceAll(anchor, " ", "-"))
	}
	return found
}

// goneOnPurpose are names that pages mention because they do not exist here.
var goneOnPurpose = []string{
	"wsutil.CheckUTF8", "wsutil.SetCheckUTF8", "wsutil.MaxMessageSize", "wsutil.SetMaxMessageSize", "wsutil.MaxFrameSize",
	"wsutil.SetMaxFrameSize", "wsutil.PreallocLimit", "wsutil.SetPreallocLimit", "wsflate.ExtensionNameBytes",
}

// TestPagesNameWhatExists looks up each name that a page qualifies with one of
// our packages.
func TestPagesNameWhatExists(t *testing.T) {
	exported := exportedNames(t)
	qualified := regexp.MustCompile("`\\*?(?:new\\()?([a-z][a-z0-9]+)\\.([A-Z]\\w*)((?:\\.[A-Z]\\w*)?)")
	found := 0
	for page, text := range pages(t) {
		for _, m := range qualified.FindAllStringSubmatch(text, -1) {
			names, ours := exported[m[1]]
			name := m[1] + "." + m[2]
			if !ours || page == "SECURITY.md" || slices.Contains(goneOnPurpose, name) {
				continue // SECURITY.md names tests: see TestSecurityPageNamesTests
			}
			found++
			require.True(t, names[m[2]], "%s names %s", page, name)
			if m[3] != "" {
				require.True(t, names[m[2]+m[3]], "%s names %s%s", page, name, m[3])
			}
		}
	}
	require.Greater(t, found, 100)
}

// exportedNames returns the exported names of each package of all modules, by
// the name of the package: functions, types, values, and Type.Name of methods
// and fields.
func exportedNames(t *testing.T) map[string]map[string]bool {
	found := make(map[string]map[string]bool)
	eachGoFile(t, func(name string, _ *token.FileSet, f *ast.File) {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/") ||
			strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, "bench/") || strings.HasPrefix(name, "cmd/") {
			return
		}
		names := found[f.Name.Name]
		if names == nil {
			names = make(map[string]bool)
			found[f.Name.Name] = names
		}
		for _, decl := range f.Decls {
			declared(decl, names)
		}
	})
	for _, name := range []string{"main", "fuzz"} {
		delete(found, name)
	}
	return found
}

// declared adds the names of a declaration.
func declared(decl ast.Decl, names map[string]bool) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names[d.Name.Name] = true
			return
		}
		names[receiver(d)+"."+d.Name.Name] = true
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range s.Names {
					names[name.Name] = true
				}
			case *ast.TypeSpec:
				names[s.Name.Name] = true
				for _, member := range members(s.Type) {
					names[s.Name.Name+"."+member] = true
				}
			}
		}
	}
}

// receiver returns the name of the type of a method.
func receiver(d *ast.FuncDecl) string {
	e := d.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// members returns the names of fields and interface methods. Those of an
// embedded type belong to that type.
func members(e ast.Expr) (names []string) {
	var list *ast.FieldList
	switch x := e.(type) {
	case *ast.StructType:
		list = x.Fields
	case *ast.InterfaceType:
		list = x.Methods
	default:
		return nil
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return names
}

// TestFiguresAreGenerated looks for measured times and rates outside of the
// parts of a page that a command writes. Such a part says when it was written,
// and how to repeat it.
func TestFiguresAreGenerated(t *testing.T) {
	part := regexp.MustCompile(`(?s)<!-- ([a-z]+):begin -->\n(.*?)<!-- ([a-z]+):end -->`)
	figure := regexp.MustCompile(`[0-9] (ns|µs|MiB/s|MB/s)\b`)
	dated, repeat := regexp.MustCompile(`20\d\d-\d\d-\d\d`), regexp.MustCompile("To repeat it: `[^`]+`|`make [a-z-]+`")
	found := 0
	for name, page := range pages(t) {
		for _, m := range part.FindAllStringSubmatch(page, -1) {
			found++
			require.Equal(t, m[1], m[3], "%s: markers do not match", name)
			require.True(t, dated.MatchString(m[2]), "%s: the figures of %s have no date", name, m[1])
			require.True(t, repeat.MatchString(page), "%s: nothing says how to repeat the figures of %s", name, m[1])
		}
		written := part.ReplaceAllString(page, "")
		if !strings.HasPrefix(name, "docs/design/") && name != "CHANGELOG.md" {
			require.Empty(t, figure.FindString(written), "%s has a figure that no command writes", name)
		}
	}
	require.GreaterOrEqual(t, found, 3)
}
