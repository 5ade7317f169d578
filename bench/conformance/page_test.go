package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/bench/marked"
	"github.com/wskit/wskit/examples/conformance"
	"github.com/wskit/wskit/websocket/wstest"
)

func result(id string, v wstest.Verdict) wstest.Result {
	wire := make([]wstest.Entry, 20)
	for i := range wire {
		wire[i] = wstest.Entry{From: "peer", Data: strings.Repeat("ab", 64)}
	}
	return wstest.Result{Case: wstest.Case{ID: id}, Verdict: v, Detail: "what went wrong", Wire: wire}
}

func found(name, side string, results ...wstest.Result) *wstest.Agent {
	a := &wstest.Agent{Started: time.Date(2001, 2, 3, 4, 5, 6, 7, time.UTC), Name: name, Direction: side, Results: results}
	recount(a)
	return a
}

// oursOverTCP looks at whole texts, which is its one excuse.
func oursOverTCP() *conformance.Assembly { return &conformance.Servers(1)[0] }

func samplePage() *page {
	return &page{Limit: 5, Rows: []row{
		{found("ours", server,
			result("length/0", wstest.Strict), result("utf8/fail-fast/1", wstest.Tolerated), result("utf8/fail-fast/2", wstest.Tolerated),
		), "this tree", "s", oursOverTCP()},
		{found("ours too", server,
			result("length/0", wstest.Strict), result("utf8/fail-fast/1", wstest.Tolerated), result("utf8/fail-fast/2", wstest.Tolerated),
		), "this tree", "s", oursOverTCP()},
		{found("other", server,
			result("length/0", wstest.Failed), result("length/1", wstest.Strict), result("utf8/fail-fast/1", wstest.Skipped), result("utf8/2", wstest.Failed),
		), "v1", "t", nil},
		{found("other", client, result("length/0", wstest.Tolerated)), "v1", "t", nil},
	}}
}

func TestMarkdown(t *testing.T) {
	text := samplePage().markdown()
	servers, clients, ok := strings.Cut(text, "## Clients")
	require.True(t, ok)
	for _, want := range []string{
		"Run on 2001-02-03 with ",
		"| S1 | ours | this tree | s | 1 | 2 | 0 | 0 |\n",
		"| S3 | other | v1 | t | 1 | 0 | 2 | 1 |\n",
		"| area | S1 | S2 | S3 |\n|---|---:|---:|---:|\n",
		"| length | 1 | 1 | 1 / 0 / 1 / 0 |\n",
		"| utf8 | 0 / 2 / 0 / 0 | 0 / 2 / 0 / 0 | 0 / 0 / 1 / 1 |\n",
		"\nS1 ours: none.\n",
		"<summary>S3 other: 2</summary>\n\n`length/0`, `utf8/2`\n",
		"| S1, S2 | looks at the text of whole messages | `utf8/fail-fast/1`, `utf8/fail-fast/2` |\n",
	} {
		require.Contains(t, servers, want)
	}
	require.Contains(t, clients, "| length | 0 / 1 / 0 / 0 |\n")
	require.NotContains(t, clients, "Tolerated cases of wskit")
	p := samplePage()
	p.Rows[1].Started = p.Rows[1].Started.AddDate(0, 0, 2)
	require.Contains(t, p.markdown(), "Run on 2001-02-03 to 2001-02-05 with ")
	require.NotContains(t, text, "what went wrong", "the page has nothing but IDs")
}

func TestVerdict(t *testing.T) {
	p := samplePage()
	require.NoError(t, p.verdict(), "what others fail is no fault of ours")
	p.Rows[0].Results[0].Verdict = wstest.Tolerated
	require.ErrorContains(t, p.verdict(), "length/0 tolerated")
	p.Rows[0].Results[0].Verdict = wstest.Failed
	require.ErrorContains(t, p.verdict(), "length/0 failed")
}

func TestUpdate(t *testing.T) {
	folder := t.TempDir()
	require.Error(t, checkPage(folder), "there is no page")
	name := filepath.Join(folder, "conformance.md")
	require.NoError(t, os.WriteFile(name, []byte("a\n"+marked.Begin(part)+"\nold\n"+marked.End(part)+"\nz\n"), 0o644))
	require.NoError(t, checkPage(folder))
	for range 2 {
		require.NoError(t, samplePage().update(folder))
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), "a\n"+marked.Begin(part)+"\n\nRun on"))
		require.True(t, strings.HasSuffix(string(text), "\n\n"+marked.End(part)+"\nz\n"))
		require.NotContains(t, string(text), "old")
	}
	html, err := os.ReadFile(filepath.Join(folder, "conformance.html"))
	require.NoError(t, err)
	require.Contains(t, string(html), `"id":"length/1"`)
}

func TestCompact(t *testing.T) {
	r := samplePage().report()
	small := compact(r)
	for i, a := range small.Agents {
		for j, res := range a.Results {
			require.Len(t, r.Agents[i].Results[j].Wire, 20, "the report itself is changed")
			if res.Verdict != wstest.Failed {
				require.Empty(t, res.Wire)
				continue
			}
			require.Len(t, res.Wire, 5)
			require.Len(t, res.Wire[0].Data, 32)
		}
	}
}

func TestChoose(t *testing.T) {
	chosen, err := options{agents: "^server wskit: websocket$"}.choose()
	require.NoError(t, err)
	require.Equal(t, []string{"server wskit: websocket"}, chosen)
	_, err = options{agents: "nobody"}.choose()
	require.Error(t, err)
	_, err = options{agents: "("}.choose()
	require.Error(t, err)

	names := map[string]bool{}
	for _, a := range agents(1) {
		require.False(t, names[a.String()], a)
		names[a.String()] = true
		ways := 0
		for _, set := range []bool{a.command != nil, a.front != nil && a.side == server, a.serve != nil && a.side == server, a.dial != nil && a.side == client} {
			if set {
				ways++
			}
		}
		require.Equal(t, 1, ways, a)
	}
}

func TestEarlier(t *testing.T) {
	name := filepath.Join(t.TempDir(), "report.json")
	require.NoError(t, writeFile(name, samplePage().report().WriteJSON))
	got, err := options{input: name}.earlier()
	require.NoError(t, err)
	require.Equal(t, []string{"length/0", "utf8/2"}, failedIDs(got["server other"]))
	require.Empty(t, failedIDs(got["client other"]))
	_, err = options{input: name + "x"}.earlier()
	require.Error(t, err)
}
