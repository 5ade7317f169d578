package serve

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// metrics are the metrics for Prometheus.
type metrics struct {
	registry                  *prometheus.Registry
	opened, refused, closed   *prometheus.CounterVec
	messages, bytes, payloads *prometheus.CounterVec
	control, slow             *prometheus.CounterVec
}

func newMetrics(group *websocket.Group) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "wskit", Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	m.opened = counter("connections_total", "Connections that were opened.", "endpoint")
	m.refused = counter("handshakes_refused_total", "Handshakes that were refused.", "endpoint")
	m.closed = counter("closed_total", "Connections that were closed, by the code of the client's close frame; 1006 without one.", "endpoint", "code")
	m.messages = counter("messages_total", "Messages, by direction and type.", "endpoint", "direction", "type")
	m.bytes = counter("message_bytes_total", "Bytes of messages, before compression.", "endpoint", "direction")
	m.payloads = counter("wire_bytes_total", "Bytes of messages, after compression.", "endpoint", "direction")
	m.control = counter("control_frames_total", "Pings, pongs and close frames.", "endpoint", "direction", "opcode")
	m.slow = counter("slow_members_total", "Members of /chat, /broadcast and /hub that were closed because their queue was full: see --max-backlog.", "endpoint")
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "wskit", Name: "connections", Help: "Connections that are open."},
		func() float64 { return float64(group.Len()) })
	m.registry.MustRegister(open, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// hooks returns hooks that count events of a connection and report them to its
// watchers.
func (m *metrics) hooks(endpoint string, watchers *watchers) *websocket.Hooks {
	message := func(direction string) func(*websocket.Conn, websocket.MessageType, int, int) {
		texts := m.messages.WithLabelValues(endpoint, direction, "text")
		binaries := m.messages.WithLabelValues(endpoint, direction, "binary")
		bytes, payloads := m.bytes.WithLabelValues(endpoint, direction), m.payloads.WithLabelValues(endpoint, direction)
		var number atomic.Int64
		return func(_ *websocket.Conn, typ websocket.MessageType, size, wire int) {
			opcode := "text"
			if typ == websocket.MessageBinary {
				opcode = "binary"
				binaries.Inc()
			} else {
				texts.Inc()
			}
			bytes.Add(float64(size))
			payloads.Add(float64(wire))
			watchers.tell(frame{Direction: direction, Opcode: opcode, Number: number.Add(1), Size: size, Wire: wire})
		}
	}
	control := func(direction string) func(*websocket.Conn, ws.OpCode, websocket.StatusCode) {
		return func(_ *websocket.Conn, op ws.OpCode, code websocket.StatusCode) {
			name := controlNames[op]
			m.control.WithLabelValues(endpoint, direction, name).Inc()
			watchers.tell(frame{Direction: direction, Opcode: name, Code: int(code)})
		}
	}
	return &websocket.Hooks{
		MessageRead: message("in"), MessageWritten: message("out"),
		ControlRead: control("in"), ControlWritten: control("out"),
		Closed: func(_ *websocket.Conn, r websocket.CloseRecord) {
			code := r.Received
			if code == 0 {
				code = websocket.StatusAbnormalClosure
			}
			m.closed.WithLabelValues(endpoint, codeLabel(code)).Inc()
			if tooSlow(r) {
				m.slow.WithLabelValues(endpoint).Inc()
			}
		},
	}
}

var controlNames = map[ws.OpCode]string{ws.OpPing: "ping", ws.OpPong: "pong", ws.OpClose: "close"}

// codeLabel returns the label of a code. Private codes share one, so that
// clients cannot create arbitrary labels.
func codeLabel(code websocket.StatusCode) string {
	if code >= 3000 {
		return strconv.Itoa(int(code)/1000) + "xxx"
	}
	return strconv.Itoa(int(code))
}

// gauge is one value of the counters S.
type gauge[S any] struct {
	name, help string
	value      func(S) float64
}

// watched is a [prometheus.Collector] of gauges of the same counters. It reads
// the counters once for each scrape.
type watched[S any] struct {
	stats  func() S
	gauges []gauge[S]
	descs  []*prometheus.Desc
}

// watch adds gauges of the counters that stats returns.
func watch[S any](m *metrics, subsystem string, labels prometheus.Labels, stats func() S, gauges ...gauge[S]) {
	c := &watched[S]{stats: stats, gauges: gauges}
	for _, g := range gauges {
		c.descs = append(c.descs, prometheus.NewDesc(prometheus.BuildFQName("wskit", subsystem, g.name), g.help, nil, labels))
	}
	m.registry.MustRegister(c)
}

// Describe implements [prometheus.Collector].
func (c *watched[S]) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *watched[S]) Collect(ch chan<- prometheus.Metric) {
	st := c.stats()
	for i, g := range c.gauges {
		ch <- prometheus.MustNewConstMetric(c.descs[i], prometheus.GaugeValue, g.value(st))
	}
}
