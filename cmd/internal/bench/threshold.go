package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// statusCrossed is the exit status if a threshold of --fail is crossed.
const statusCrossed = 6

// metric is a value of a result that a threshold can limit.
type metric struct {
	name    string
	of      func(r *Result) float64
	latency bool // in microseconds; otherwise a number
	share   bool // may be given as a percentage of the messages sent
	verdict bool // a reason to fail, unless it has a threshold
}

var metrics = []metric{
	{name: "min", latency: true, of: func(r *Result) float64 { return r.Latency.Min }},
	{name: "mean", latency: true, of: func(r *Result) float64 { return r.Latency.Mean }},
	{name: "p50", latency: true, of: func(r *Result) float64 { return r.Latency.P50 }},
	{name: "p75", latency: true, of: func(r *Result) float64 { return r.Latency.P75 }},
	{name: "p90", latency: true, of: func(r *Result) float64 { return r.Latency.P90 }},
	{name: "p99", latency: true, of: func(r *Result) float64 { return r.Latency.P99 }},
	{name: "p99.9", latency: true, of: func(r *Result) float64 { return r.Latency.P999 }},
	{name: "p99.99", latency: true, of: func(r *Result) float64 { return r.Latency.P9999 }},
	{name: "max", latency: true, of: func(r *Result) float64 { return r.Latency.Max }},
	{name: "rate", of: func(r *Result) float64 { return r.Messages.PerSecond }},
	{name: "errors", share: true, verdict: true, of: func(r *Result) float64 { return float64(r.errorCount()) }},
	{name: "lost", share: true, verdict: true, of: func(r *Result) float64 { return float64(r.Messages.Lost) }},
	{name: "wrong", share: true, verdict: true, of: func(r *Result) float64 { return float64(r.Messages.Wrong) }},
	{name: "unsent", share: true, of: func(r *Result) float64 { return float64(r.Messages.Unsent) }},
}

// threshold is one --fail: the load fails if the metric is above or below the
// limit.
type threshold struct {
	text    string
	metric  metric
	above   bool
	limit   float64
	percent bool
}

// Crossed is a threshold that a result has crossed.
type Crossed struct {
	Threshold string `json:"threshold"`
	Value     string `json:"value"`
}

// parseThreshold parses a --fail: p99>50ms, rate<1000, lost>0.1%.
func parseThreshold(s string) (threshold, error) {
	t := threshold{text: s}
	at := strings.IndexAny(s, "<>")
	if at < 0 {
		return t, exit.Usagef("--fail %q: write a metric, < or >, and a limit, such as p99>50ms", s)
	}
	name, limit := strings.TrimSpace(s[:at]), strings.TrimSpace(s[at+1:])
	i := slices.IndexFunc(metrics, func(m metric) bool { return m.name == name })
	if i < 0 {
		return t, exit.Usagef("--fail %q: unknown metric %q: use one of %s", s, name, metricNames())
	}
	t.metric, t.above = metrics[i], s[at] == '>'
	if t.metric.latency {
		d, err := time.ParseDuration(limit)
		if err != nil || d < 0 {
			return t, exit.Usagef("--fail %q: the limit of %s is a duration such as 50ms or 1.5s", s, name)
		}
		t.limit = micros(int64(d))
		return t, nil
	}
	digits, percent := strings.CutSuffix(limit, "%")
	if percent && !t.metric.share {
		return t, exit.Usagef("--fail %q: the limit of %s is a number, not a percentage", s, name)
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(n >= 0 && n < 1e18) {
		return t, exit.Usagef("--fail %q: the limit of %s must be a number of at least 0", s, name)
	}
	t.limit, t.percent = n, percent
	return t, nil
}

func metricNames() string {
	var names []string
	for _, m := range metrics {
		names = append(names, m.name)
	}
	return strings.Join(names, ", ")
}

func parseThresholds(list []string) (all []threshold, err error) {
	for _, s := range list {
		t, err := parseThreshold(s)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// crossed reports whether r has crossed the threshold, and with which value. A
// latency without measurements crosses every threshold.
func (t *threshold) crossed(r *Result) (value string, crossed bool) {
	v := t.metric.of(r)
	switch {
	case t.metric.latency && r.Latency.Count == 0:
		return "not measured", true
	case t.metric.latency:
		value = duration(v)
	case t.percent:
		v = 100 * v / float64(max(r.Messages.Sent, 1))
		value = strconv.FormatFloat(v, 'g', 4, 64) + "%"
	default:
		value = number(v)
	}
	if t.above {
		return value, v > t.limit
	}
	return value, v < t.limit
}

// judge records the thresholds that r has crossed.
func (r *Result) judge(all []threshold) {
	for _, t := range all {
		if value, crossed := t.crossed(r); crossed {
			r.Crossed = append(r.Crossed, Crossed{t.text, value})
		}
	}
}

// failed returns the error for the exit status: a threshold was crossed, or
// there are faults without a threshold.
func (r *Result) failed(all []threshold) error {
	if len(r.Crossed) > 0 {
		return exit.With(statusCrossed, nil)
	}
	for _, m := range metrics {
		about := func(t threshold) bool { return t.metric.name == m.name }
		if m.verdict && m.of(r) > 0 && !slices.ContainsFunc(all, about) {
			return exit.With(exit.Failed, nil)
		}
	}
	return nil
}

// String returns the threshold and the value.
func (c Crossed) String() string { return fmt.Sprintf("%s: the value is %s", c.Threshold, c.Value) }
