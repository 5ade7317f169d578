package repo

import (
	"bufio"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The lists in testdata name what programs of the field use. A line that ends
// in " *" requires only the name. TestAPI checks the packages that exist.
var apiLists = map[string][]string{
	"gobwas-ws.txt":       {"ws", "wsutil", "wsflate"},
	"coder-websocket.txt": {"websocket", "websocket/wsjson"},
}

func TestAPI(t *testing.T) {
	if testing.Short() {
		t.Skip("type-checks the module from source")
	}
	imp := importer.ForCompiler(token.NewFileSet(), "source", nil)
	for list, names := range apiLists {
		for _, name := range names {
			t.Run(list+"/"+name, func(t *testing.T) {
				pkg, err := imp.(types.ImporterFrom).ImportFrom(module+"/"+name, root, 0)
				require.NoError(t, err)
				offered := exported(pkg)
				wanted := 0
				for _, line := range listed(t, list, path.Base(name)) {
					wanted++
					if !offers(offered, line) {
						t.Errorf("missing: %s", line)
					}
				}
				require.NotZero(t, wanted, "the list has no line for the package")
			})
		}
	}
}

// The guide names what the list of gobwas/ws leaves out, and how to write it
// here.
func TestGuideNamesWhatIsLeftOut(t *testing.T) {
	leftOut := regexp.MustCompile(`(?m)^# pkg (\w+), (?:method \((\w+)\)|func|type|var) (\w+)`).FindAllStringSubmatch(read(t, "internal/repo/testdata/gobwas-ws.txt"), -1)
	require.Len(t, leftOut, 12)
	guide := read(t, "docs/guide/from-gobwas.md")
	for _, m := range leftOut {
		name := m[1] + "." + m[3]
		if m[2] != "" {
			name = m[1] + "." + m[2] + "." + m[3]
		}
		require.Contains(t, guide, "| `"+name+"` |")
	}
}

func listed(t *testing.T, list, pkg string) (lines []string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", list))
	require.NoError(t, err)
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if strings.HasPrefix(sc.Text(), "pkg "+pkg+",") {
			lines = append(lines, strings.TrimSpace(sc.Text()))
		}
	}
	return lines
}

func offers(offered map[string]bool, line string) bool {
	name, wild := strings.CutSuffix(line, " *")
	if !wild {
		return offered[line]
	}
	for o := range offered {
		if strings.HasPrefix(o, name+" ") {
			return true
		}
	}
	return false
}

// exported returns the exported declarations of pkg in the form of the lists:
// types by package name, no parameter names, aliases resolved.
func exported(pkg *types.Package) map[string]bool {
	lines := make(map[string]bool)
	add := func(format string, args ...any) {
		lines["pkg "+pkg.Name()+", "+fmt.Sprintf(format, args...)] = true
	}
	for _, name := range pkg.Scope().Names() {
		obj := pkg.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		switch obj := obj.(type) {
		case *types.Const:
			add("const %s = %s", name, obj.Val())
		case *types.Var:
			add("var %s %s", name, typeName(obj.Type()))
		case *types.Func:
			add("func %s%s", name, signature(obj))
		case *types.TypeName:
			addType(add, name, obj)
		}
	}
	return lines
}

func addType(add func(string, ...any), name string, obj *types.TypeName) {
	switch under := obj.Type().Underlying().(type) {
	case *types.Struct:
		add("type %s struct", name)
		for f := range under.Fields() {
			if f.Exported() {
				add("type %s struct, %s %s", name, f.Name(), typeName(f.Type()))
			}
		}
	case *types.Interface:
		add("type %s interface", name)
		for m := range under.Methods() {
			add("type %s interface, %s%s", name, m.Name(), signature(m))
		}
		return
	default:
		add("type %s %s", name, typeName(under))
	}
	values := types.NewMethodSet(obj.Type())
	for m := range types.NewMethodSet(types.NewPointer(obj.Type())).Methods() {
		if f, ok := m.Obj().(*types.Func); ok && f.Exported() {
			receiver := "*" + name
			if values.Lookup(f.Pkg(), f.Name()) != nil {
				receiver = name
			}
			add("method (%s) %s%s", receiver, f.Name(), signature(f))
		}
	}
}

func signature(f *types.Func) string {
	return strings.TrimPrefix(typeName(f.Signature()), "func")
}

func typeName(t types.Type) string {
	return types.TypeString(plain(t), func(p *types.Package) string { return p.Name() })
}

// plain removes parameter names, and aliases around a type.
func plain(t types.Type) types.Type {
	switch t := types.Unalias(t).(type) {
	case *types.Signature:
		return types.NewSignatureType(nil, nil, nil, unnamed(t.Params()), unnamed(t.Results()), t.Variadic())
	case *types.Pointer:
		return types.NewPointer(plain(t.Elem()))
	case *types.Slice:
		return types.NewSlice(plain(t.Elem()))
	default:
		return t
	}
}

func unnamed(tuple *types.Tuple) *types.Tuple {
	var vars []*types.Var
	for v := range tuple.Variables() {
		vars = append(vars, types.NewVar(token.NoPos, nil, "", plain(v.Type())))
	}
	return types.NewTuple(vars...)
}
