package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// In the toy module, the functions with good tests have no survivor except
// changes that mean the same, and every change of Untested survives.
func TestSurvivors(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a test for each of 16 changes")
	}
	before, err := os.ReadFile("testdata/toy/toy.go")
	require.NoError(t, err)
	t.Chdir("testdata/toy")
	var out bytes.Buffer
	c := config{parallel: 2, timeout: 3 * time.Second, share: 97}
	err = c.run(t.Context(), &out, []string{"toy.go", "toy_test.go"})
	require.ErrorContains(t, err, "68.8% killed, expected at least 97%")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.ElementsMatch(t, []string{
		"toy.go:6: < -> <=", // equivalent
		"toy.go:9: > -> >=", // equivalent
		"toy.go:30: ok -> !(ok)",
		"toy.go:31: 1 -> 2",
		"toy.go:31: n = -> _ =",
	}, lines[:len(lines)-1])
	require.Contains(t, out.String(), "11 of 16 killed")
	after, err := os.ReadFile("toy.go")
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "the tree is not modified")
}

// A share that is reached is no error, and -match and -sample choose mutants.
func TestChosenMutants(t *testing.T) {
	t.Chdir("testdata/toy")
	var out bytes.Buffer
	c := config{parallel: 2, timeout: time.Minute, share: 100, match: `:17:`, sample: 3, seed: 7}
	require.NoError(t, c.run(t.Context(), &out, []string{"toy.go"}))
	require.Equal(t, "3 of 3 killed, 0 survived; 0 did not build\n", out.String())

	c.sample = 0
	all, err := c.mutants([]string{"toy.go"})
	require.NoError(t, err)
	var changes []string
	for _, m := range all {
		changes = append(changes, m.String())
	}
	require.Equal(t, []string{"toy.go:17: && -> ||", "toy.go:17: < -> <=", "toy.go:17: < -> >=", "toy.go:17: 3 -> 4"}, changes)
}

// What cannot work is reported, and never counted as killed.
func TestMutantErrors(t *testing.T) {
	t.Chdir("testdata/toy")
	for name, c := range map[string]struct {
		config config
		files  []string
		want   string
	}{
		"no such file":       {files: []string{"none.go"}, want: "no such file"},
		"nothing to change":  {files: []string{"toy_test.go"}, want: "nothing to change"},
		"a bad expression":   {config: config{match: "("}, files: []string{"toy.go"}, want: "missing closing )"},
		"failing other test": {config: config{also: "./absent", timeout: time.Minute}, files: []string{"toy.go"}, want: "fail without a change"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, c.config.run(t.Context(), new(bytes.Buffer), c.files), c.want)
		})
	}
}
