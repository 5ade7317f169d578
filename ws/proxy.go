package ws

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/wskit/wskit/httphead"
)

// proxy returns the proxy to go through to u, or nil.
func (d *Dialer) proxy(u *url.URL) (*url.URL, error) {
	if d.Proxy == nil {
		return nil, nil
	}
	target := *u
	target.Scheme = "http"
	if isSecure(u) {
		target.Scheme = "https"
	}
	proxy, err := d.Proxy(&http.Request{Method: http.MethodGet, URL: &target, Host: target.Host, Header: make(http.Header)})
	switch {
	case err != nil:
		return nil, fmt.Errorf("proxy: %w", err)
	case proxy == nil:
		return nil, nil
	case proxy.Scheme != "http" && proxy.Scheme != "https":
		return nil, fmt.Errorf("proxy: scheme %q is neither http nor https; other proxies can be reached through NetDial", proxy.Scheme)
	case proxy.Hostname() == "":
		return nil, fmt.Errorf("proxy: URL %q names no host", proxy.Redacted())
	}
	return proxy, nil
}

// tunnel has the proxy at the other end of conn connect to addr (RFC 9110,
// section 9.3.6), and returns the connection that leads there. It returns a
// connection also with an error, for the caller to close.
func (d *Dialer) tunnel(ctx context.Context, conn net.Conn, proxy *url.URL, addr string) (_ net.Conn, err error) {
	if proxy.Scheme == "https" {
		config := d.tlsConfig()
		config.ServerName = serverName(proxy)
		if conn, err = handshakeTLS(ctx, conn, config); err != nil {
			return conn, fmt.Errorf("proxy: %w", err)
		}
	}
	req, err := connectRequest(addr, proxy.User)
	if err != nil {
		return conn, fmt.Errorf("proxy: %w", err)
	}
	if _, err = conn.Write(req); err != nil {
		return conn, fmt.Errorf("proxy: write request: %w", err)
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
		return conn, fmt.Errorf("proxy: %w", err)
	}
	if br := readBehind(conn, s.in[n:], d.readBufferSize()); br != nil {
		conn = unread(conn, br)
	}
	return conn, nil
}

func connectRequest(addr string, user *url.Userinfo) ([]byte, error) {
	req, err := httphead.AppendRequestLine(nil, http.MethodConnect, addr)
	if err != nil {
		return nil, err
	}
	if req, err = httphead.AppendField(req, fieldHost.String(), addr); err != nil {
		return nil, err
	}
	if user != nil {
		req = appendBasic(req, "Proxy-Authorization", user)
	}
	return append(req, "\r\n"...), nil
}
