package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/bench/marked"
)

// The page shows the lowest of all rounds.
func TestPageTable(t *testing.T) {
	const row = "BenchmarkMessageWrite/size=125/lib="
	rep, err := parse(strings.NewReader(
		row + "wskit-2 1 9 ns/op\n" + row + "wskit-2 1 4 ns/op\n" + row + "wskit-websocket-2 1 8 ns/op\n" +
			row + "coder-2 1 16 ns/op\n" + row + "gws-2 1 5 ns/op\n" + row + "gws-2 1 25 ns/op\n" + row + "limit-2 1 2 ns/op\n" +
			"BenchmarkAlone/lib=wskit-2 1 3 ns/op\n"))
	require.NoError(t, err)
	table := pageTable(rep)
	require.Contains(t, table, "\n| MessageWrite size=125 | 2.00 ns | 4.00 ns | 8.00 ns | gws 5.00 ns | 0.80 |\n")
	require.Contains(t, table, "\n| Alone | – | 3.00 ns | – | – | – |\n")
	require.Contains(t, table, "in 2 rounds")
}

func TestRunUpdatesPage(t *testing.T) {
	page := filepath.Join(t.TempDir(), "performance.md")
	o := options{count: 1, input: fixture, page: page}
	require.Error(t, run(o, day, io.Discard, io.Discard), "no page")
	require.NoError(t, os.WriteFile(page, []byte(marked.Begin(pagePart)+"\n"+marked.End(pagePart)+"\n"), 0o600))
	require.NoError(t, run(o, day, io.Discard, io.Discard))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Contains(t, string(text), "2026-03-04")
	require.Contains(t, string(text), "| gobwas ")
}
