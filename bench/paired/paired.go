// Package paired compares two measurements that are taken alternately in rounds
// on a machine with other load.
package paired

import (
	"fmt"
	"math"
	"slices"
)

// Summary is the result of a comparison.
type Summary struct {
	Rounds int
	Median float64 // of the ratios
	// Low and High are the 95 % confidence interval of the median, for any
	// distribution of the ratios. With fewer than six rounds they are the
	// smallest and the largest ratio.
	Low, High float64
}

// Summarize summarizes ratios, one for each round. It does not modify them.
// Without ratios, it returns the zero value.
func Summarize(ratios []float64) Summary {
	n := len(ratios)
	if n == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(ratios))
	k := rank(n)
	return Summary{Rounds: n, Median: middle(sorted), Low: sorted[k], High: sorted[n-1-k]}
}

// Median returns the median of values, or 0 if there are none. It does not
// modify them.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return middle(slices.Sorted(slices.Values(values)))
}

// middle returns the median of sorted values.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// rank returns the largest k for which the median is between the values of rank
// k and n-1-k of n samples with 95 % confidence (sign test).
func rank(n int) int {
	chance := math.Pow(0.5, float64(n)) // that all values are on one side
	below := chance
	for k := 0; ; k++ {
		chance *= float64(n-k) / float64(k+1)
		if below += chance; below > 0.025 || k+1 >= n/2 {
			return k
		}
	}
}

// Spread returns half the width of the interval, as a fraction of the median.
func (s Summary) Spread() float64 {
	if s.Median == 0 {
		return 0
	}
	return (s.High - s.Low) / 2 / s.Median
}

// Differs reports whether the difference of the ratio from 1 is larger than its
// spread. Otherwise the result is not significant.
func (s Summary) Differs() bool { return s.Rounds > 0 && math.Abs(s.Median-1) > s.Spread() }

// String returns the median with its spread in percent. If the spread is larger
// than the difference from 1, it returns "level" instead of the median.
func (s Summary) String() string {
	median := "level"
	if s.Differs() {
		median = fmt.Sprintf("%.3f", s.Median)
	}
	return fmt.Sprintf("%s ±%.1f%%", median, 100*s.Spread())
}
