package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/big"
	"os"
	"strings"
)

// A mutant is a file with one change: text[from:to] becomes replacement.
type mutant struct {
	file        string
	line        int
	text        []byte
	from, to    int
	replacement string
}

// String returns the place and the change, on one line.
func (m mutant) String() string {
	change := "drop " + string(m.text[m.from:m.to])
	if m.replacement != "" {
		change = fmt.Sprintf("%s -> %s", m.text[m.from:m.to], m.replacement)
	}
	return fmt.Sprintf("%s:%d: %s", m.file, m.line, strings.Join(strings.Fields(change), " "))
}

// source returns the changed file.
func (m mutant) source() []byte {
	return []byte(string(m.text[:m.from]) + m.replacement + string(m.text[m.to:]))
}

// instead lists the replacements of each operator and each constant.
var instead = map[string][]string{
	"==": {"!="}, "!=": {"=="}, "<": {"<=", ">="}, "<=": {"<", ">"}, ">": {">=", "<="}, ">=": {">", "<"},
	"&&": {"||"}, "||": {"&&"}, "+": {"-"}, "-": {"+"}, "&": {"|"}, "|": {"&"},
	"true": {"false"}, "false": {"true"},
}

// mutate returns every mutant of a file: it changes conditions, operators and
// constants, and drops statements.
func mutate(file string) (mutants []mutant, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, file, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	change := func(from, to token.Pos, replacements ...string) {
		for _, r := range replacements {
			mutants = append(mutants, mutant{file, files.Position(from).Line, text, files.Position(from).Offset, files.Position(to).Offset, r})
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt: // a comparison is negated by the change of its operator
			if b, ok := n.Cond.(*ast.BinaryExpr); !ok || b.Op == token.LAND || b.Op == token.LOR {
				condition := text[files.Position(n.Cond.Pos()).Offset:files.Position(n.Cond.End()).Offset]
				change(n.Cond.Pos(), n.Cond.End(), "!("+string(condition)+")")
			}
		case *ast.BinaryExpr:
			change(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), instead[n.Op.String()]...)
		case *ast.BasicLit:
			if v, ok := new(big.Int).SetString(n.Value, 0); ok && n.Kind == token.INT {
				change(n.Pos(), n.End(), v.Add(v, big.NewInt(1)).String())
			}
		case *ast.Ident:
			if n.Name == "true" || n.Name == "false" {
				change(n.Pos(), n.End(), instead[n.Name]...)
			}
		case *ast.AssignStmt: // the right side stays, so that its variables are used
			blank := strings.TrimSuffix(strings.Repeat("_, ", len(n.Lhs)), ", ") + " ="
			if id, ok := n.Rhs[0].(*ast.Ident); ok && id.Name == "nil" {
				change(n.Pos(), n.End(), "")
			} else if to := n.TokPos + token.Pos(len(n.Tok.String())); n.Tok != token.DEFINE {
				change(n.Pos(), to, blank)
			}
		case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt, *ast.DeferStmt, *ast.BranchStmt:
			change(n.Pos(), n.End(), "")
		}
		return true
	})
	return mutants, nil
}
