package wstest

import (
	"encoding/json"
	"io"
)

// sarifLog has the parts of SARIF 2.1.0 that a report needs.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool       sarifTool       `json:"tool"`
	Automation sarifAutomation `json:"automationDetails"`
	Results    []sarifResult   `json:"results"`
}

type sarifAutomation struct {
	ID string `json:"id"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name  string      `json:"name"`
	URI   string      `json:"informationUri"`
	Rules []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID    string    `json:"id"`
	Short sarifText `json:"shortDescription"`
	Full  sarifText `json:"fullDescription"`
	Help  sarifText `json:"help"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID       string            `json:"ruleId"`
	RuleIndex    int               `json:"ruleIndex"`
	Level        string            `json:"level"`
	Message      sarifText         `json:"message"`
	Locations    []sarifLocation   `json:"locations"`
	Fingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
}

// WriteSARIF writes the cases that are not strict as SARIF 2.1.0, the format of
// code scanning: failed cases as errors, tolerated ones as warnings, and a run
// for each agent. SARIF requires a line of source for each result, which cases
// do not have. WriteSARIF therefore names the first line of file, a path in the
// repository with slashes. Empty means "wskit-check".
func (r *Report) WriteSARIF(w io.Writer, file string) error {
	if file == "" {
		file = "wskit-check"
	}
	log := sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{}}
	for i := range r.Agents {
		log.Runs = append(log.Runs, r.Agents[i].sarif(file))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(log)
}

func (a *Agent) sarif(file string) sarifRun {
	run := sarifRun{Automation: sarifAutomation{"wskit-check/" + a.Direction + "/" + a.Name}, Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "wskit check", URI: "https://github.com/wskit/wskit", Rules: []sarifRule{}}
	for i := range a.Results {
		res := &a.Results[i]
		level := "error"
		switch res.Verdict {
		case Tolerated:
			level = "warning"
		case Failed:
		default:
			continue
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: res.ID, RuleIndex: len(run.Tool.Driver.Rules), Level: level, Message: sarifText{res.Section + ": " + res.reason()},
			Locations: []sarifLocation{{
				Physical: sarifPhysical{sarifArtifact{file}, sarifRegion{1}}, Logical: []sarifLogical{{res.ID}},
			}},
			Fingerprints: map[string]string{"wskitCase/v1": a.Direction + " " + res.ID},
		})
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: res.ID, Short: sarifText{res.ID}, Full: sarifText{res.Requirement},
			Help: sarifText{res.Section + ": " + res.Requirement + "\nWhat fails has this fault: " + res.Fault},
		})
	}
	return run
}

// reason returns the detail of a result that is not strict, or the fault of its
// case.
func (r *Result) reason() string {
	if r.Detail == "" {
		return r.Fault
	}
	return r.Detail
}
