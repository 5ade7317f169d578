package httphead

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	grammar "github.com/gobwas/httphead"
	"github.com/stretchr/testify/require"
)

// show renders an option so that a parameter without a value, with an empty one
// and the order of parameters can be seen.
func show(o Option) string {
	var b strings.Builder
	b.Write(o.Name)
	o.Parameters.ForEach(func(k, v []byte) bool {
		fmt.Fprintf(&b, ";%s", k)
		if v != nil {
			fmt.Fprintf(&b, "=<%s>", v)
		}
		return true
	})
	return b.String()
}

// options returns what Options yields, with "!" for the fault.
func options(f Fields, name string) string {
	var got []string
	for o, err := range f.Options(name) {
		if err != nil {
			got = append(got, "!"+show(o))
			continue
		}
		got = append(got, show(o))
	}
	return strings.Join(got, " ")
}

func TestOptions(t *testing.T) {
	for _, group := range []struct {
		section string
		values  map[string]string
	}{
		{"RFC 6455 9.1, options", map[string]string{
			"foo": "foo", "foo, bar; baz=2": "foo bar;baz=<2>", "bar; baz=2; q": "bar;baz=<2>;q", "a;b;c": "a;b;c",
			"permessage-deflate; client_max_window_bits": "permessage-deflate;client_max_window_bits",
			"a;b=1, a;b=2": "a;b=<1> a;b=<2>",
			"a;b=1;b=2;b":  "a;b=<1>;b=<2>;b", // duplicates are for the caller to judge
			"a;1=1;2=2;3=3;4=4;5=5;6=6;7=7;8;9=9;10=10": "a;1=<1>;2=<2>;3=<3>;4=<4>;5=<5>;6=<6>;7=<7>;8;9=<9>;10=<10>",
		}},
		{"RFC 6455 9.1, white space", map[string]string{
			"a ;b": "a;b", "a\t;\tb\t=\tc\t,\td": "a;b=<c> d", " a ; b = c ": "a;b=<c>", "a; b=\t\"c\" , d": "a;b=<c> d",
		}},
		{"RFC 9110 5.6.1, empty members", map[string]string{
			"a,,b": "a b", ", a;b ,, ": "a;b", "": "!", " , ": "!",
		}},
		{"RFC 9110 5.6.4, quoted strings", map[string]string{
			`a;b="c"`: "a;b=<c>", `a;b=""`: "a;b=<>", `a;b="c, d; e=f"`: "a;b=<c, d; e=f>", `a;b="c",d`: "a;b=<c> d", "a;b=\"\t \"": "a;b=<\t >",
			"a;b=\"\x80\xff\"": "a;b=<\x80\xff>", `a;b="(c)"`: "a;b=<(c)>",
		}},
		{"RFC 9110 5.6.4, quoted pairs", map[string]string{
			`a;b="\""`: `a;b=<">`, `a;b="\\"`: `a;b=<\>`, `a;b="\\\\"`: `a;b=<\\>`, `a;b="c\\",d`: `a;b=<c\> d`, `a;b="\c\d"`: `a;b=<cd>`, `a;b="x\"y"`: `a;b=<x"y>`,
			`a;b="\",\"";c`: `a;b=<",">;c`, "a;b=\"\\\t\\\xff\"": "a;b=<\t\xff>", `a;b="\\\""`: `a;b=<\">`,
		}},
		{"malformed", map[string]string{
			"a b": "!", "a, b c": "a !", "a;": "!", "a;,b": "!", "a;;b": "!", "a;b=": "!", "a;b=,c": "!", "a;b=;c": "!", "a;=c": "!", "=": "!", ";": "!", "; a": "!",
			"a=b": "!", "a;b=c d": "!", "a;b c": "!", "a;b=c=d": "!", "a;b==c": "!", `"a"`: "!", `a;"b"`: "!", `a;"b"=c`: "!", `a;b="c"d`: "!", `a;b="c""d"`: "!", `a;b=c"d"`: "!",
			`a;b="`: "!", `a;b="c`: "!", `a;b="\"`: "!", `a;b="\`: "!", `a;b="c\`: "!", "a (c)": "!", "a;b=(c)": "!", "a/b": "!", "a;b/c": "!", "a;b=c/d": "!",
			"a;b=\"\x00\"": "!", "a;b=\"\x7f\"": "!", "a;b=\"\\\n\"": "!", "\xe9": "!", "a;b=\xe9": "!", "a\\": "!", "x, y;b=\"c, z": "x !",
		}},
	} {
		t.Run(group.section, func(t *testing.T) {
			for value, want := range group.values {
				require.Equal(t, want, options(fields("E", value), "e"), "%q", value)

				var shown []string
				parsed, ok := ParseOptions([]byte(value), nil)
				for _, o := range parsed {
					shown = append(shown, show(o))
				}
				require.Equal(t, strings.HasSuffix(want, "!"), !ok, "%q", value)
				require.Equal(t, strings.TrimSpace(strings.TrimSuffix(want, "!")), strings.Join(shown, " "), "%q", value)
			}
		})
	}
}

func TestOptionsOverSeveralFields(t *testing.T) {
	f := fields("E", "a;b", "X", "?", "e", "", "E", "c, d;e=f", "Y", "a;b", "Y", "c d")
	require.Equal(t, "a;b c d;e=<f>", options(f, "E"))
	require.Equal(t, "a;b !", options(f, "Y"))
	require.Empty(t, options(f, "Absent"))
	for o := range f.Options("E") {
		require.Equal(t, "a", string(o.Name))
		break
	}
}

func TestOptionsAreViews(t *testing.T) {
	value := []byte(`ab;cd=ef;gh="ij"`)
	f := Fields{{Name: []byte("E"), Value: value}}
	for o := range f.Options("E") {
		copy(value, "AB;CD=EF;GH=\"IJ\"")
		require.Equal(t, "AB;CD=<EF>;GH=<IJ>", show(o))
		clone := o.Clone() // what outlives the head is cloned
		copy(value, "                ")
		require.Equal(t, "AB;CD=<EF>;GH=<IJ>", show(clone))
	}
}

func TestParseOptionsAppends(t *testing.T) {
	got, ok := ParseOptions([]byte("b, c"), []Option{NewOption("a", nil)})
	require.True(t, ok)
	require.Len(t, got, 3)
	require.Equal(t, "a", string(got[0].Name))
	require.Equal(t, "c", string(got[2].Name))
}

func TestNewOption(t *testing.T) {
	params := map[string]string{"z": "1", "a": "", "m": "x y", "b": "2"}
	for range 20 { // whatever order a map has
		require.Equal(t, "o;a;b=<2>;m=<x y>;z=<1>", show(NewOption("o", params)))
	}
	require.True(t, NewOption("o", params).Equal(grammar.NewOption("o", params)))
}

// What the grammar's own option scanner makes of these values, and we do not.
func TestOptionsWhereTheGrammarDiffers(t *testing.T) {
	for _, c := range []struct {
		why, value, grammars, ours string
	}{
		{"a member is lost where a comma is missing", `a b;c`, "b;c", "!"},
		{"and so is one behind a parameter", `a;b=1 c`, "a;b=<1>", "!"},
		{"a semicolon that nothing follows", `a;`, "a", "!"},
		{"an equals sign that nothing follows", `a;b=`, "a;b", "!"},
		{"a tab is white space", "a;\tb", "a !", "a;b"},
		{"an escaped backslash does not escape the quote behind it", `a;b="c\\"`, "a;b !", `a;b=<c\>`},
		{"nor does it reach into the next string", `a;b="\\";c="d"`, "a;b=<\";c=> !", `a;b=<\>;c=<d>`},
		{"an escaped quote is part of the string", `a;b="c\""`, "a;b=<c>", `a;b=<c">`},
		{"the last byte behind an escape is kept", `a;b="c\d"`, "a;b=<c>", `a;b=<cd>`},
		{"a control byte ends no string well", "a;b=\"\x00\"", "a;b=<\x00>", "!"},
	} {
		parsed, ok := grammar.ParseOptions([]byte(c.value), nil)
		var shown []string
		for _, o := range parsed {
			shown = append(shown, show(o))
		}
		if !ok {
			shown = append(shown, "!")
		}
		require.Equal(t, c.grammars, strings.Join(shown, " "), "%s: %q in the grammar", c.why, c.value)
		require.Equal(t, c.ours, options(fields("E", c.value), "E"), "%s: %q", c.why, c.value)
	}
}

func TestOptionLimits(t *testing.T) {
	many := func(unit string, n int) string { return strings.TrimSuffix(strings.Repeat(unit, n), ",") }
	for _, c := range []struct {
		name, value string
		lim         OptionLimits
		want        error
		found       int
	}{
		{"as many options as the default allows", many("a,", 32), OptionLimits{}, nil, 32},
		{"one more option", many("a,", 33), OptionLimits{}, ErrTooManyOptions, 32},
		{"as many parameters", "a" + many(";b", 32), OptionLimits{}, nil, 1},
		{"one more parameter", "a" + many(";b", 33), OptionLimits{}, ErrTooManyParameters, 0},
		{"each option counts for itself", "a" + many(";b", 32) + ",c" + many(";d=e", 32), OptionLimits{}, nil, 2},
		{"options limited by the caller", "a;b, c", OptionLimits{MaxOptions: 1}, ErrTooManyOptions, 1},
		{"parameters limited by the caller", "a;b;c", OptionLimits{MaxParameters: 1}, ErrTooManyParameters, 0},
		{"no limit", many("a"+many(";b", 100)+",", 100), OptionLimits{MaxOptions: -1, MaxParameters: -1}, nil, 100},
		{"a fault in front of the limit", "a b" + many(",a", 40), OptionLimits{}, ErrList, 0},
		{"quoted tokens", `a;b="c"`, OptionLimits{TokenValues: true}, nil, 1},
		{"quoted value that is no token", `a;b="c d"`, OptionLimits{TokenValues: true}, ErrList, 0},
		{"quoted value that is empty", `a;b=""`, OptionLimits{TokenValues: true}, ErrList, 0},
		{"any quoted value", `a;b="c d"`, OptionLimits{}, nil, 1},
	} {
		var stored Option
		for _, o := range []*Option{&stored, nil} {
			found, fault := 0, error(nil)
			for err := range fields("E", c.value).ScanOptions("E", o, c.lim) {
				if err != nil {
					fault = err
					continue
				}
				found++
			}
			require.Equal(t, c.want, fault, "%s, stored: %t", c.name, o != nil)
			require.Equal(t, c.found, found, "%s, stored: %t", c.name, o != nil)
		}
	}
	for _, err := range fields("E", many("a,", 33)).Options("E") {
		if err != nil {
			require.Equal(t, ErrTooManyOptions, err)
		}
	}
	_, ok := ParseOptions([]byte("a"+many(";b", 33)), nil)
	require.False(t, ok)
}

// allocated returns how many bytes f allocates: the minimum of a few runs,
// because other goroutines also allocate.
func allocated(f func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// Half a MiB of parameters costs no memory if nobody wants them, and a bounded
// amount if somebody does.
func TestOptionsBoundMemory(t *testing.T) {
	f := fields("E", "x"+strings.Repeat(";a", 256<<10))
	require.LessOrEqual(t, allocated(func() {
		for range f.ScanOptions("E", nil, OptionLimits{MaxParameters: -1}) {
		}
	}), uint64(1<<10))
	var o Option
	require.LessOrEqual(t, allocated(func() {
		for range f.ScanOptions("E", &o, OptionLimits{}) {
		}
	}), uint64(8<<10))
}
