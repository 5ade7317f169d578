package wstest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sampleReport() *Report {
	o := &Options{Agent: "one </script><b>"}
	c := Case{ID: "length/text/0", Section: "RFC 6455, 5.2", Requirement: "r", Fault: "f"}
	d := c
	d.ID = "length/text/1"
	r := newReport(Server, "ws://x/", o, time.Now(), []Result{
		{Case: c, Verdict: Strict, Wire: []Entry{{From: "peer", Text: "<i>", Data: "00"}}},
		{Case: d, Verdict: Failed, Detail: "it </script> fails"},
	})
	r.Merge(newReport(Client, "", &Options{}, time.Now(), []Result{{Case: c, Verdict: Tolerated, Detail: "so so"}, {Case: d, Verdict: Skipped}}))
	return r
}

func TestReportJSON(t *testing.T) {
	r := sampleReport()
	var b bytes.Buffer
	require.NoError(t, r.WriteJSON(&b))
	require.Contains(t, b.String(), `"verdict": "failed"`)
	again, err := ReadReport(&b)
	require.NoError(t, err)
	require.Equal(t, r.Agents[0].Counts, again.Agents[0].Counts)
	require.Equal(t, r.Agents[0].Results[0].Wire, again.Agents[0].Results[0].Wire)
	require.Equal(t, Failed, again.Agents[0].Results[1].Verdict)
	require.Equal(t, 1, again.Failed())

	_, err = ReadReport(strings.NewReader(`{"agents":[{"results":[{"verdict":"great"}]}]}`))
	require.Error(t, err)
}

func TestReportText(t *testing.T) {
	var b strings.Builder
	require.NoError(t, sampleReport().WriteText(&b))
	require.Regexp(t, `length +1 +0 +1 +0`, b.String())
	require.Contains(t, b.String(), "failed     length/text/1: it </script> fails\n")
	require.Contains(t, b.String(), "tolerated  length/text/0: so so\n")
}

// Cases with one fault are a group, and in it those with one reason a paragraph.
func TestReportTextGroups(t *testing.T) {
	var results []Result
	for i, detail := range []string{"no answer", "no answer", "an answer", "no answer"} {
		c := Case{ID: "length/text/" + strings.Repeat("9", 20+i), Fault: "cannot count"}
		results = append(results, Result{Case: c, Verdict: Failed, Detail: detail})
	}
	results = append(results, Result{Case: Case{ID: "ping/x", Fault: "cannot count"}, Verdict: Tolerated, Detail: "late"})
	var b strings.Builder
	require.NoError(t, newReport(Server, "ws://x/", &Options{}, time.Now(), results).WriteText(&b))
	_, list, _ := strings.Cut(b.String(), "total")
	_, list, _ = strings.Cut(list, "\n\n")
	require.Equal(t, ""+
		"failed     4 cases: cannot count\n"+
		"             length/text/99999999999999999999, length/text/999999999999999999999,\n"+
		"             length/text/99999999999999999999999: no answer\n"+
		"             length/text/9999999999999999999999: an answer\n"+
		"tolerated  ping/x: late\n\n", list)
}

func TestWireLogKeepsBothEnds(t *testing.T) {
	for _, n := range []int{1, wireFirst, wireFirst + wireLast, wireFirst + wireLast + 1, wireFirst + 3*wireLast + 7} {
		l := &wireLog{start: time.Now()}
		for i := range n {
			l.note("%d", i)
		}
		var want []string
		for i := range n {
			switch kept := i < wireFirst || i >= n-wireLast; {
			case kept:
				want = append(want, strconv.Itoa(i))
			case i == wireFirst:
				want = append(want, fmt.Sprintf("%d entries are left out", n-wireFirst-wireLast))
			}
		}
		var got []string
		for _, e := range l.all() {
			got = append(got, e.Text)
		}
		require.Equal(t, want, got)
	}
}

func TestReportHTML(t *testing.T) {
	var b strings.Builder
	require.NoError(t, sampleReport().WriteHTML(&b))
	page := b.String()
	require.Equal(t, 1, strings.Count(page, "</script>"), "the data ends the script element")
	require.NotContains(t, page, "<b>")
	for _, external := range []string{"http://", "https://", "src=", "href=", "@import", "url("} {
		require.NotContains(t, page, external)
	}
	require.Equal(t, 1, strings.Count(page, `"id":"length/text/0"`))
	require.Contains(t, page, `"verdict":"tolerated"`)
}

func TestVerdictNames(t *testing.T) {
	for v := Skipped; v <= Failed; v++ {
		b, err := v.MarshalText()
		require.NoError(t, err)
		var again Verdict
		require.NoError(t, again.UnmarshalText(b))
		require.Equal(t, v, again)
	}
	require.Equal(t, "unknown", Verdict(9).String())
}
