package bench

import (
	"encoding/json"
	"io"
	"time"
)

// lineTime is the time between the lines of --json-lines.
const lineTime = time.Second

// Line is a line of --json-lines during the load. Counts are totals of the
// measurement; rate and latencies are those since the previous line.
type Line struct {
	Type     string `json:"type"` // progress
	Point           // at, open, per_second, p50, p99
	Sent     int64  `json:"sent"`
	Received int64  `json:"received"`
	Errors   int64  `json:"errors"`
}

// finalLine is the last line.
type finalLine struct {
	Type string `json:"type"` // result
	*Result
}

// newLines returns a function that writes a line for each progress report.
func newLines(w io.Writer) func(progress) {
	encoder := json.NewEncoder(w)
	return func(p progress) {
		line := Line{Type: "progress", Point: p.point, Sent: p.sent, Received: p.received, Errors: p.errors}
		line.At = p.elapsed.Seconds()
		encoder.Encode(line) // a broken pipe ends the program, and other errors show when the result is written
	}
}
