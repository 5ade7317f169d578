package bench

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"text/scanner"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// templateHelp describes the language of templates.
const templateHelp = `Templates: --template FILE, a --message with {{, and the texts of a script are expanded
for each message. Between {{ and }} is one of
  conn             number of the connection, from 1
  seq              number of the message on its connection, from 1
  global           number of the message over all connections, from 1
  unixms           milliseconds since 1970
  int MIN MAX      a random integer from MIN to MAX
  hex N            N random hexadecimal digits
  choice A B ...   one of these at random; quote a value with spaces: "a b"
  csv COLUMN       a field of the connection's row in --csv FILE: the first line names
                   the columns, and rows are reused if there are more connections
  "TEXT"           literal text, for braces: {{"{{"}}`

// values are the inputs of the templates of one connection. The goroutine that
// sends on the connection owns them.
type values struct {
	conn   int64
	seq    int64
	global int64
	row    []string
	random *rand.Rand
	total  *atomic.Int64 // over all connections
}

// advance counts a message.
func (v *values) advance() {
	v.seq++
	v.global = v.total.Add(1)
}

// textTemplate is a message with placeholders: each part appends to dst.
type textTemplate []func(dst []byte, v *values) []byte

// append appends the text of a message for v.
func (t textTemplate) append(dst []byte, v *values) []byte {
	for _, part := range t {
		dst = part(dst, v)
	}
	return dst
}

// isTemplate reports whether a text has gaps.
func isTemplate(s string) bool { return strings.Contains(s, "{{") }

// parseTemplate reads a template. An error names the line and the gap.
func parseTemplate(s string, data *table) (textTemplate, error) {
	var t textTemplate
	line := 1
	for s != "" {
		before, rest, found := strings.Cut(s, "{{")
		if before != "" {
			t = append(t, literal(before))
		}
		line += strings.Count(before, "\n")
		if !found {
			break
		}
		words, n, err := gap(rest)
		if err != nil {
			return nil, fmt.Errorf("line %d: {{%s: %w", line, shorten(rest), err)
		}
		part, err := parsePart(words, data)
		if err != nil {
			return nil, fmt.Errorf("line %d: {{%s: %w", line, strings.TrimSpace(rest[:n]), err)
		}
		t = append(t, part)
		line += strings.Count(rest[:n], "\n")
		s = rest[n:]
	}
	return t, nil
}

// shorten cuts a text that an error quotes.
func shorten(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if runes := []rune(s); len(runes) > 40 {
		return string(runes[:40]) + "…"
	}
	return s
}

// word is a word of a gap.
type word struct {
	text   string
	quoted bool
}

// gap reads the words up to the closing braces. n is the size of what it has read.
func gap(s string) (words []word, n int, err error) {
	var sc scanner.Scanner
	sc.Init(strings.NewReader(s))
	sc.Mode = scanner.ScanStrings | scanner.ScanRawStrings
	sc.Error = func(*scanner.Scanner, string) {} // the text of a token tells
	plain := strings.Builder{}
	flush := func() {
		if plain.Len() > 0 {
			words = append(words, word{text: plain.String()})
			plain.Reset()
		}
	}
	end := -1
	for tok := sc.Scan(); tok != scanner.EOF; tok = sc.Scan() {
		at := sc.Position.Offset
		if end >= 0 && at != end {
			flush()
		}
		text := sc.TokenText()
		end = at + len(text)
		switch {
		case strings.HasPrefix(s[at:], "}}"):
			flush()
			return words, at + 2, nil
		case tok == scanner.String || tok == scanner.RawString:
			flush()
			text, err := strconv.Unquote(text)
			if err != nil {
				return nil, 0, errors.New("a quoted text is not closed")
			}
			words = append(words, word{text, true})
		default:
			plain.WriteString(text)
		}
	}
	return nil, 0, errors.New("}} is missing")
}

func literal(s string) func([]byte, *values) []byte {
	return func(dst []byte, _ *values) []byte { return append(dst, s...) }
}

// decimal appends a value in decimal.
func decimal(of func(v *values) int64) func([]byte, *values) []byte {
	return func(dst []byte, v *values) []byte { return strconv.AppendInt(dst, of(v), 10) }
}

// parsePart makes a part of the words of a gap.
func parsePart(words []word, data *table) (func([]byte, *values) []byte, error) {
	if len(words) == 0 {
		return nil, errors.New("a function is missing: conn, seq, global, unixms, int, hex, choice, csv or a quoted text")
	}
	name, args := words[0], words[1:]
	if name.quoted {
		return literal(name.text), arguments(args, 0, "a quoted text")
	}
	switch name.text {
	case "conn":
		return decimal(func(v *values) int64 { return v.conn }), arguments(args, 0, "conn")
	case "seq":
		return decimal(func(v *values) int64 { return v.seq }), arguments(args, 0, "seq")
	case "global":
		return decimal(func(v *values) int64 { return v.global }), arguments(args, 0, "global")
	case "unixms":
		return decimal(func(*values) int64 { return time.Now().UnixMilli() }), arguments(args, 0, "unixms")
	case "int":
		return randomInt(args)
	case "hex":
		return randomHex(args)
	case "choice":
		return choice(args)
	case "csv":
		return data.field(args)
	}
	return nil, fmt.Errorf(`unknown function %q: use conn, seq, global, unixms, int, hex, choice or csv, or {{"{{"}} for braces`, name.text)
}

func arguments(args []word, want int, name string) error {
	if len(args) != want {
		return fmt.Errorf("%d arguments: %s takes %d", len(args), name, want)
	}
	return nil
}

func randomInt(args []word) (func([]byte, *values) []byte, error) {
	if err := arguments(args, 2, "int"); err != nil {
		return nil, err
	}
	low, err := strconv.ParseInt(args[0].text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not an integer", args[0].text)
	}
	high, err := strconv.ParseInt(args[1].text, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not an integer", args[1].text)
	}
	if high < low || high-low < 0 || high-low+1 <= 0 {
		return nil, fmt.Errorf("int %d %d: the second number must be larger, by less than 2^63", low, high)
	}
	return decimal(func(v *values) int64 { return low + v.random.Int64N(high-low+1) }), nil
}

// maxHex is the most digits of one gap.
const maxHex = 1 << 20

func randomHex(args []word) (func([]byte, *values) []byte, error) {
	if err := arguments(args, 1, "hex"); err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(args[0].text)
	if err != nil || n < 1 || n > maxHex {
		return nil, fmt.Errorf("hex %s: give 1 to %d digits", args[0].text, maxHex)
	}
	return func(dst []byte, v *values) []byte {
		for range n {
			dst = append(dst, "0123456789abcdef"[v.random.Uint32()%16])
		}
		return dst
	}, nil
}

func choice(args []word) (func([]byte, *values) []byte, error) {
	if len(args) == 0 {
		return nil, errors.New("choice takes at least one argument")
	}
	return func(dst []byte, v *values) []byte { return append(dst, args[v.random.IntN(len(args))].text...) }, nil
}

// table is a CSV file: the names of its columns, and a row for each connection.
type table struct {
	columns []string
	rows    [][]string
}

// maxCSV bounds the size of a CSV file in bytes.
const maxCSV = 256 << 20

// readTable reads a CSV file whose first line names the columns.
func readTable(name string) (*table, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, exit.Usagef("--csv: %v", err)
	}
	defer f.Close()
	in := &io.LimitedReader{R: f, N: maxCSV + 1}
	rows, err := csv.NewReader(in).ReadAll()
	switch {
	case in.N <= 0:
		return nil, exit.Usagef("--csv %s: the file is larger than %d bytes", name, maxCSV)
	case err != nil:
		return nil, exit.Usagef("--csv %s: %v", name, err)
	case len(rows) < 2:
		return nil, exit.Usagef("--csv %s: want a line of column names and a line of values, the file has %d lines", name, len(rows))
	}
	return &table{rows[0], rows[1:]}, nil
}

// row returns the row of a connection, counted from 0.
func (t *table) row(index int) []string {
	if t == nil {
		return nil
	}
	return t.rows[index%len(t.rows)]
}

// field is a gap that names a column.
func (t *table) field(args []word) (func([]byte, *values) []byte, error) {
	if err := arguments(args, 1, "csv"); err != nil {
		return nil, err
	}
	if t == nil {
		return nil, errors.New("--csv FILE is missing")
	}
	for i, name := range t.columns {
		if name == args[0].text {
			return func(dst []byte, v *values) []byte { return append(dst, v.row[i]...) }, nil
		}
	}
	return nil, fmt.Errorf("unknown column %q: the file has %s", args[0].text, strings.Join(t.columns, ", "))
}
