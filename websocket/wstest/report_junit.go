package wstest

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
	Skipped *junitSkipped `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

type junitSkipped struct {
	Message string `xml:"message,attr"`
}

// WriteJUnit writes the report in the XML format of JUnit, which CI systems
// read: a test suite for each agent and a test case for each case. A tolerated
// case passes, with the reason as its output. The text of a failure contains
// the wire log.
func (r *Report) WriteJUnit(w io.Writer) error {
	all := junitSuites{}
	var total time.Duration
	for i := range r.Agents {
		s := r.Agents[i].junit()
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Skipped += s.Skipped
		total += r.Agents[i].Duration
		all.Suites = append(all.Suites, s)
	}
	all.Time = seconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func (a *Agent) junit() junitSuite {
	s := junitSuite{
		Name: a.Name + " (" + a.Direction + ")", Tests: len(a.Results), Time: seconds(a.Duration),
		Timestamp: a.Started.UTC().Format("2006-01-02T15:04:05"),
	}
	for i := range a.Results {
		res := &a.Results[i]
		area, _, _ := strings.Cut(res.ID, "/")
		c := junitCase{Name: res.ID, Class: "wskit.check." + a.Direction + "." + area, Time: seconds(res.Duration)}
		switch res.Verdict {
		case Failed:
			s.Failures++
			c.Failure = &junitFailure{Message: res.reason(), Type: res.Section, Text: res.log()}
		case Skipped:
			s.Skipped++
			c.Skipped = &junitSkipped{res.Detail}
		case Tolerated:
			c.Output = "tolerated: " + res.reason()
		}
		s.Cases = append(s.Cases, c)
	}
	return s
}

// log returns the text of a failure: the requirement and the wire log.
func (r *Result) log() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Section, r.Requirement)
	for _, e := range r.Wire {
		fmt.Fprintf(&b, "%10s  %-5s  %s %s\n", e.At.Round(time.Microsecond), e.From, e.Text, e.Data)
	}
	return b.String()
}
