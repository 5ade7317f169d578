// Package paired compares two things that are measured side by side, round after
// round, on a machine that has other work as well.
package paired

import (
	"fmt"
	"math"
	"slices"
)

// Summary is what the rounds of one comparison say.
type Summary struct {
	Rounds int
	Median float64 // of the ratios
	// Low and High bound the median with 95 % confidence, whatever the
	// distribution of the ratios. With fewer than six rounds they are the
	// smallest and the largest ratio, which is the best that can be said then.
	Low, High float64
}

// Summarize summarizes ratios, one for each round. It does not change them. The
// summary of no ratios is all zero.
func Summarize(ratios []float64) Summary {
	n := len(ratios)
	if n == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(ratios))
	k := rank(n)
	return Summary{Rounds: n, Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Low: sorted[k], High: sorted[n-1-k]}
}

// rank returns the largest k for which the median of what n values were drawn from
// lies between the values of rank k and n-1-k with 95 % confidence: the sign test.
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

// Spread returns half the width of the interval, as a part of the median.
func (s Summary) Spread() float64 {
	if s.Median == 0 {
		return 0
	}
	return (s.High - s.Low) / 2 / s.Median
}

// Differs reports whether the ratio is further from 1 than its spread: otherwise the
// rounds do not tell which of the two is ahead.
func (s Summary) Differs() bool { return s.Rounds > 0 && math.Abs(s.Median-1) > s.Spread() }

// String returns the median with its spread in percent. If the spread is larger than
// the difference from 1, it returns "level" in place of the median.
func (s Summary) String() string {
	median := "level"
	if s.Differs() {
		median = fmt.Sprintf("%.3f", s.Median)
	}
	return fmt.Sprintf("%s ±%.1f%%", median, 100*s.Spread())
}
