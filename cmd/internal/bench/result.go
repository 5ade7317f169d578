package bench

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a run has measured. It is what --json prints and --save keeps. Times
// are in microseconds unless their name says otherwise.
type Result struct {
	URL      string    `json:"url"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"` // that were measured
	Settings Settings  `json:"settings"`

	Scripts    int64            `json:"scripts,omitempty"` // that came to their end
	Handshakes Handshakes       `json:"handshakes"`
	Messages   Messages         `json:"messages"`
	Bytes      Bytes            `json:"bytes"`
	Latency    Latency          `json:"latency"`
	Errors     map[string]int64 `json:"errors"`
	Generator  Generator        `json:"generator"`
	Timeline   []Point          `json:"timeline"`
	Crossed    []Crossed        `json:"crossed,omitempty"` // thresholds of --fail
}

// Settings are the flags that matter for a comparison.
type Settings struct {
	Mode        mode    `json:"mode,omitempty"`   // send or receive, if it does only that
	Script      string  `json:"script,omitempty"` // file with the steps of each connection
	Connections int     `json:"connections"`
	Size        string  `json:"size"`
	Binary      bool    `json:"binary"`
	Compression bool    `json:"compression"` // agreed on
	Pipeline    int     `json:"pipeline"`
	Rate        float64 `json:"rate"` // messages a second that were asked for, 0: as fast as it goes
}

// Handshakes is how the connections were opened.
type Handshakes struct {
	Opened    int64   `json:"opened"`
	Failed    int64   `json:"failed"`
	PerSecond float64 `json:"per_second"`
	Latency   Latency `json:"latency"`
}

// Messages counts messages.
type Messages struct {
	Sent        int64   `json:"sent"`
	Received    int64   `json:"received"` // answers; with --send-only messages that the server has taken
	Lost        int64   `json:"lost"`     // sent, and never answered or taken
	Wrong       int64   `json:"wrong"`    // answers with other content, if --verify
	Unsolicited int64   `json:"unsolicited"`
	Unsent      int64   `json:"unsent"`     // due by --rate, and not sent: the server was not done with those before
	PerSecond   float64 `json:"per_second"` // of those received
}

// Bytes counts bytes on the wire, with frame headers and without TLS.
type Bytes struct {
	Sent              int64   `json:"sent"`
	Received          int64   `json:"received"`
	SentPerSecond     float64 `json:"sent_per_second"`
	ReceivedPerSecond float64 `json:"received_per_second"`
}

// Generator tells whether the load generator was at its own limits.
type Generator struct {
	CPU    float64 `json:"cpu"`     // cores that it used
	Cores  int     `json:"cores"`   // that it may use
	LagP99 float64 `json:"lag_p99"` // how late its timers were, when a rate is set

	Machine float64  `json:"machine,omitempty"` // share of the machine's processors that worked, 0 to 1; 0: unknown
	Limits  []string `json:"limits,omitempty"`  // of this side that the load has reached
}

// Point is a slice of the run.
type Point struct {
	At        float64 `json:"at"` // seconds
	Open      int     `json:"open"`
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
}

// Latency is a distribution.
type Latency struct {
	Count     int64   `json:"count"`
	Min       float64 `json:"min"`
	Mean      float64 `json:"mean"`
	Deviation float64 `json:"deviation"`
	P50       float64 `json:"p50"`
	P75       float64 `json:"p75"`
	P90       float64 `json:"p90"`
	P99       float64 `json:"p99"`
	P999      float64 `json:"p99.9"`
	P9999     float64 `json:"p99.99"`
	Max       float64 `json:"max"`

	// Histogram is the whole distribution in nanoseconds, in the compressed format of
	// HdrHistogram, version 2, in base64.
	Histogram string `json:"histogram,omitempty"`
}

func micros(nanos int64) float64 { return float64(nanos) / 1000 }

func newLatency(h *hdrhistogram.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	at := func(q float64) float64 { return micros(h.ValueAtQuantile(q)) }
	l := Latency{
		Count: h.TotalCount(),
		Min:   micros(h.Min()), Mean: h.Mean() / 1000, Deviation: h.StdDev() / 1000,
		P50: at(50), P75: at(75), P90: at(90), P99: at(99), P999: at(99.9), P9999: at(99.99), Max: micros(h.Max()),
	}
	if p, err := h.EncodeV2(); err == nil {
		l.Histogram = base64.StdEncoding.EncodeToString(p)
	}
	return l
}

// distribution decodes Histogram.
func (l Latency) distribution() (*hdrhistogram.Histogram, error) {
	if l.Histogram == "" {
		return newHistogram(), nil
	}
	p, err := base64.StdEncoding.DecodeString(l.Histogram)
	if err != nil {
		return nil, err
	}
	return hdrhistogram.Decode(p)
}

// result puts together what the load has measured.
func (l *load) result(s span) *Result {
	r, o := l.recorder, &l.opener
	seconds := max((s.to - s.from).Seconds(), 1e-9)
	res := &Result{
		Seconds: seconds,
		Handshakes: Handshakes{
			Opened: o.opened, Failed: o.failed, Latency: newLatency(o.latency),
			PerSecond: float64(o.opened) / max((o.last-o.first).Seconds(), 1e-9),
		},
		Messages: Messages{
			Sent: r.total.sent, Received: r.total.received, Lost: l.missed, Wrong: r.total.wrong,
			Unsolicited: r.total.unsolicited, Unsent: l.unsent, PerSecond: float64(r.total.received) / seconds,
		},
		Bytes: Bytes{
			Sent: r.total.bytesSent, Received: r.total.bytesReceived,
			SentPerSecond: float64(r.total.bytesSent) / seconds, ReceivedPerSecond: float64(r.total.bytesReceived) / seconds,
		},
		Scripts:  r.total.scripts,
		Latency:  newLatency(r.latency),
		Errors:   l.errors,
		Timeline: r.timeline,
	}
	if r.lag.TotalCount() > 0 {
		res.Generator.LagP99 = micros(r.lag.ValueAtQuantile(99))
	}
	for i := range res.Timeline {
		res.Timeline[i].At -= s.from.Seconds()
	}
	return res
}

func (r *Result) save(name string) error {
	p, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(p, '\n'), 0o666)
}

// readResult reads a saved result.
func readResult(name string) (*Result, error) {
	p, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := new(Result)
	if err := json.Unmarshal(p, r); err != nil || r.URL == "" {
		return nil, fmt.Errorf("%s is no saved result: make one with wskit bench --save", name)
	}
	return r, nil
}
