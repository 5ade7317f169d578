package wsotel

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/wskit/wskit/websocket"
)

const scope = "github.com/wskit/wskit/contrib/otel"

const closeCodeKey = attribute.Key("websocket.close.code")

// Options are the options of [New]. The zero value is ready to use.
type Options struct {
	// MeterProvider, TracerProvider and Propagator default to the global ones.
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider
	Propagator     propagation.TextMapPropagator

	// Stats holds the counters. nil means a new Stats.
	Stats *websocket.Stats

	// Attributes are added to all metrics and spans, for example the endpoint.
	// Instrumentations that share a provider need different attributes.
	Attributes []attribute.KeyValue

	// CloseCodes are the close codes from 3000 on that have their own series.
	// All other codes from 3000 on are counted as "3xxx" or "4xxx", so that a
	// peer cannot create thousands of series.
	CloseCodes []websocket.StatusCode
}

// Instrumentation measures the connections that it opens. It is safe for
// concurrent use.
type Instrumentation struct {
	tracer       trace.Tracer
	propagator   propagation.TextMapPropagator
	stats        *websocket.Stats
	attributes   []attribute.KeyValue
	codes        []websocket.StatusCode
	handshakes   metric.Float64Histogram
	lifetimes    metric.Float64Histogram
	registration metric.Registration
}

// New returns an Instrumentation. opts may be nil. New returns an error if the
// meter refuses an instrument.
func New(opts *Options) (*Instrumentation, error) {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	if o.MeterProvider == nil {
		o.MeterProvider = otel.GetMeterProvider()
	}
	if o.TracerProvider == nil {
		o.TracerProvider = otel.GetTracerProvider()
	}
	if o.Propagator == nil {
		o.Propagator = otel.GetTextMapPropagator()
	}
	i := &Instrumentation{
		tracer:     o.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		propagator: o.Propagator,
		stats:      cmp.Or(o.Stats, new(websocket.Stats)),
		attributes: slices.Clone(o.Attributes),
		codes:      slices.Clone(o.CloseCodes),
	}
	if err := i.instruments(o.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))); err != nil {
		return nil, fmt.Errorf("wsotel: %w", err)
	}
	return i, nil
}

// Stats returns the counters that the Instrumentation exports.
func (i *Instrumentation) Stats() *websocket.Stats { return i.stats }

// Close stops exporting the counters. Connections stay open.
func (i *Instrumentation) Close() error { return i.registration.Unregister() }

// maker makes instruments and records the first error.
type maker struct {
	meter metric.Meter
	all   []metric.Observable
	err   error
}

func (m *maker) keep(o metric.Int64Observable, err error) {
	m.all = append(m.all, o)
	m.err = cmp.Or(m.err, err)
}

func (m *maker) counter(name, unit, description string) metric.Int64ObservableCounter {
	c, err := m.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	m.keep(c, err)
	return c
}

func (m *maker) histogram(name, description string, bounds ...float64) metric.Float64Histogram {
	h, err := m.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), metric.WithExplicitBucketBoundaries(bounds...))
	m.err = cmp.Or(m.err, err)
	return h
}

// counters are the instruments whose values come from Stats.
type counters struct {
	active                metric.Int64ObservableUpDownCounter
	messages, bytes, wire metric.Int64ObservableCounter
	pings, pongs, closes  metric.Int64ObservableCounter
	received, sent        metric.ObserveOption
	receivedBy, sentBy    []attribute.KeyValue
}

func (i *Instrumentation) instruments(meter metric.Meter) error {
	m := &maker{meter: meter}
	// The bounds are those of the semantic conventions for HTTP requests, plus
	// longer ones.
	i.handshakes = m.histogram("websocket.handshake.duration", "Duration of opening handshakes.",
		0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
	i.lifetimes = m.histogram("websocket.connection.duration", "Duration of connections that are closed.",
		0.1, 1, 10, 60, 300, 900, 3600, 4*3600, 12*3600, 24*3600)
	c := &counters{
		messages:   m.counter("websocket.messages", "{message}", "Messages."),
		bytes:      m.counter("websocket.message.io", "By", "Bytes of messages, before compression."),
		wire:       m.counter("websocket.wire.io", "By", "Bytes of messages, after compression."),
		pings:      m.counter("websocket.pings", "{frame}", "Pings."),
		pongs:      m.counter("websocket.pongs", "{frame}", "Pongs."),
		closes:     m.counter("websocket.close_frames", "{frame}", "Close frames."),
		receivedBy: append(slices.Clone(i.attributes), semconv.NetworkIODirectionReceive),
		sentBy:     append(slices.Clone(i.attributes), semconv.NetworkIODirectionTransmit),
	}
	active, err := meter.Int64ObservableUpDownCounter("websocket.connection.active", metric.WithUnit("{connection}"), metric.WithDescription("Connections that are open."))
	m.keep(active, err)
	c.active = active
	c.received, c.sent = metric.WithAttributes(c.receivedBy...), metric.WithAttributes(c.sentBy...)
	if m.err != nil {
		return m.err
	}
	i.registration, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		i.observe(o, c)
		return nil
	}, m.all...)
	return err
}

// observe reports the current values of the counters.
func (i *Instrumentation) observe(o metric.Observer, c *counters) {
	s := i.stats
	both := func(counter metric.Int64ObservableCounter, received, sent int64) {
		o.ObserveInt64(counter, received, c.received)
		o.ObserveInt64(counter, sent, c.sent)
	}
	o.ObserveInt64(c.active, s.Open.Load(), metric.WithAttributes(i.attributes...))
	both(c.messages, s.MessagesRead.Load(), s.MessagesWritten.Load())
	both(c.bytes, s.BytesRead.Load(), s.BytesWritten.Load())
	both(c.wire, s.WireBytesRead.Load(), s.WireBytesWritten.Load())
	both(c.pings, s.PingsRead.Load(), s.PingsWritten.Load())
	both(c.pongs, s.PongsRead.Load(), s.PongsWritten.Load())

	closes := make(map[attribute.Set]int64) // codes with the same label are one series
	for code, n := range s.AllClosesRead() {
		closes[attribute.NewSet(append(slices.Clone(c.receivedBy), i.closeCode(code))...)] += n
	}
	for code, n := range s.AllClosesWritten() {
		closes[attribute.NewSet(append(slices.Clone(c.sentBy), i.closeCode(code))...)] += n
	}
	for set, n := range closes {
		o.ObserveInt64(c.closes, n, metric.WithAttributeSet(set))
	}
}

// closeCode returns the attribute of a close code.
func (i *Instrumentation) closeCode(code websocket.StatusCode) attribute.KeyValue {
	if code >= 3000 && !slices.Contains(i.codes, code) {
		return closeCodeKey.String(fmt.Sprintf("%dxxx", code/1000))
	}
	return closeCodeKey.String(fmt.Sprint(int(code)))
}

// measured returns o with the counters, and with hooks that measure before they
// call those of o.
func (i *Instrumentation) measured(ctx context.Context, o websocket.ConnOptions) websocket.ConnOptions {
	hooks := websocket.Hooks{}
	if o.Hooks != nil {
		hooks = *o.Hooks
	}
	closed := hooks.Closed
	ctx = trace.ContextWithSpanContext(context.Background(), trace.SpanContextFromContext(ctx)) // for exemplars, without the lifetime of ctx
	hooks.Closed = func(c *websocket.Conn, r websocket.CloseRecord) {
		i.lifetimes.Record(ctx, r.Duration.Seconds(), metric.WithAttributes(append(slices.Clone(i.attributes), i.closeCode(closeCode(r)))...))
		if closed != nil {
			closed(c, r)
		}
	}
	o.Stats, o.Hooks = i.stats, &hooks
	return o
}

// closeCode returns the code that describes the end of a connection: that of
// the first close frame, or 1006 without one.
func closeCode(r websocket.CloseRecord) websocket.StatusCode {
	if r.PeerFirst {
		return r.Received
	}
	return cmp.Or(r.Sent, r.Received, websocket.StatusAbnormalClosure)
}

// measureHandshake records the time since start.
func (i *Instrumentation) measureHandshake(ctx context.Context, start time.Time, outcome []attribute.KeyValue) {
	i.handshakes.Record(ctx, time.Since(start).Seconds(), metric.WithAttributes(append(slices.Clone(i.attributes), outcome...)...))
}
