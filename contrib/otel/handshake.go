package wsotel

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

const spanName = "websocket handshake"

// Accept is [websocket.Accept] with a span for the handshake. The span
// continues the trace of the client, or of r.Context() if that has a span. opts
// may be nil. The Stats of the Instrumentation replace those of opts; hooks of
// opts are called.
//
// The span of Accept ends with the handshake. In contrast, the span of a
// middleware usually ends when the handler returns.
func (i *Instrumentation) Accept(w http.ResponseWriter, r *http.Request, opts *websocket.AcceptOptions) (*websocket.Conn, error) {
	if r == nil {
		return websocket.Accept(w, r, opts)
	}
	ctx, kind := r.Context(), trace.SpanKindInternal
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx, kind = i.propagator.Extract(ctx, propagation.HeaderCarrier(r.Header)), trace.SpanKindServer
	}
	o := websocket.AcceptOptions{}
	if opts != nil {
		o = *opts
	}
	start, sent := time.Now(), o.Proxies.Request(r)
	ctx, span := i.tracer.Start(ctx, spanName, trace.WithSpanKind(kind), trace.WithAttributes(i.request(sent.Method, sent.URL, sent.Host)...))
	defer span.End()

	o.ConnOptions = i.measured(ctx, o.ConnOptions)
	c, err := websocket.Accept(w, r, &o)
	status := http.StatusSwitchingProtocols
	switch {
	case err != nil:
		status = ws.RefusalStatus(err)
	case r.ProtoMajor > 1:
		status = http.StatusOK // an extended CONNECT
	}
	outcome := result(status, err)
	span.SetAttributes(outcome...)
	if err != nil && (status == 0 || status >= 500) { // a refusal is not an error of the server
		span.SetStatus(codes.Error, err.Error())
	}
	i.measureHandshake(ctx, start, outcome)
	return c, err
}

// Dial is [websocket.Dial] with a span for the handshake. The context of the
// span is sent with the request. opts may be nil. The Stats of the
// Instrumentation replace those of opts; hooks of opts are called.
func (i *Instrumentation) Dial(ctx context.Context, urlstr string, opts *websocket.DialOptions) (*websocket.Conn, *http.Response, error) {
	if ctx == nil {
		return websocket.Dial(ctx, urlstr, opts)
	}
	target, err := url.Parse(urlstr)
	if err != nil {
		target = new(url.URL) // Dial returns the error
	}
	start := time.Now()
	ctx, span := i.tracer.Start(ctx, spanName, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(i.request(http.MethodGet, target, target.Host)...))
	defer span.End()

	o := websocket.DialOptions{}
	if opts != nil {
		o = *opts
	}
	if runtime.GOOS != "js" { // a browser writes the request itself
		o.HTTPHeader = o.HTTPHeader.Clone()
		if o.HTTPHeader == nil {
			o.HTTPHeader = make(http.Header)
		}
		i.propagator.Inject(ctx, propagation.HeaderCarrier(o.HTTPHeader))
	}
	o.ConnOptions = i.measured(ctx, o.ConnOptions)
	c, resp, err := websocket.Dial(ctx, urlstr, &o)
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	outcome := result(status, err)
	span.SetAttributes(outcome...)
	if err != nil {
		span.SetStatus(codes.Error, withoutURL(err))
	}
	i.measureHandshake(ctx, start, outcome)
	return c, resp, err
}

// withoutURL returns the text of an error of Dial without the URL that net/http
// adds, because its query may contain a secret.
func withoutURL(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// request returns the attributes of a request. It omits the query and the user
// of the URL, which may be secret.
func (i *Instrumentation) request(method string, u *url.URL, host string) []attribute.KeyValue {
	attributes := append([]attribute.KeyValue{
		semconv.NetworkProtocolName("websocket"),
		semconv.HTTPRequestMethodKey.String(knownMethod(method)),
		semconv.URLPath(u.Path),
	}, i.attributes...)
	if u.Scheme != "" {
		attributes = append(attributes, semconv.URLScheme(u.Scheme))
	}
	server := url.URL{Host: host}
	if name := server.Hostname(); name != "" {
		attributes = append(attributes, semconv.ServerAddress(name))
	}
	if port, err := strconv.Atoi(server.Port()); err == nil {
		attributes = append(attributes, semconv.ServerPort(port))
	}
	return attributes
}

// knownMethod returns the method, or a placeholder if it is unknown: a client
// can choose any text.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

// result returns the attributes of the result of a handshake. status is 0
// without a response.
func result(status int, err error) (attributes []attribute.KeyValue) {
	if status != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(status))
	}
	switch {
	case err == nil:
		return attributes
	case status >= 400:
		return append(attributes, semconv.ErrorTypeKey.String(strconv.Itoa(status)))
	}
	return append(attributes, semconv.ErrorTypeOther)
}
