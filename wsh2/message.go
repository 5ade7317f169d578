package wsh2

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// requestFields returns the fields of r as HTTP/2 sends them (RFC 9113, section
// 8.3.1; RFC 8441, section 4).
func requestFields(r *http.Request) ([]hpack.HeaderField, error) {
	protocol := r.Header[":protocol"]
	if r.Method != http.MethodConnect || len(protocol) != 1 {
		return nil, fmt.Errorf("method %.16q: want an extended CONNECT with one :protocol", r.Method)
	}
	scheme := "http"
	if r.URL.Scheme == "https" || r.URL.Scheme == "wss" {
		scheme = "https"
	}
	authority := r.Host
	if authority == "" {
		authority = r.URL.Host
	}
	fields := []hpack.HeaderField{
		{Name: ":method", Value: r.Method},
		{Name: ":protocol", Value: protocol[0]},
		{Name: ":scheme", Value: scheme},
		{Name: ":authority", Value: authority},
		{Name: ":path", Value: r.URL.RequestURI()},
	}
	for name, values := range r.Header {
		name = strings.ToLower(name)
		if name == ":protocol" || omitted[name] {
			continue
		}
		for _, v := range values {
			if name == "user-agent" && v == "" { // omit it
				continue
			}
			fields = append(fields, hpack.HeaderField{Name: name, Value: v, Sensitive: secret[name]})
		}
	}
	for _, f := range fields {
		if f.Name[0] != ':' && !httpguts.ValidHeaderFieldName(f.Name) || !httpguts.ValidHeaderFieldValue(f.Value) {
			return nil, fmt.Errorf("invalid header field %q", f.Name)
		}
	}
	return fields, nil
}

// omitted are the fields that HTTP/2 does not allow (RFC 9113, section 8.2.2),
// and those that describe a body.
var omitted = map[string]bool{
	"host": true, "connection": true, "upgrade": true, "keep-alive": true, "proxy-connection": true,
	"transfer-encoding": true, "te": true, "content-length": true, "trailer": true,
}

// secret are the fields that must not be compressed, because an attacker could
// guess them (RFC 7541, section 7.1).
var secret = map[string]bool{"authorization": true, "proxy-authorization": true, "cookie": true}

// listSize returns the size of fields as MAX_HEADER_LIST_SIZE counts (RFC 9113,
// section 6.5.2).
func listSize(fields []hpack.HeaderField) (n uint64) {
	for _, f := range fields {
		n += uint64(f.Size())
	}
	return n
}

// statusOf returns the status of a response.
func statusOf(f *http2.MetaHeadersFrame) (int, error) {
	text := f.PseudoValue("status")
	status, err := strconv.Atoi(text)
	if err != nil || len(text) != 3 || status < 100 {
		return 0, fault(http2.ErrCodeProtocol, "answer with status %.16q", text)
	}
	return status, nil
}

// newResponse returns a response with that head.
func newResponse(c *conn, status int, f *http2.MetaHeadersFrame) *http.Response {
	resp := &http.Response{
		Status:     strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status))),
		StatusCode: status,
		Proto:      "HTTP/2.0", ProtoMajor: 2,
		Header:        make(http.Header, len(f.Fields)),
		ContentLength: -1,
	}
	for _, field := range f.RegularFields() {
		resp.Header.Add(field.Name, field.Value)
	}
	if t, ok := c.nc.(interface{ ConnectionState() tls.ConnectionState }); ok {
		state := t.ConnectionState()
		resp.TLS = &state
	}
	return resp
}
