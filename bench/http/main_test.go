package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each row of the tables is measured.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(&out, 1, 2, time.Millisecond))
	for row, want := range map[string]int{"| HTTP/1 |": 3, "| HTTP/2 |": 4, "| HTTP/3 |": 3} {
		require.Equal(t, want, strings.Count(out.String(), row), "%s", &out)
	}
}
