package check

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/chromium"
	"github.com/wskit/wskit/websocket/wstest"
)

// manyAgents is a report on several servers, some with long names.
func manyAgents(n int) *wstest.Report {
	report := new(wstest.Report)
	verdicts := []wstest.Verdict{wstest.Strict, wstest.Tolerated, wstest.Failed, wstest.Skipped}
	names := []string{"gorilla/websocket", "coder", "wskit", "ws://a-long-host-name.example.com:8080/echo"}
	for i := range n {
		a := wstest.Agent{Name: names[i], Direction: "server", Started: time.Now()}
		for k, c := range wstest.ServerCases()[:40] {
			a.Results = append(a.Results, wstest.Result{Case: c, Verdict: verdicts[(k+i)%4], Detail: "why", Wire: []wstest.Entry{
				{From: "suite", Text: "a text", Data: "8185 00112233 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"},
			}})
		}
		a.Counts = wstest.Counts{Strict: 1285, Tolerated: 161, Failed: 161, Skipped: 161}
		report.Agents = append(report.Agents, a)
	}
	return report
}

// However many servers are compared, the report is readable on a phone: nothing has to be
// scrolled sideways. With WSKIT_SCREENSHOTS set to a directory it leaves pictures there.
func TestReportOnPhone(t *testing.T) {
	var b *chromium.Tab
	for _, agents := range []int{1, 2, 4} {
		var page bytes.Buffer
		require.NoError(t, manyAgents(agents).WriteHTML(&page))
		file := filepath.Join(t.TempDir(), "report.html")
		require.NoError(t, os.WriteFile(file, page.Bytes(), 0o666))
		if b == nil {
			b = chromium.Open(t, "file://"+file)
		} else {
			b.Go("file://" + file)
		}
		for _, colors := range []string{"light", "dark"} {
			b.Screen(360, 740, colors)
			b.Until(`innerWidth === 360 && document.querySelectorAll("tr.case").length === 40`)
			if colors == "light" {
				b.Click("tr.case td")
				b.Until(`document.querySelector("tr.open").innerText.includes("8185 00112233")`)
			}
			var wide []string
			b.Eval(`[document.documentElement, ...document.querySelectorAll(".scroll")].filter(e => e.scrollWidth > e.clientWidth)
				.map(e => e.tagName + " " + e.innerText.slice(0, 40))`, &wide)
			require.Empty(t, wide, "%d agents", agents)
			if dir := os.Getenv("WSKIT_SCREENSHOTS"); dir != "" {
				name := filepath.Join(dir, "report-"+strconv.Itoa(agents)+"-"+colors+".png")
				require.NoError(t, os.WriteFile(name, b.Screenshot(), 0o666))
			}
		}
	}
	require.Empty(t, b.Faults)
}
