package bench

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is the result of a run, as --json prints and --save stores it. Times
// are in microseconds unless their name says otherwise.
type Result struct {
	URL      string    `json:"url"`
	Started  time.Time `json:"started"`
	Seconds  float64   `json:"seconds"` // duration of the measurement
	Settings Settings  `json:"settings"`

	Scripts    int64            `json:"scripts,omitempty"` // completed scripts
	Handshakes Handshakes       `json:"handshakes"`
	Messages   Messages         `json:"messages"`
	Bytes      Bytes            `json:"bytes"`
	Latency    Latency          `json:"latency"`
	Errors     map[string]int64 `json:"errors"`
	Generator  Generator        `json:"generator"`
	Timeline   []Point          `json:"timeline"`
	Crossed    []Crossed        `json:"crossed,omitempty"` // thresholds of --fail
}

// Settings are the flags that are relevant for a comparison.
type Settings struct {
	Mode        mode    `json:"mode,omitempty"`   // send or receive, with --send-only or --receive-only
	Script      string  `json:"script,omitempty"` // file with the steps of each connection
	Connections int     `json:"connections"`
	Size        string  `json:"size"`
	Binary      bool    `json:"binary"`
	Compression bool    `json:"compression"` // negotiated
	Pipeline    int     `json:"pipeline"`
	Rate        float64 `json:"rate"` // requested messages per second; 0: as fast as possible
}

// Handshakes describes how the connections were opened.
type Handshakes struct {
	Opened    int64   `json:"opened"`
	Failed    int64   `json:"failed"`
	PerSecond float64 `json:"per_second"`
	Latency   Latency `json:"latency"`
}

// Messages counts messages.
type Messages struct {
	Sent        int64   `json:"sent"`
	Received    int64   `json:"received"` // answers; with --send-only, messages that the server has received
	Lost        int64   `json:"lost"`     // sent, but not answered or received
	Wrong       int64   `json:"wrong"`    // answers with wrong content, with --verify
	Unsolicited int64   `json:"unsolicited"`
	Unsent      int64   `json:"unsent"`     // due by --rate but not sent, because answers were late
	PerSecond   float64 `json:"per_second"` // received messages per second
}

// Bytes counts bytes on the wire, including frame headers and excluding TLS.
type Bytes struct {
	Sent              int64   `json:"sent"`
	Received          int64   `json:"received"`
	SentPerSecond     float64 `json:"sent_per_second"`
	ReceivedPerSecond float64 `json:"received_per_second"`
}

// Generator reports whether the load generator was at its own limits.
type Generator struct {
	CPU    float64 `json:"cpu"`     // number of cores used
	Cores  int     `json:"cores"`   // number of cores available
	LagP99 float64 `json:"lag_p99"` // lateness of its timers, with a rate

	Machine float64  `json:"machine,omitempty"` // load of the machine's processors, 0 to 1; 0: unknown
	Limits  []string `json:"limits,omitempty"`  // limits of this side that the load has reached
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

// result returns the result of the load.
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
		return nil, fmt.Errorf("%s is not a saved result: make one with wskit bench --save", name)
	}
	return r, nil
}
