package peertext

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCut(t *testing.T) {
	for _, c := range []struct{ in, out string }{
		{"", ""},
		{strings.Repeat("a", Max), strings.Repeat("a", Max)},
		{strings.Repeat("a", Max+1), strings.Repeat("a", Max) + "..."},
		{strings.Repeat("a", Max-1) + "é", strings.Repeat("a", Max-1) + "..."},
		{strings.Repeat("a", Max-2) + "éb", strings.Repeat("a", Max-2) + "é..."},
		{strings.Repeat("\x80", 1<<20), strings.Repeat("\x80", Max-4) + "..."},
	} {
		require.Equal(t, c.out, Cut(c.in))
		require.Equal(t, c.out, Cut([]byte(c.in)))
	}
}
