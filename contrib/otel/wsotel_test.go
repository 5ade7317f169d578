package wsotel_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	wsotel "github.com/wskit/wskit/contrib/otel"
	"github.com/wskit/wskit/websocket"
)

// side is a program with its telemetry in memory.
type side struct {
	*wsotel.Instrumentation
	reader *metric.ManualReader
	spans  *tracetest.InMemoryExporter
}

func newSide(t *testing.T, attributes ...attribute.KeyValue) *side {
	s := &side{reader: metric.NewManualReader(), spans: tracetest.NewInMemoryExporter()}
	var err error
	s.Instrumentation, err = wsotel.New(&wsotel.Options{
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(s.reader)),
		TracerProvider: trace.NewTracerProvider(trace.WithSyncer(s.spans)),
		Propagator:     propagation.TraceContext{},
		Attributes:     attributes,
		CloseCodes:     []websocket.StatusCode{4001},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// metrics returns what is exported: the value of each series, or the count of a histogram,
// by name and attributes.
func (s *side) metrics(t *testing.T) map[string]float64 {
	var data metricdata.ResourceMetrics
	require.NoError(t, s.reader.Collect(t.Context(), &data))
	series := make(map[string]float64)
	add := func(name string, set attribute.Set, v float64) {
		series[name+"{"+set.Encoded(attribute.DefaultEncoder())+"}"] = v
	}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			require.NotEmpty(t, m.Unit, m.Name)
			require.NotEmpty(t, m.Description, m.Name)
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					add(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					add(m.Name, p.Attributes, float64(p.Count))
				}
			default:
				t.Fatalf("%s is a %T", m.Name, d)
			}
		}
	}
	return series
}

// echo serves with the telemetry of s.
func echo(t *testing.T, s *side, opts *websocket.AcceptOptions) (url string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.Accept(w, r, opts)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for msg, err := range c.Messages(r.Context()) {
			if err != nil || c.Write(r.Context(), msg.Type, msg.Data) != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/echo?token=secret"
}

func TestMetrics(t *testing.T) {
	server, client := newSide(t, attribute.String("endpoint", "echo")), newSide(t)
	var closed atomic.Int32
	url := echo(t, server, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Hooks: &websocket.Hooks{
		Closed: func(*websocket.Conn, websocket.CloseRecord) { closed.Add(1) },
	}}})
	for _, code := range []websocket.StatusCode{1000, 4001, 4002, 4003} {
		c, _, err := client.Dial(t.Context(), url, nil)
		require.NoError(t, err)
		require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte("hello")))
		_, _, err = c.Read(t.Context())
		require.NoError(t, err)
		require.NoError(t, c.Close(code, ""))
	}
	_, _, err := client.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}})
	require.Error(t, err)
	require.Eventually(t, func() bool { return server.Stats().Lifetimes.Count() == 4 }, 20*time.Second, time.Millisecond)
	var m map[string]float64
	require.Eventually(t, func() bool { // the hook comes after the counters
		m = server.metrics(t)
		return m["websocket.connection.duration{endpoint=echo,websocket.close.code=4xxx}"] == 2
	}, 20*time.Second, time.Millisecond)
	for name, want := range map[string]float64{
		"websocket.connection.active{endpoint=echo}":                                                    0,
		"websocket.connection.duration{endpoint=echo,websocket.close.code=1000}":                        1,
		"websocket.connection.duration{endpoint=echo,websocket.close.code=4001}":                        1,
		"websocket.handshake.duration{endpoint=echo,http.response.status_code=101}":                     4,
		"websocket.handshake.duration{endpoint=echo,error.type=403,http.response.status_code=403}":      1,
		"websocket.messages{endpoint=echo,network.io.direction=receive}":                                4,
		"websocket.message.io{endpoint=echo,network.io.direction=transmit}":                             20,
		"websocket.wire.io{endpoint=echo,network.io.direction=receive}":                                 20,
		"websocket.pings{endpoint=echo,network.io.direction=receive}":                                   0,
		"websocket.pongs{endpoint=echo,network.io.direction=transmit}":                                  0,
		"websocket.close_frames{endpoint=echo,network.io.direction=receive,websocket.close.code=4xxx}":  2,
		"websocket.close_frames{endpoint=echo,network.io.direction=transmit,websocket.close.code=4xxx}": 2,
		"websocket.close_frames{endpoint=echo,network.io.direction=receive,websocket.close.code=1000}":  1,
	} {
		got, ok := m[name]
		require.True(t, ok, "%s is not among %v", name, m)
		require.Equal(t, want, got, name)
	}
	require.EqualValues(t, 4, client.metrics(t)["websocket.handshake.duration{http.response.status_code=101}"])
	require.Eventually(t, func() bool { return closed.Load() == 4 }, 20*time.Second, time.Millisecond)
}

// attributes returns those of a span, as text.
func attributes(s tracetest.SpanStub) string {
	set := attribute.NewSet(s.Attributes...)
	return set.Encoded(attribute.DefaultEncoder())
}

// A handshake is one trace on both sides, and its spans are over when it is.
func TestSpans(t *testing.T) {
	server, client := newSide(t), newSide(t)
	url := echo(t, server, nil)
	c, _, err := client.Dial(t.Context(), url, nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(server.spans.GetSpans()) == 1 }, 20*time.Second, time.Millisecond)
	require.NoError(t, c.Write(t.Context(), websocket.MessageText, []byte("hello")))
	_, _, err = c.Read(t.Context())
	require.NoError(t, err)

	dialed, accepted := client.spans.GetSpans(), server.spans.GetSpans()
	require.Len(t, dialed, 1)
	require.Len(t, accepted, 1, "none for a message")
	require.Equal(t, oteltrace.SpanKindClient, dialed[0].SpanKind)
	require.Equal(t, oteltrace.SpanKindServer, accepted[0].SpanKind)
	require.Equal(t, dialed[0].SpanContext.TraceID(), accepted[0].SpanContext.TraceID())
	require.Equal(t, dialed[0].SpanContext.SpanID(), accepted[0].Parent.SpanID())
	for _, s := range []string{attributes(dialed[0]), attributes(accepted[0])} {
		require.Contains(t, s, "http.response.status_code=101")
		require.Contains(t, s, "network.protocol.name=websocket")
		require.Contains(t, s, "server.address=127.0.0.1")
		require.Contains(t, s, "url.path=/echo")
		require.NotContains(t, s, "secret")
	}
	require.NoError(t, c.Close(1000, ""))
}

func TestSpansOfRefusals(t *testing.T) {
	server, client := newSide(t), newSide(t)
	url := echo(t, server, nil)
	_, _, err := client.Dial(t.Context(), url, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://evil.example"}}})
	require.Error(t, err)
	require.Eventually(t, func() bool { return len(server.spans.GetSpans()) == 1 }, 20*time.Second, time.Millisecond)
	accepted, dialed := server.spans.GetSpans()[0], client.spans.GetSpans()[0]
	require.Equal(t, codes.Unset, accepted.Status.Code, "it is no error of the server")
	require.Equal(t, codes.Error, dialed.Status.Code)
	for _, s := range []string{attributes(dialed), attributes(accepted)} {
		require.Contains(t, s, "error.type=403")
	}

	_, _, err = client.Dial(t.Context(), "ws://user:secret@127.0.0.1:1/?token=secret", nil)
	require.Error(t, err)
	lost := client.spans.GetSpans()[1]
	require.Contains(t, lost.Status.Description, "refused")
	require.NotContains(t, lost.Status.Description, "secret")
	last := attributes(lost)
	require.Contains(t, last, "error.type=_OTHER")
	require.False(t, strings.Contains(last, "status_code"))
}

// Under a middleware with a span for the request, Accept's is its child.
func TestSpanBelowMiddleware(t *testing.T) {
	server, exporter := newSide(t), tracetest.NewInMemoryExporter()
	tracer := trace.NewTracerProvider(trace.WithSyncer(exporter)).Tracer("middleware")
	ctx, parent := tracer.Start(t.Context(), "GET /echo")
	defer parent.End()
	r := httptest.NewRequest("GET", "/echo", nil).WithContext(ctx)
	_, err := server.Accept(httptest.NewRecorder(), r, nil)
	require.Error(t, err)
	span := server.spans.GetSpans()[0]
	require.Equal(t, oteltrace.SpanKindInternal, span.SpanKind)
	require.Equal(t, parent.SpanContext().SpanID(), span.Parent.SpanID())
	require.Contains(t, attributes(span), "http.response.status_code=426")
}

// What is wrong with arguments is said as package websocket says it.
func TestArguments(t *testing.T) {
	i, err := wsotel.New(nil)
	require.NoError(t, err)
	defer i.Close()
	var none context.Context
	_, _, err = i.Dial(none, "ws://a.example", nil)
	require.ErrorContains(t, err, "nil Context")
	_, _, err = i.Dial(t.Context(), "://", nil)
	require.Error(t, err)
	_, err = i.Accept(httptest.NewRecorder(), nil, nil)
	require.Error(t, err)
}
