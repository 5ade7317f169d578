//go:build unix

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func measured(name string, shares ...float64) *target {
	ones := make([]float64, len(shares))
	for i := range ones {
		ones[i] = 1
	}
	return &target{name: name, cpu: shares, wall: ones, load: ones, shares: shares}
}

// A ratio whose spread is larger than the difference is not printed.
func TestReport(t *testing.T) {
	o := options{conns: 2, batch: 1, cores: 1, rounds: 3, messages: 10, base: "tcp"}
	var out strings.Builder
	require.NoError(t, o.report(&out, []*target{
		measured("tcp", 0.98, 1, 1.02),
		measured("near", 0.95, 0.97, 1.01),
		measured("far", 0.49, 0.5, 0.51),
	}))
	lines := strings.Split(out.String(), "\n")
	require.Contains(t, lines[1], "noise: tcp against itself varies by ±2.0 %")
	require.Contains(t, lines[3], "level ±2.0%")
	require.Contains(t, lines[4], "level ±3.1%")
	require.NotContains(t, lines[4], " 0.970 ±")
	require.Contains(t, lines[5], "0.500 ±2.0%")
}

func TestCheck(t *testing.T) {
	good := options{conns: 1, batch: 1, cores: 1, rounds: 1, messages: 1, base: "gws"}
	good.Size = mostSize
	require.NoError(t, good.check())
	for _, c := range []struct {
		change func(*options)
		text   string
	}{
		{func(o *options) { o.Size = mostSize + 1 }, "-size is 1048577, want 1 to 1048576"},
		{func(o *options) { o.Deflate, o.Size = true, 511 }, "-size is 511, want 512 to 1048576"},
		{func(o *options) { o.conns = 0 }, "-conns is 0"},
		{func(o *options) { o.batch = -1 }, "-pipeline is -1"},
		{func(o *options) { o.cores = 1 << 20 }, "-cores is"},
		{func(o *options) { o.rounds = 0 }, "-rounds is 0"},
		{func(o *options) { o.messages = 0 }, "-messages is 0"},
		{func(o *options) { o.base = "nobody" }, `-base: unknown library "nobody"`},
		{func(o *options) { o.Deflate, o.base = true, "wskit-helpers" }, "-base: wskit-helpers does not support these options"},
	} {
		o := good
		c.change(&o)
		require.ErrorContains(t, o.check(), c.text)
	}
}
