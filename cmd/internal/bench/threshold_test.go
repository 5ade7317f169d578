package bench

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/exit"
)

func TestThresholds(t *testing.T) {
	r := &Result{
		Latency:  Latency{Count: 10, P99: 50_000, Max: 60_000},
		Messages: Messages{Sent: 1000, Received: 990, Lost: 10, PerSecond: 500},
		Errors:   map[string]int64{"a": 2, "b": 3},
	}
	for text, value := range map[string]string{
		"p99>50ms": "", "p99>49.9ms": "50.0 ms", "p99 < 51ms": "50.0 ms", "max>1s": "",
		"rate<500": "", "rate<501": "500", "rate>1e3": "", "lost>10": "", "lost>9": "10", "lost>1%": "", "lost>0.5%": "1%",
		"errors>0": "5", "errors>0.5%": "", "wrong>0": "", "unsent<1": "0",
	} {
		threshold, err := parseThreshold(text)
		require.NoError(t, err)
		got, crossed := threshold.crossed(r)
		require.Equal(t, value != "", crossed, text)
		if crossed {
			require.Equal(t, value, got, text)
		}
	}
	threshold, err := parseThreshold("p50>1h")
	require.NoError(t, err)
	_, crossed := threshold.crossed(&Result{})
	require.True(t, crossed, "nothing was measured")
}

func TestThresholdErrors(t *testing.T) {
	for text, want := range map[string]string{
		"p99": "write a metric", "": "write a metric", "p98>1ms": `unknown metric "p98": use one of min, mean`,
		"p99>50": "is a duration", "p99>-1ms": "is a duration", "p99>1%": "is a duration", "rate<1%": "not a percentage", "lost>x": "must be a number",
		"lost>NaN": "must be a number", "lost>-1": "must be a number", "lost>=1": "must be a number",
	} {
		_, err := parseThreshold(text)
		require.ErrorContains(t, err, want)
		require.Equal(t, exit.Usage, exit.Status(err))
	}
}

// Faults are a reason to fail, unless a threshold is about them.
func TestThresholdStatus(t *testing.T) {
	for _, test := range []struct {
		fail   []string
		result Result
		status int
	}{
		{nil, Result{}, exit.OK},
		{nil, Result{Messages: Messages{Lost: 1}}, exit.Failed},
		{[]string{"lost>1"}, Result{Messages: Messages{Lost: 1}}, exit.OK},
		{[]string{"lost>1"}, Result{Messages: Messages{Lost: 1, Wrong: 1}}, exit.Failed},
		{[]string{"lost>1", "rate<1"}, Result{Messages: Messages{Lost: 1}}, statusCrossed},
		{[]string{"errors>2"}, Result{Errors: map[string]int64{"x": 2}}, exit.OK},
		{[]string{"errors>1"}, Result{Errors: map[string]int64{"x": 2}}, statusCrossed},
		{[]string{"unsent>1"}, Result{Errors: map[string]int64{"x": 2}}, exit.Failed},
	} {
		all, err := parseThresholds(test.fail)
		require.NoError(t, err)
		test.result.judge(all)
		require.Equal(t, test.status, exit.Status(test.result.failed(all)), "%v", test)
	}
}

// The warning says what was the limit.
func TestLimits(t *testing.T) {
	for _, test := range []struct {
		g    Generator
		want []string
	}{
		{Generator{CPU: 1.8, Cores: 2, Machine: 0.95, LagP99: 2000}, nil},
		{Generator{CPU: 1.81, Cores: 2}, []string{"the load generator is at its limit: it used 1.81 of 2 cores"}},
		{Generator{Cores: 2, Machine: 0.96}, []string{"this machine is at its limit: its processors were 96 % busy"}},
		{Generator{LagP99: 2100}, []string{"the timers of the load generator are late, which increases the latencies: p99 2.10 ms"}},
		{Generator{CPU: 2, Cores: 2, Machine: 1, LagP99: 9000}, []string{
			"the load generator is at its limit: it used 2.00 of 2 cores", "this machine is at its limit: its processors were 100 % busy",
			"the timers of the load generator are late, which increases the latencies: p99 9.00 ms",
		}},
	} {
		require.Equal(t, test.want, test.g.limits())
	}
}

func TestTicks(t *testing.T) {
	before := parseTicks("cpu  100 10 50 800 40 0 0 0 7 7\ncpu0 1 2 3 4\n")
	require.Equal(t, ticks{160, 1000}, before)
	require.InDelta(t, 0.25, before.busy(parseTicks("cpu 120 10 55 870 45 0 0 0 7 7\n")), 1e-9)
	require.Zero(t, before.busy(before))
	require.Zero(t, before.busy(ticks{170, 1049}), "too short to tell")
	require.Zero(t, before.busy(ticks{}))
	for _, s := range []string{"", "cpu", "intr 1 2 3 4 5", "cpu 1 2 x 4 5"} {
		require.Zero(t, parseTicks(s), s)
	}
}

// A timer that is later than it may be counts in the latency, and in the lag as well.
func TestLagIsRecorded(t *testing.T) {
	l := newLoad(config{connections: 1, pipeline: 1, interval: timerSlack * 100, atOnce: 1})
	w := l.workers[0]
	w.due, w.ready = timerSlack, 0
	since, ok := w.mayStart(11 * timerSlack)
	require.True(t, ok)
	require.Equal(t, timerSlack, since)
	require.InDelta(t, float64(10*timerSlack), float64(w.shard.lag.Max()), float64(timerSlack)/10)
}
