package bench

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/exit"
)

func TestTemplate(t *testing.T) {
	data := &table{columns: []string{"name", "room"}, rows: [][]string{{"ann", "a{{b}}"}, {"bob", ""}}}
	v := &values{conn: 3, row: data.row(2), random: rand.New(rand.NewPCG(1, 2)), total: new(atomic.Int64)}
	v.total.Store(9)
	v.advance()
	for text, want := range map[string]string{
		"":                                  "^$",
		"no gap }} {":                       `^no gap }} \{$`,
		"{{conn}}.{{ seq }}.{{global}}":     `^3\.1\.10$`,
		"{{int -5 -5}} {{int 10 99}}":       `^-5 [1-9][0-9]$`,
		"{{hex 7}}":                         "^[0-9a-f]{7}$",
		`{{choice "a b" "a b"}}{{"{{"}}`:    `^a b\{\{$`,
		"{{choice `}}` `}}`}}":              "^}}$",
		"{{csv name}} in\n{{csv \"room\"}}": `^ann in\na\{\{b}}$`,
		"{{unixms}}":                        "^[0-9]{13}$",
		"{{choice ä-1 ä-1}}":                "^ä-1$",
	} {
		tmpl, err := parseTemplate(text, data)
		require.NoError(t, err, text)
		require.Regexp(t, want, string(tmpl.append(nil, v)), text)
	}
}

func TestTemplateErrors(t *testing.T) {
	data := &table{columns: []string{"name", "room"}, rows: [][]string{{"ann", "x"}}}
	for text, want := range map[string]string{
		"a\nb {{nope}}": `line 2: {{nope}}: unknown function "nope"`,
		"{{conn":        "line 1: {{conn: }} is missing",
		"{{conn 1}}":    "1 arguments: conn takes 0",
		"{{}}":          "a function is missing",
		"{{int 1}}":     "1 arguments: int takes 2",
		"{{int 5 4}}":   "the second number must be larger",
		"{{int -9223372036854775808 9223372036854775807}}": "by less than 2^63",
		"{{int a 4}}":                  `"a" is not an integer`,
		"{{hex 0}}":                    "give 1 to 1048576 digits",
		"{{choice}}":                   "at least one argument",
		`{{"a}}`:                       "a quoted text is not closed",
		"{{csv age}}":                  `unknown column "age": the file has name, room`,
		"{{int 1 2}}\n{{`\n`}}{{csv}}": "line 3: {{csv}}",
	} {
		_, err := parseTemplate(text, data)
		require.ErrorContains(t, err, want, text)
	}
	_, err := parseTemplate("{{csv name}}", nil)
	require.ErrorContains(t, err, "--csv FILE is missing")
}

// A message that a template makes costs no allocation once there is memory for it.
func TestTemplateAllocations(t *testing.T) {
	l := newLoad(config{connections: 1, pipeline: 2, atOnce: 1, mix: mix{}})
	var err error
	l.mix.template, err = parseTemplate("{{global}} {{hex 30}} {{choice a b}} {{int 1 9}}", nil)
	require.NoError(t, err)
	w := l.workers[0]
	require.Zero(t, testing.AllocsPerRun(100, func() { w.message(0); w.message(1) }))
	require.NotEqual(t, string(w.message(0).payload), string(w.message(1).payload))
}

func TestTable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.csv")
	for text, want := range map[string]string{
		"":             "the file has 0 lines",
		"a,b\n":        "the file has 1 lines",
		"a,b\n1\n":     "record on line 2: wrong number of fields",
		"a,b\n\"1,2\n": `line 2`,
	} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		_, err := readTable(name)
		require.ErrorContains(t, err, want)
		require.Equal(t, exit.Usage, exit.Status(err))
	}
	require.NoError(t, os.WriteFile(name, []byte("a,b\n1,\"x, y\"\n2,z\n"), 0o600))
	data, err := readTable(name)
	require.NoError(t, err)
	require.Equal(t, []string{"1", "x, y"}, data.row(4))
	require.Nil(t, (*table)(nil).row(1))
	_, err = readTable(filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "--csv: open ")
}
