// Package wsprometheus exports the counters of WebSocket connections to
// Prometheus.
//
// Connections that share a [websocket.Stats] form one series. A label on each
// Collector distinguishes several of them:
//
//	chat := new(websocket.Stats)
//	prometheus.MustRegister(wsprometheus.NewCollector(chat, &wsprometheus.Options{
//		Labels: prometheus.Labels{"endpoint": "chat"},
//	}))
//	websocket.Accept(w, r, &websocket.AcceptOptions{
//		ConnOptions: websocket.ConnOptions{Stats: chat},
//	})
//
// The counters are read when Prometheus scrapes them, so a Collector adds no
// cost to a message.
package wsprometheus

import (
	"cmp"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wskit/wskit/websocket"
)

// DefaultNamespace is the default namespace of the metrics.
const DefaultNamespace = "websocket"

// Options are the options of [NewCollector]. The zero value is ready to use.
type Options struct {
	// Namespace is the first word of the names. If empty, it is
	// [DefaultNamespace].
	Namespace string

	// Labels are added to all metrics.
	Labels prometheus.Labels

	// CloseCodes are the close codes from 3000 on that have their own series.
	// All other codes from 3000 on are counted as "3xxx" or "4xxx", so that a
	// peer cannot create thousands of series.
	CloseCodes []websocket.StatusCode
}

// Collector is a [prometheus.Collector] of the counters of a [websocket.Stats].
// It is safe for concurrent use.
type Collector struct {
	stats *websocket.Stats
	codes []websocket.StatusCode

	open, opened, refused     *prometheus.Desc
	handshakes, lifetimes     *prometheus.Desc
	messages, bytes, wire     *prometheus.Desc
	pings, pongs, closeFrames *prometheus.Desc
}

// NewCollector returns a Collector of stats. It copies opts, which may be nil.
func NewCollector(stats *websocket.Stats, opts *Options) *Collector {
	if opts == nil {
		opts = new(Options)
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		name = prometheus.BuildFQName(cmp.Or(opts.Namespace, DefaultNamespace), "", name)
		return prometheus.NewDesc(name, help, labels, opts.Labels)
	}
	return &Collector{
		stats:       stats,
		codes:       slices.Clone(opts.CloseCodes),
		open:        desc("connections", "Connections that are open."),
		opened:      desc("connections_opened_total", "Connections that were opened."),
		refused:     desc("handshakes_refused_total", "Handshakes that failed, by HTTP status; 0 without an answer.", "status"),
		handshakes:  desc("handshake_duration_seconds", "Duration of handshakes that opened a connection."),
		lifetimes:   desc("connection_duration_seconds", "Duration of connections that have been closed."),
		messages:    desc("messages_total", "Messages.", "direction"),
		bytes:       desc("message_bytes_total", "Bytes of messages, before compression.", "direction"),
		wire:        desc("wire_bytes_total", "Bytes of messages, after compression.", "direction"),
		pings:       desc("pings_total", "Pings.", "direction"),
		pongs:       desc("pongs_total", "Pongs.", "direction"),
		closeFrames: desc("close_frames_total", "Close frames, by code; 1005 without one.", "direction", "code"),
	}
}

// Describe sends the descriptions of all metrics to ch.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.open, c.opened, c.refused, c.handshakes, c.lifetimes,
		c.messages, c.bytes, c.wire, c.pings, c.pongs, c.closeFrames} {
		ch <- d
	}
}

// Collect sends the current values of the counters to ch.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	both := func(d *prometheus.Desc, received, sent int64) {
		count(d, received, "received")
		count(d, sent, "sent")
	}
	s := c.stats
	ch <- prometheus.MustNewConstMetric(c.open, prometheus.GaugeValue, float64(s.Open.Load()))
	count(c.opened, s.Opened.Load())
	both(c.messages, s.MessagesRead.Load(), s.MessagesWritten.Load())
	both(c.bytes, s.BytesRead.Load(), s.BytesWritten.Load())
	both(c.wire, s.WireBytesRead.Load(), s.WireBytesWritten.Load())
	both(c.pings, s.PingsRead.Load(), s.PingsWritten.Load())
	both(c.pongs, s.PongsRead.Load(), s.PongsWritten.Load())
	for status, n := range grouped(s.AllRefused(), statusLabel) {
		count(c.refused, n, status)
	}
	for code, n := range grouped(s.AllClosesRead(), c.codeLabel) {
		count(c.closeFrames, n, "received", code)
	}
	for code, n := range grouped(s.AllClosesWritten(), c.codeLabel) {
		count(c.closeFrames, n, "sent", code)
	}
	ch <- histogram(c.handshakes, &s.Handshakes, time.Millisecond, 20*time.Second)
	ch <- histogram(c.lifetimes, &s.Lifetimes, time.Second, 40*time.Hour)
}

// histogram returns d as a histogram. It includes the bounds from least to
// most.
func histogram(desc *prometheus.Desc, d *websocket.Durations, least, most time.Duration) prometheus.Metric {
	buckets := make(map[float64]uint64)
	for bound, n := range d.Buckets() {
		if least <= bound && bound <= most {
			buckets[bound.Seconds()] = uint64(n)
		}
	}
	return prometheus.MustNewConstHistogram(desc, uint64(d.Count()), d.Sum().Seconds(), buckets)
}

// grouped returns the sums of the counts that have the same label.
func grouped[K ~int](counts iter.Seq2[K, int64], label func(K) string) map[string]int64 {
	sums := make(map[string]int64)
	for kind, n := range counts {
		sums[label(kind)] += n
	}
	return sums
}

// codeLabel returns the label of a close code.
func (c *Collector) codeLabel(code websocket.StatusCode) string {
	if code >= 3000 && !slices.Contains(c.codes, code) {
		return fmt.Sprintf("%dxxx", code/1000)
	}
	return strconv.Itoa(int(code))
}

// statusLabel returns the label of an HTTP status. Statuses without a standard
// text share a label such as "4xx", because the server of a Dial can choose
// any.
func statusLabel(status int) string {
	if status != 0 && http.StatusText(status) == "" {
		return fmt.Sprintf("%dxx", status/100)
	}
	return strconv.Itoa(status)
}
