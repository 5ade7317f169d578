package bench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The marks of a chart are round numbers, whatever its width.
func TestChartMarks(t *testing.T) {
	for right, want := range map[float64]string{
		6.04: "0 s, 2 s, 4 s, 6 s",
		0.31: "0 s, 0.1 s, 0.2 s, 0.3 s",
		10:   "0 s, 2 s, 4 s, 6 s, 8 s, 10 s",
		47:   "0 s, 10 s, 20 s, 30 s, 40 s",
		3600: "0 s, 1000 s, 2000 s, 3000 s",
	} {
		c := chart{lines: []line{{dots: []dot{{right, 1}}}}, format: number[float64]}
		require.True(t, c.layOut())
		var marks []string
		for _, m := range c.Marks {
			marks = append(marks, m.Text)
		}
		require.Equal(t, want, strings.Join(marks, ", "), "%v", right)
	}
}

func TestHeadingFits(t *testing.T) {
	r := &Result{URL: "ws://example.com/" + strings.Repeat("ä", 200)}
	for _, line := range append(headings([]*Result{r}), headings([]*Result{r, r})...) {
		require.LessOrEqual(t, len([]rune(line)), headingWidth)
	}
}

// Two runs are in the same charts, each with a color and a name.
func TestPlotOverlay(t *testing.T) {
	h := newHistogram()
	record(h, time.Millisecond)
	r := &Result{URL: "ws://example.com/", Latency: newLatency(h), Timeline: []Point{{At: 1, PerSecond: 5, P50: 1, P99: 2}, {At: 2, PerSecond: 6, P50: 1, P99: 3}}}
	for kind, paths := range map[string]int{"svg": 8, "html": 8} {
		var b strings.Builder
		require.NoError(t, draw(&b, kind, r, r))
		require.Equal(t, paths, strings.Count(b.String(), "<path "))
		require.Equal(t, 2, strings.Count(b.String(), `class="p0 d"`)+strings.Count(b.String(), `class="p1 d"`))
		for _, name := range []string{"— old<", "— new<", "-- old p50<", "— new p99<", "old: ws://example.com/", "new: ws://example.com/"} {
			require.Contains(t, b.String(), name)
		}
	}
	var one strings.Builder
	require.NoError(t, draw(&one, "svg", r))
	require.Equal(t, 4, strings.Count(one.String(), "<path "))
	require.NotContains(t, one.String(), "old")
}
