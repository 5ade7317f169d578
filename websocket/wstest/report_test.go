package wstest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
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

// Cases with one fault are a group, and in it those with one reason a
// paragraph.
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

// The fields that the schema of SARIF 2.1.0 and code scanning require.
func TestReportSARIF(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sampleReport().WriteSARIF(&b, "server/main.go"))
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID               string
						ShortDescription struct{ Text string }
					}
				}
			}
			AutomationDetails struct{ ID string }
			Results           []struct {
				RuleID, Level string
				RuleIndex     int
				Message       struct{ Text string }
				Locations     []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
				PartialFingerprints map[string]string
			}
		}
	}
	require.NoError(t, json.Unmarshal(b.Bytes(), &log))
	require.Equal(t, "2.1.0", log.Version)
	require.NotEmpty(t, log.Schema)
	require.Len(t, log.Runs, 2)
	for i, level := range []string{"error", "warning"} {
		run := log.Runs[i]
		require.Equal(t, "wskit check", run.Tool.Driver.Name)
		require.Len(t, run.Results, 1)
		res := run.Results[0]
		require.Equal(t, level, res.Level)
		require.Equal(t, run.Tool.Driver.Rules[res.RuleIndex].ID, res.RuleID)
		require.NotEmpty(t, run.Tool.Driver.Rules[0].ShortDescription.Text)
		require.NotEmpty(t, res.Message.Text)
		require.Equal(t, "server/main.go", res.Locations[0].PhysicalLocation.ArtifactLocation.URI)
		require.Equal(t, 1, res.Locations[0].PhysicalLocation.Region.StartLine)
		require.NotEmpty(t, res.PartialFingerprints)
	}
	require.Equal(t, "RFC 6455, 5.2: it </script> fails", log.Runs[0].Results[0].Message.Text)

	b.Reset()
	require.NoError(t, new(Report).WriteSARIF(&b, ""))
	require.Contains(t, b.String(), `"runs": []`, "the schema requires an array")
}

// The attributes that JUnit's readers require; counts are those of the
// elements.
func TestReportJUnit(t *testing.T) {
	var b bytes.Buffer
	r := sampleReport()
	r.Agents[0].Results[1].Wire = []Entry{{From: "peer", Text: "a\x00b", Data: "<>"}}
	require.NoError(t, r.WriteJUnit(&b))
	var all junitSuites
	require.NoError(t, xml.Unmarshal(b.Bytes(), &all))
	require.Equal(t, []int{4, 1, 0, 1}, []int{all.Tests, all.Failures, all.Errors, all.Skipped})
	require.Len(t, all.Suites, 2)
	s := all.Suites[0]
	require.Equal(t, "one </script><b> (server)", s.Name)
	require.Equal(t, []int{2, 1, 0, 0}, []int{s.Tests, s.Failures, s.Errors, s.Skipped})
	require.NotEmpty(t, s.Time)
	require.NotEmpty(t, s.Timestamp)
	require.Nil(t, s.Cases[0].Failure)
	c := s.Cases[1]
	require.Equal(t, "length/text/1", c.Name)
	require.Equal(t, "wskit.check.server.length", c.Class)
	require.Equal(t, "it </script> fails", c.Failure.Message)
	require.Equal(t, "RFC 6455, 5.2", c.Failure.Type)
	require.Contains(t, c.Failure.Text, "peer   a\ufffdb <>")
	require.Equal(t, "tolerated: so so", all.Suites[1].Cases[0].Output)
	require.NotNil(t, all.Suites[1].Cases[1].Skipped)
}

func TestReportBadge(t *testing.T) {
	for want, counts := range map[string]Counts{
		"7 of 7 strict": {Strict: 7, Skipped: 3},
		"7 of 8 strict": {Strict: 7, Tolerated: 1},
		"2 of 9 failed": {Strict: 7, Failed: 2},
		"not asked":     {Skipped: 2},
	} {
		var b bytes.Buffer
		require.NoError(t, (&Report{Agents: []Agent{{Counts: counts}}}).WriteBadge(&b))
		require.Contains(t, b.String(), "<title>RFC 6455: "+want+"</title>")
		require.NoError(t, xml.Unmarshal(b.Bytes(), new(struct{ XMLName xml.Name })))
		require.NotContains(t, b.String(), "https:")
	}
}
