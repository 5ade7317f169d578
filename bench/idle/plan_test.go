//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/bench/echoserver"
	"github.com/wskit/wskit/bench/marked"
)

// TestMain makes the test binary the server that a measurement starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == echoserver.Child {
		main()
	}
	os.Exit(m.Run())
}

func TestPlan(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	day := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	require.Error(t, plan(page, 2, day))
	require.NoError(t, os.WriteFile(page, []byte(marked.Begin(part)+"\n"+marked.End(part)+"\n"), 0o644))
	require.NoError(t, plan(page, 2, day))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, s := range servers {
		require.Contains(t, string(text), "| "+s.title+" |")
	}
	require.Contains(t, string(text), "2026-03-04")
	require.Contains(t, string(text), "To repeat it: `")
}

func TestSize(t *testing.T) {
	require.Equal(t, "460 kB", size(460_000))
	require.Equal(t, "4.6 MB", size(4_600_000))
	require.Equal(t, "460 MB", size(460_000_000))
	require.Equal(t, "4.6 GB", size(4_600_000_000))
}
