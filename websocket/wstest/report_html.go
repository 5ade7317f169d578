package wstest

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"io"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Parse(reportPage))

// WriteHTML writes the report as one self-contained page: the agents side by
// side, with the requirement of each case and the wire log of each agent.
func (r *Report) WriteHTML(w io.Writer) error {
	data, err := json.Marshal(compact(r))
	if err != nil {
		return err
	}
	// encoding/json escapes "<", so the JSON cannot end the script element.
	return reportTemplate.Execute(w, template.JS(data))
}

// page is the report in the form for the page: each case once, for all agents.
type page struct {
	Agents []pageAgent `json:"agents"`
	Cases  []pageCase  `json:"cases"`
}

type pageAgent struct {
	Name      string `json:"name"`
	Direction string `json:"direction"`
	Started   string `json:"started"`
	Seconds   string `json:"seconds"`
	Counts    Counts `json:"counts"`
}

type pageCase struct {
	Case
	Results []*pageResult `json:"results"` // for each agent; null if it was not run
}

type pageResult struct {
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail,omitempty"`
	Wire    []Entry `json:"wire,omitempty"`
}

func compact(r *Report) page {
	var p page
	at := map[string]int{}
	for i, a := range r.Agents {
		p.Agents = append(p.Agents, pageAgent{
			a.Name, a.Direction, a.Started.Format("2006-01-02 15:04"), a.Duration.Round(1e7).String(), a.Counts,
		})
		for _, res := range a.Results {
			n, ok := at[res.ID]
			if !ok {
				n = len(p.Cases)
				at[res.ID] = n
				p.Cases = append(p.Cases, pageCase{Case: res.Case, Results: make([]*pageResult, len(r.Agents))})
			}
			p.Cases[n].Results[i] = &pageResult{res.Verdict, res.Detail, res.Wire}
		}
	}
	return p
}
