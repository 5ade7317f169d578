package wstest

import (
	"encoding/json"
	"io"
	"time"
)

// Report is the result of one or more runs. The tags of the types define its
// JSON form: times are in nanoseconds, and verdicts are names.
type Report struct {
	Schema int     `json:"schema"` // 1
	Agents []Agent `json:"agents"`
}

// Agent is the result of one implementation in one role.
type Agent struct {
	Name      string        `json:"name"`
	Direction string        `json:"direction"` // "server" or "client"
	Started   time.Time     `json:"started"`
	Duration  time.Duration `json:"ns"`
	Counts    Counts        `json:"counts"`
	Results   []Result      `json:"results"` // in the order of Cases
}

// Counts is the number of cases with each verdict.
type Counts struct {
	Strict    int `json:"strict"`
	Tolerated int `json:"tolerated"`
	Failed    int `json:"failed"`
	Skipped   int `json:"skipped"`
}

func newReport(d Direction, url string, o *Options, start time.Time, results []Result) *Report {
	a := Agent{
		Name: o.Agent, Direction: d.String(), Started: start.UTC(), Duration: time.Since(start),
		Counts: count(results), Results: results,
	}
	if a.Name == "" {
		a.Name = url
	}
	if a.Name == "" {
		a.Name = a.Direction
	}
	return &Report{Schema: 1, Agents: []Agent{a}}
}

func count(results []Result) (c Counts) {
	for i := range results {
		switch results[i].Verdict {
		case Strict:
			c.Strict++
		case Tolerated:
			c.Tolerated++
		case Failed:
			c.Failed++
		default:
			c.Skipped++
		}
	}
	return c
}

// Merge adds the agents of others to r.
func (r *Report) Merge(others ...*Report) {
	for _, o := range others {
		r.Agents = append(r.Agents, o.Agents...)
	}
}

// Failed returns the number of failed cases of all agents.
func (r *Report) Failed() (n int) {
	for _, a := range r.Agents {
		n += a.Counts.Failed
	}
	return n
}

// WriteJSON writes the report with all wire logs.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// ReadReport reads a report written by WriteJSON.
func ReadReport(rd io.Reader) (*Report, error) {
	r := new(Report)
	if err := json.NewDecoder(rd).Decode(r); err != nil {
		return nil, err
	}
	return r, nil
}
