package ws

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/peertext"
)

// RoundTrip sends a request of [Dialer.NewRequest] over a new connection and
// returns the response. It makes a Dialer an [http.RoundTripper], so that an
// http.Client can add cookies and follow redirects. It connects like
// [Dialer.Dial], and uses HeadLimits, Timeout and the fields of d that concern
// connections. Names of fields are sent as spelled in r.Header. It calls the
// [httptrace] hooks in the request's context for the connection, TLS and the
// request.
//
// The Body of a response of status 101 is the connection, a [net.Conn] that
// first returns bytes that were read after the response. The context does not
// affect it. The Body of other responses ends with the context, and the caller
// must close it. The Header holds all fields, including Connection. A request
// with a body is an error.
func (d Dialer) RoundTrip(r *http.Request) (*http.Response, error) {
	if r == nil {
		return nil, errNilRequest
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body.Close()
		return nil, errors.New("ws: round trip: a handshake has no body")
	}
	if err := checkURL(r.URL); err != nil {
		return nil, fmt.Errorf("ws: round trip: %w", err)
	}
	ctx, cancel := d.bound(r.Context())
	resp, err := d.roundTrip(ctx, cancel, r)
	if err != nil {
		err = dialError(ctx, r.URL, err)
		cancel()
		return nil, err
	}
	return resp, nil
}

// roundTrip is RoundTrip with the context ctx, which belongs to the response if
// there is no error.
func (d *Dialer) roundTrip(ctx context.Context, cancel context.CancelFunc, r *http.Request) (*http.Response, error) {
	request, err := appendHTTPRequest(nil, r)
	if err != nil {
		return nil, err
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		trace = new(httptrace.ClientTrace)
	}
	if trace.GetConn != nil {
		trace.GetConn(hostPort(r.URL))
	}
	conn, g, err := d.connect(ctx, r.URL)
	if err != nil {
		return nil, err
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: conn})
	}
	resp, err := d.exchange(conn, request, r, trace)
	if err != nil {
		return nil, g.end(conn, err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		if err := g.end(conn, nil); err != nil {
			return nil, err
		}
		cancel()
		return resp, nil
	}
	resp.Body = &refusalBody{resp.Body, sync.OnceFunc(func() {
		g.end(conn, net.ErrClosed)
		cancel()
	})}
	return resp, nil
}

// appendHTTPRequest appends r unchanged.
func appendHTTPRequest(dst []byte, r *http.Request) ([]byte, error) {
	host := r.Host
	if host == "" {
		host = hostField(r.URL)
	}
	dst, err := httphead.AppendRequestLine(dst, r.Method, escapeTarget(r.URL.RequestURI()))
	if err != nil {
		return nil, err
	}
	if dst, err = httphead.AppendField(dst, fieldHost.String(), host); err != nil {
		return nil, err
	}
	header := r.Header
	if agent, ok := header["User-Agent"]; ok && len(agent) > 0 && agent[0] == "" { // as in net/http
		header = header.Clone()
		delete(header, "User-Agent")
	}
	if dst, err = appendHTTP(dst, header); err != nil {
		return nil, err
	}
	return append(dst, "\r\n"...), nil
}

// exchange writes the request for r and reads the head of the response.
func (d *Dialer) exchange(conn net.Conn, request []byte, r *http.Request, trace *httptrace.ClientTrace) (*http.Response, error) {
	err := writeWhole(conn, request)
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	s := clientHandshakes.Get().(*clientHandshake)
	defer s.release()
	s.d = *d
	n, err := s.readHead(&tracedReader{conn, trace.GotFirstResponseByte})
	if err != nil {
		return nil, err
	}
	var resp *http.Response
	if s.parser.head.Status == http.StatusSwitchingProtocols {
		resp = httpResponse(&s.parser.head)
		resp.Body = conn
		if br := readBehind(conn, s.in[n:], d.readBufferSize()); br != nil {
			resp.Body = unread(conn, br)
		}
	} else if resp, err = http.ReadResponse(bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(s.finalAnswer())), conn)), r); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrMalformedResponse, peertext.Cut(err.Error()))
	}
	resp.Request = r
	if c, ok := conn.(interface{ ConnectionState() tls.ConnectionState }); ok {
		state := c.ConnectionState()
		resp.TLS = &state
	}
	return resp, nil
}

// httpResponse returns a response with that head and without a body. It does
// not retain head. [http.ReadResponse] would remove Connection if it contains
// close.
func httpResponse(head *httphead.Response) *http.Response {
	resp := &http.Response{
		Status:     fmt.Sprintf("%d %s", head.Status, head.Reason),
		StatusCode: head.Status,
		Proto:      fmt.Sprintf("HTTP/%d.%d", head.Major, head.Minor),
		ProtoMajor: head.Major,
		ProtoMinor: head.Minor,
		Header:     make(http.Header, len(head.Fields)),
	}
	for _, f := range head.Fields {
		resp.Header.Add(string(f.Name), string(f.Value))
	}
	return resp
}

// refusalBody is the body of a refusal.
type refusalBody struct {
	io.ReadCloser
	end func() // ends the connection; may be called again
}

// Close closes the connection, which unblocks a Read.
func (b *refusalBody) Close() error {
	b.end()
	return nil
}

// tracedReader reports the first byte that it reads.
type tracedReader struct {
	io.Reader
	first func()
}

func (r *tracedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 && r.first != nil {
		r.first()
		r.first = nil
	}
	return n, err
}
