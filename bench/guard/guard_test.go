package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// times returns a function that returns these times, over and over.
func times(ns ...float64) func() (float64, error) {
	n := 0
	return func() (float64, error) {
		n++
		return ns[(n-1)%len(ns)], nil
	}
}

func TestCompare(t *testing.T) {
	o := options{old: "main", rounds: 5, limit: 1.05}
	for _, c := range []struct {
		name     string
		old, new func() (float64, error)
		says     string
		err      string
	}{
		{"level", times(100), times(100), "level", ""},
		{"within the limit", times(100), times(104), "1.040", ""},
		{"faster", times(100), times(50), "0.500", ""},
		{"slower", times(100), times(106), "1.060", "slower than main by more than 5 %: BenchmarkX (1.060)"},
		{"one bad round of five", times(100), times(100, 900, 100, 100, 100), "level", ""},
		{"slower at first", times(100), times(110, 110, 110, 110, 110, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100), "level", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, progress strings.Builder
			err := o.compareAll([]row{{"BenchmarkX", c.old, c.new}}, &out, &progress)
			require.Contains(t, out.String(), "BenchmarkX")
			require.Contains(t, out.String(), c.says)
			if c.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, c.err)
			}
		})
	}
}

func TestMeasured(t *testing.T) {
	m := measured.FindStringSubmatch("BenchmarkMask/size=64/lib=wskit-2  \t 100\t 12.5 ns/op\t 0 B/op")
	require.Equal(t, []string{"BenchmarkMask/size=64/lib=wskit", "12.5"}, m[1:])
	m = measured.FindStringSubmatch("BenchmarkMask/lib=wskit-helpers  \t 100\t 12 ns/op")
	require.Equal(t, []string{"BenchmarkMask/lib=wskit-helpers", "12"}, m[1:])
}

func TestTimeOf(t *testing.T) {
	ns, err := timeOf("BenchmarkX", "goos: linux\nBenchmarkX-2  100  12.5 ns/op\nPASS\n")
	require.NoError(t, err)
	require.Equal(t, 12.5, ns)
	_, err = timeOf("BenchmarkX/size=1", "BenchmarkX-2  100  12.5 ns/op\n")
	require.ErrorContains(t, err, "BenchmarkX/size=1: no time")
}

func TestOptions(t *testing.T) {
	good := options{packages: "bench", bench: ".", rounds: 1, limit: 1}
	require.NoError(t, good.check())
	for _, c := range []struct {
		change func(*options)
		text   string
	}{
		{func(o *options) { o.rounds = 0 }, "-rounds is 0"},
		{func(o *options) { o.limit = 0 }, "-limit is 0"},
		{func(o *options) { o.packages = " " }, "-packages names no folder"},
		{func(o *options) { o.bench = "(" }, "missing closing"},
	} {
		o := good
		c.change(&o)
		require.ErrorContains(t, o.check(), c.text)
	}
}
