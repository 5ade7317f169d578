package ws

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"

	"golang.org/x/net/http/httpproxy"
	socks "golang.org/x/net/proxy"

	"github.com/wskit/wskit/httphead"
)

// ProxyFromEnvironment is a function for [Dialer].Proxy. Like
// [http.ProxyFromEnvironment], it returns the proxy in HTTP_PROXY or
// HTTPS_PROXY. If there is none, it returns the proxy in ALL_PROXY. NO_PROXY
// applies to all of them, and localhost has no proxy. Names in lower case also
// work. Each call reads the variables.
func ProxyFromEnvironment(r *http.Request) (*url.URL, error) {
	if r == nil {
		return nil, errNilRequest
	}
	if r.URL == nil {
		return nil, fmt.Errorf("ws: proxy: %w", errNilURL)
	}
	config := httpproxy.FromEnvironment()
	all := cmp.Or(os.Getenv("ALL_PROXY"), os.Getenv("all_proxy"))
	if config.HTTPProxy == "" {
		// A request cannot set ALL_PROXY in CGI, unlike HTTP_PROXY, which the
		// field Proxy sets.
		config.HTTPProxy, config.CGI = all, false
	}
	config.HTTPSProxy = cmp.Or(config.HTTPSProxy, all)
	return config.ProxyFunc()(r.URL)
}

// proxy returns the proxy for u, or nil.
func (d *Dialer) proxy(ctx context.Context, u *url.URL) (*url.URL, error) {
	if d.Proxy == nil {
		return nil, nil
	}
	target := *u
	target.Scheme = httpScheme(isSecure(u))
	asked := &http.Request{Method: http.MethodGet, URL: &target, Host: target.Host, Header: make(http.Header)}
	proxy, err := d.Proxy(asked.WithContext(ctx))
	switch {
	case err != nil:
		return nil, fmt.Errorf("proxy: %w", err)
	case proxy == nil:
		return nil, nil
	case proxy.Scheme != "http" && proxy.Scheme != "https" && !isSOCKS(proxy):
		return nil, fmt.Errorf("proxy: unsupported scheme %q: want http, https or socks5, or set NetDial", proxy.Scheme)
	case proxy.Hostname() == "":
		return nil, fmt.Errorf("proxy: URL %q names no host", proxy.Redacted())
	}
	return proxy, nil
}

// ProxyError reports that a proxy cannot be reached or does not connect to the
// server. Errors of a [Dialer] wrap it: use errors.As.
type ProxyError struct {
	Host string // of the proxy, with the port if the URL has one
	Err  error  // a [ConnectionRejectedError] if the proxy refused
}

// Error returns the host of the proxy and the error.
func (e *ProxyError) Error() string { return fmt.Sprintf("proxy %s: %v", e.Host, e.Err) }

// Unwrap returns Err.
func (e *ProxyError) Unwrap() error { return e.Err }

// Timeout reports whether Err is due to a timeout.
func (e *ProxyError) Timeout() bool { return isTimeout(e.Err) }

// proxyError returns err, as a ProxyError if there is a proxy.
func proxyError(proxy *url.URL, err error) error {
	if proxy == nil {
		return err
	}
	return &ProxyError{proxy.Host, err}
}

// tunnel makes the proxy at the other end of conn connect to addr, and returns
// the connection to addr. secured says that conn already has TLS. Even on an
// error it returns a connection, which the caller must close.
func (d *Dialer) tunnel(ctx context.Context, conn net.Conn, secured bool, proxy *url.URL, addr string) (net.Conn, error) {
	if isSOCKS(proxy) {
		return conn, connectSOCKS(conn, proxy, addr)
	}
	if isSecure(proxy) && !secured {
		config := d.tlsConfig()
		config.ServerName = serverName(proxy)
		c := tls.Client(conn, config)
		if err := handshakeTLS(ctx, c); err != nil {
			return c, err
		}
		conn = c
	}
	var header http.Header
	if d.ProxyHeader != nil {
		var err error
		if header, err = d.ProxyHeader(ctx, proxy, addr); err != nil {
			return conn, err
		}
	}
	req, err := connectRequest(addr, proxy.User, header)
	if err != nil {
		return conn, err
	}
	if err = writeWhole(conn, req); err != nil {
		return conn, fmt.Errorf("write request: %w", err)
	}
	s := clientHandshakes.Get().(*clientHandshake)
	defer s.release()
	s.d = Dialer{HeadLimits: d.HeadLimits, ReadBufferSize: d.ReadBufferSize}
	n, err := s.readHead(conn)
	if err == nil && s.parser.head.Status/100 != 2 {
		refusal := rejectedBy(&s.parser.head)
		s.showRefusal(refusal, conn)
		err = refusal
	}
	if err != nil {
		return conn, err
	}
	if br := readBehind(conn, s.in[n:], d.readBufferSize()); br != nil {
		conn = unread(conn, br)
	}
	return conn, nil
}

// connectRequest returns the request to connect to addr (RFC 9110, section
// 9.3.6).
func connectRequest(addr string, user *url.Userinfo, header http.Header) ([]byte, error) {
	req, err := httphead.AppendRequestLine(nil, http.MethodConnect, addr)
	if err != nil {
		return nil, err
	}
	if req, err = httphead.AppendField(req, fieldHost.String(), addr); err != nil {
		return nil, err
	}
	header = connectHeader(header, user != nil)
	if user != nil {
		req = appendBasic(req, "Proxy-Authorization", user)
	}
	if req, err = appendHTTP(req, header); err != nil {
		return nil, err
	}
	return append(req, "\r\n"...), nil
}

// connectHeader returns the fields of h that a CONNECT request, which has no
// body, may have. It adds User-Agent unless h has it. An empty User-Agent is
// omitted.
func connectHeader(h http.Header, user bool) http.Header {
	fields := http.Header{"User-Agent": {userAgent}}
	for name, values := range h {
		if fieldOf([]byte(name)) == fieldHost || useOf([]byte(name)) == useFraming { // in any letter case, or delimits a body
			continue
		}
		switch http.CanonicalHeaderKey(name) {
		case "Proxy-Authorization":
			if !user {
				fields[name] = values
			}
		case "User-Agent":
			delete(fields, "User-Agent")
			if len(values) > 0 && values[0] != "" {
				fields[name] = values
			}
		default:
			fields[name] = values
		}
	}
	return fields
}

// appendHTTP appends the fields of h in the order of their names.
func appendHTTP(dst []byte, h http.Header) (_ []byte, err error) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, v := range h[name] {
			if dst, err = httphead.AppendField(dst, name, v); err != nil {
				return dst, fmt.Errorf("field %q: %w", name, err)
			}
		}
	}
	return dst, nil
}

// connectSOCKS makes the proxy at the other end of conn connect to addr (RFC
// 1928). With both schemes the proxy resolves the name, as with net/http.
func connectSOCKS(conn net.Conn, proxy *url.URL, addr string) error {
	var auth *socks.Auth
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		auth = &socks.Auth{User: proxy.User.Username(), Password: password}
	}
	dialer, err := socks.SOCKS5("tcp", hostPort(proxy), auth, nil)
	if err != nil {
		return err
	}
	over, ok := dialer.(interface {
		DialWithConn(ctx context.Context, conn net.Conn, network, addr string) (net.Addr, error)
	})
	if !ok {
		return errors.ErrUnsupported // does not happen with any version of the module
	}
	_, err = over.DialWithConn(context.Background(), conn, "tcp", addr) // the guard interrupts it
	return err
}
