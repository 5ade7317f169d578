package bench

import (
	"strings"
	"testing"

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
	for _, line := range r.heading() {
		require.LessOrEqual(t, len([]rune(line)), headingWidth)
	}
}
