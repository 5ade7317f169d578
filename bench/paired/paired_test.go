package paired

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		name   string
		ratios []float64
		want   Summary
		text   string
	}{
		{"none", nil, Summary{}, "level ±0.0%"},
		{"one", []float64{0.5}, Summary{1, 0.5, 0.5, 0.5}, "0.500 ±0.0%"},
		{"two", []float64{2, 1}, Summary{2, 1.5, 1, 2}, "1.500 ±33.3%"},
		{"few", []float64{0.9, 1.3, 1.1}, Summary{3, 1.1, 0.9, 1.3}, "level ±18.2%"},
		{"eleven", []float64{9, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.1}, Summary{11, 1, 1, 1}, "level ±0.0%"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := append([]float64(nil), c.ratios...)
			require.Equal(t, c.want, Summarize(c.ratios))
			require.Equal(t, c.text, Summarize(c.ratios).String())
			require.Equal(t, before, c.ratios)
		})
	}
}

// The table of the sign test, as in textbooks.
func TestRank(t *testing.T) {
	for n, want := range map[int]int{1: 0, 5: 0, 6: 0, 8: 0, 9: 1, 11: 1, 12: 2, 15: 3, 20: 5, 25: 7, 50: 17} {
		require.Equal(t, want, rank(n), n)
	}
}

// The interval holds the median as often as it says.
func TestConfidence(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const trials = 4000
	held := 0
	for range trials {
		ratios := make([]float64, 15)
		for i := range ratios {
			ratios[i] = 1 + rng.NormFloat64()
		}
		if s := Summarize(ratios); s.Low <= 1 && 1 <= s.High {
			held++
		}
	}
	require.GreaterOrEqual(t, held, trials*94/100)
}

func TestMedian(t *testing.T) {
	values := []float64{9, 1, 4}
	require.Zero(t, Median(nil))
	require.Equal(t, 4.0, Median(values))
	require.Equal(t, 2.5, Median(values[1:]))
	require.Equal(t, []float64{9, 1, 4}, values, "not modified")
}
