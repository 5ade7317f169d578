package check

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/websocket/wstest"
)

func reportOf(direction string, verdicts map[string]wstest.Verdict) *wstest.Report {
	a := wstest.Agent{Name: "x", Direction: direction}
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		if v, ok := verdicts[id]; ok {
			a.Results = append(a.Results, wstest.Result{Case: wstest.Case{ID: id}, Verdict: v})
		}
	}
	return &wstest.Report{Schema: 1, Agents: []wstest.Agent{a}}
}

func TestBaseline(t *testing.T) {
	name := filepath.Join(t.TempDir(), "old.json")
	var b bytes.Buffer
	require.NoError(t, reportOf("server", map[string]wstest.Verdict{
		"a": wstest.Failed, "b": wstest.Failed, "c": wstest.Strict, "d": wstest.Tolerated,
	}).WriteJSON(&b))
	require.NoError(t, os.WriteFile(name, b.Bytes(), 0o600))
	known, err := readBaseline(name)
	require.NoError(t, err)

	for _, test := range []struct {
		now           map[string]wstest.Verdict
		all           bool
		worse, better string
	}{
		{map[string]wstest.Verdict{"a": wstest.Failed, "b": wstest.Failed, "c": wstest.Strict, "d": wstest.Tolerated}, true, "", ""},
		{map[string]wstest.Verdict{"a": wstest.Strict, "b": wstest.Tolerated, "c": wstest.Failed, "d": wstest.Failed, "e": wstest.Failed}, false, "c d e", "a b"},
		{map[string]wstest.Verdict{"a": wstest.Skipped, "c": wstest.Tolerated, "d": wstest.Strict}, false, "", ""},
		{map[string]wstest.Verdict{"a": wstest.Tolerated, "c": wstest.Tolerated, "d": wstest.Strict, "e": wstest.Tolerated}, true, "c e", "a d"},
	} {
		worse, better := known.compare(reportOf("server", test.now), test.all)
		require.Equal(t, test.worse, ids(worse))
		require.Equal(t, test.better, ids(better))
	}
	worse, _ := known.compare(reportOf("client", map[string]wstest.Verdict{"a": wstest.Failed}), false)
	require.Equal(t, "a", ids(worse), "it is another side's case")
}

func ids(list []change) string {
	var all []string
	for _, c := range list {
		all = append(all, c.id)
	}
	return strings.Join(all, " ")
}

func TestBaselineErrors(t *testing.T) {
	name := filepath.Join(t.TempDir(), "old.json")
	_, err := readBaseline(name)
	require.ErrorContains(t, err, "--baseline: open ")
	two := manyAgents(2)
	two.Schema = 1
	var b bytes.Buffer
	require.NoError(t, two.WriteJSON(&b))
	for text, want := range map[string]string{"": "not a JSON report", "[]": "not a JSON report", "{}": "not a JSON report", b.String(): "more than one server, gorilla/websocket and coder"} {
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		_, err := readBaseline(name)
		require.ErrorContains(t, err, want)
		require.Equal(t, exit.Usage, exit.Status(err))
	}
}
