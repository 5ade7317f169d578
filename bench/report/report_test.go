package main

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/bench/marked"
)

const fixture = "testdata/bench.txt"

var day = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// TestMain makes the test binary the program itself when it is told so.
func TestMain(m *testing.M) {
	if os.Getenv("REPORT_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

func parsed(t *testing.T) *report {
	t.Helper()
	f, err := os.Open(fixture)
	require.NoError(t, err)
	defer f.Close()
	rep, err := parse(f)
	require.NoError(t, err)
	rep.Date, rep.Go, rep.Command = "2026-03-04", "go1.26", "go run ./report"
	return rep
}

func TestParse(t *testing.T) {
	rep := parsed(t)
	require.Equal(t, "Example CPU (R) 9000 @ 3.0GHz", rep.CPU)
	require.Equal(t, "linux", rep.GOOS)
	require.Equal(t, []string{"wskit", "gobwas", "gorilla", "limit"}, rep.Libraries)
	require.Len(t, rep.Rows, 3)

	mask := rep.Rows[0]
	require.Equal(t, "Mask/size=125/offset=0", mask.Name)
	require.InDelta(t, 7, mask.By["wskit"].Nanoseconds, 1e-9, "the median, not the mean")
	require.InDelta(t, 5, mask.By["wskit"].Min, 1e-9)
	require.InDelta(t, 900, mask.By["wskit"].Max, 1e-9)
	require.Equal(t, 3, mask.By["wskit"].Samples)
	require.InDelta(t, 14, mask.By["gobwas"].Nanoseconds, 1e-9)
	require.InDelta(t, 0.5, mask.Ratio, 1e-9, "the limit is no library")

	http := rep.Rows[1]
	require.InDelta(t, 0.75, http.Ratio, 1e-9, "the best of two")
	require.InDelta(t, 8, http.By["gorilla"].Allocs, 1e-9)
	require.InDelta(t, 600, http.By["gorilla"].Bytes, 1e-9)
	require.InDelta(t, 1, http.By["gorilla"].Writes, 1e-9)

	require.Zero(t, rep.Rows[2].Ratio, "ours was not measured")
}

func TestParseRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":    "PASS\n",
		"no library": "BenchmarkMask/size=1-2 \t 10 \t 5.0 ns/op\n",
		"malformed":  "BenchmarkMask/lib=wskit-2 \t 10 \t 5.0\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(strings.NewReader(in))
			require.Error(t, err)
		})
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	require.NoError(t, writeTable(&b, parsed(t)))
	require.Regexp(t, `(?m)^work +ratio +wskit +gobwas +gorilla +limit$`, b.String())
	require.Regexp(t, `(?m)^Mask/size=125/offset=0 +0\.50 +7\.00 ns +14\.0 ns +- +2\.00 ns$`, b.String())
	require.Contains(t, b.String(), "2.00 µs 8a 1w")
	require.Contains(t, b.String(), "1.08 ms 1a 256w")
}

func TestRank(t *testing.T) {
	libs := []string{"limit", "gws", "wskit-helpers", "wskitten", "wskit", "coder"}
	slices.SortFunc(libs, byRank)
	require.Equal(t, []string{"wskit", "wskit-helpers", "coder", "gws", "wskitten", "limit"}, libs)
}

func TestRatioIsOfTheBestWay(t *testing.T) {
	rep, err := parse(strings.NewReader("BenchmarkX/lib=wskit-2 1 8 ns/op\nBenchmarkX/lib=wskit-helpers-2 1 4 ns/op\nBenchmarkX/lib=gobwas-2 1 16 ns/op\n"))
	require.NoError(t, err)
	require.InDelta(t, 0.25, rep.Rows[0].Ratio, 1e-9)
}

func TestDuration(t *testing.T) {
	for ns, want := range map[float64]string{
		0.2: "0.20 ns", 9.99: "9.99 ns", 9.996: "10.0 ns", 123.4: "123 ns", 999.6: "1.00 µs", 12_345: "12.3 µs", 2e6: "2.00 ms", 3e9: "3.00 s", 3e12: "3000 s",
	} {
		require.Equal(t, want, duration(ns))
	}
}

func TestMarkdown(t *testing.T) {
	require.Equal(t, `| work | wskit | gobwas | gorilla | ratio |
|---|---:|---:|---:|---:|
| Mask 125 B | 7.00 ns | 14.0 ns | – | 0.50 |
| Server handshake under net/http, no deadline | 1.50 µs | 3.00 µs | 2.00 µs | 0.75 |

Median time of an operation by the best way through each library (Conn: by package websocket), and the ratio of wskit to the best of the others, in memory without system calls; 2026-03-04, Example CPU (R) 9000 @ 3.0GHz, linux/amd64, go1.26. To repeat it: `+"`cd bench && go run ./report`\n", markdown(parsed(t)))
}

func TestMarkdownHasTheBestWay(t *testing.T) {
	rep, err := parse(strings.NewReader("BenchmarkHandshakeHTTP/deadline=0s/lib=wskit-2 1 8 ns/op\nBenchmarkHandshakeHTTP/deadline=0s/lib=wskit-helpers-2 1 4 ns/op\nBenchmarkHandshakeHTTP/deadline=0s/lib=gobwas-2 1 16 ns/op\n"))
	require.NoError(t, err)
	require.Contains(t, markdown(rep), "| work | wskit | gobwas | ratio |\n|---|---:|---:|---:|\n| Server handshake under net/http, no deadline | 4.00 ns | 16.0 ns | 0.25 |\n")
}

func TestMarkdownShowsTheConnectionBesideTheBestWay(t *testing.T) {
	const row = "BenchmarkMessageWrite/side=server/type=binary/size=125/lib="
	rep, err := parse(strings.NewReader(row + "wskit-2 1 4 ns/op\n" + row + "wskit-websocket-2 1 8 ns/op\n" + row + "coder-2 1 16 ns/op\n"))
	require.NoError(t, err)
	require.Contains(t, markdown(rep), "| Write 125 B | 4.00 ns | 16.0 ns | 0.25 |\n")
	require.Contains(t, markdown(rep), "| Write 125 B, Conn | 8.00 ns | 16.0 ns | 0.50 |\n")
}

func TestRunUpdatesReadmeAndKeepsResults(t *testing.T) {
	dir := t.TempDir()
	readme := filepath.Join(dir, "README.md")
	require.NoError(t, os.WriteFile(readme, []byte(marked.Begin(part)+"\n"+marked.End(part)+"\n"), 0o644))
	o := options{count: 1, benchtime: "1x", input: fixture, readme: readme, json: filepath.Join(dir, "results")}
	require.NoError(t, run(o, day, io.Discard, io.Discard))

	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	require.Contains(t, string(text), "| Mask 125 B | 7.00 ns |")
	require.Contains(t, string(text), "2026-03-04")

	kept, err := os.ReadFile(filepath.Join(dir, "results", "2026-03-04-example-cpu-r-9000-3-0ghz.json"))
	require.NoError(t, err)
	var rep report
	require.NoError(t, json.Unmarshal(kept, &rep))
	require.Len(t, rep.Rows, 3)
	require.InDelta(t, 7, rep.Rows[0].By["wskit"].Nanoseconds, 1e-9)
	require.NotContains(t, string(kept), dir)
}

func TestRunWithoutReadmeWritesNothing(t *testing.T) {
	o := options{count: 1, input: fixture, json: filepath.Join(t.TempDir(), "results")}
	require.NoError(t, run(o, day, io.Discard, io.Discard))
	_, err := os.Stat(o.json)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// A README without marks is found out before anything is measured: the input
// that would be read does not exist.
func TestMissingMarksExit1(t *testing.T) {
	readme := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(readme, []byte("# Title\n"), 0o644))
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-input", "missing", "-readme", readme)
	cmd.Env = append(os.Environ(), "REPORT_MAIN=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.True(t, errors.As(err, &exit))
	require.Equal(t, 1, exit.ExitCode())
	require.Contains(t, string(out), readme)
	require.Contains(t, string(out), marked.Begin(part))

	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	require.Equal(t, "# Title\n", string(text))
}

func TestMachine(t *testing.T) {
	require.Equal(t, "amd-epyc", machine("AMD EPYC"))
	require.Equal(t, "unknown", machine(""))
}
