// Package connect opens connections as configured by flags, and explains why a
// connection could not be opened.
package connect

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/ws"
)

// Flags are the flags of all subcommands that connect to a server.
type Flags struct {
	headers      []string
	cookies      []string
	user         string
	origin       string
	host         string
	Subprotocols []string
	proxy        string
	Timeout      time.Duration
	HTTP2, HTTP3 bool

	ca, cert, key string
	serverName    string
	insecure      bool

	socket string // the Unix socket of ws+unix, see Target
}

// Register adds all the flags to those of a subcommand.
func (f *Flags) Register(flags *pflag.FlagSet) {
	f.RegisterRequest(flags)
	flags.StringVar(&f.host, "host", "", "value of the Host field (default: the host of the URL)")
	flags.StringSliceVarP(&f.Subprotocols, "subprotocol", "s", nil, "subprotocols to offer, in order of preference")
	f.registerProxy(flags)
	f.RegisterVersion(flags)
	f.registerTimeout(flags)
	f.RegisterTLS(flags)
}

// RegisterConnection adds the flags about connections, without those about the
// request.
func (f *Flags) RegisterConnection(flags *pflag.FlagSet) {
	f.registerProxy(flags)
	f.registerTimeout(flags)
	f.RegisterTLS(flags)
}

func (f *Flags) registerTimeout(flags *pflag.FlagSet) {
	flags.DurationVar(&f.Timeout, "timeout", 10*time.Second, "time limit for connecting")
}

func (f *Flags) registerProxy(flags *pflag.FlagSet) {
	flags.StringVarP(&f.proxy, "proxy", "x", "", `proxy URL with scheme http, https, socks5 or socks5h, or "none" (default: from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY)`)
}

// RegisterVersion adds the flags for HTTP/2 and HTTP/3.
func (f *Flags) RegisterVersion(flags *pflag.FlagSet) {
	flags.BoolVar(&f.HTTP2, "http2", false, "use HTTP/2 (RFC 8441); for ws:// the server must support it")
	flags.BoolVar(&f.HTTP3, "http3", false, "use HTTP/3 (RFC 9220), over UDP")
}

// RegisterRequest adds the flags for Header.
func (f *Flags) RegisterRequest(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.headers, "header", "H", nil, `header field to send, "Name: value" (repeatable)`)
	flags.StringArrayVarP(&f.cookies, "cookie", "b", nil, `cookie to send, "name=value" (repeatable)`)
	flags.StringVarP(&f.user, "user", "u", "", "basic authentication, name:password")
	flags.StringVar(&f.origin, "origin", "", "value of the Origin field, as sent by browsers")
}

// RegisterTLS adds the flags for TLS.
func (f *Flags) RegisterTLS(flags *pflag.FlagSet) {
	flags.StringVar(&f.ca, "ca", "", "file of certificates (PEM) to trust in addition to the system's")
	flags.StringVar(&f.cert, "cert", "", "file of the client's certificate (PEM)")
	flags.StringVar(&f.key, "key", "", "file of the client's key (PEM), if it is not in the file of --cert")
	flags.StringVar(&f.serverName, "server-name", "", "expected name in the server's certificate (default: the host of the URL)")
	flags.BoolVarP(&f.insecure, "insecure", "k", false, "do not check the server's certificate")
}

// Dialer returns a dialer for the flags.
func (f *Flags) Dialer() (ws.Dialer, error) {
	header, err := f.Header()
	if err != nil {
		return ws.Dialer{}, err
	}
	proxy, err := f.proxyFunc()
	if err != nil {
		return ws.Dialer{}, err
	}
	config, err := f.TLS()
	if err != nil {
		return ws.Dialer{}, err
	}
	if f.Timeout <= 0 {
		return ws.Dialer{}, exit.Usagef("--timeout %v: give a positive time", f.Timeout)
	}
	return ws.Dialer{
		Timeout:   f.Timeout,
		Protocols: f.Subprotocols,
		Header:    ws.HandshakeHeaderHTTP(header),
		Host:      f.host,
		Proxy:     proxy,
		TLSConfig: config,
		NetDial:   f.NetDial(),
	}, nil
}

// Header returns the header fields to send with the request.
func (f *Flags) Header() (http.Header, error) {
	header := make(http.Header)
	for _, line := range f.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, exit.Usagef(`--header %q: write "Name: value"`, line)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	for _, cookie := range f.cookies {
		if !strings.Contains(cookie, "=") {
			return nil, exit.Usagef(`--cookie %q: write "name=value"`, cookie)
		}
	}
	if len(f.cookies) > 0 {
		header.Add("Cookie", strings.Join(f.cookies, "; "))
	}
	if f.origin != "" {
		header.Set("Origin", f.origin)
	}
	if f.user != "" {
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(f.user)))
	}
	return header, nil
}

// proxySchemes are the schemes of proxies that a ws.Dialer supports.
var proxySchemes = []string{"http", "https", "socks5", "socks5h"}

func (f *Flags) proxyFunc() (func(*http.Request) (*url.URL, error), error) {
	switch {
	case f.socket != "" || f.proxy == "none":
		return nil, nil
	case f.proxy == "":
		return ws.ProxyFromEnvironment, nil
	}
	u, err := url.Parse(f.proxy)
	if err != nil || u.Host == "" || !slices.Contains(proxySchemes, u.Scheme) {
		return nil, exit.Usagef("--proxy %q: write http://host:port, https://host:port or socks5://host:port", f.proxy)
	}
	return http.ProxyURL(u), nil
}

// TLS returns the TLS configuration.
func (f *Flags) TLS() (*tls.Config, error) {
	keys, err := KeyLog()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{InsecureSkipVerify: f.insecure, ServerName: f.serverName, KeyLogWriter: keys}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, exit.Usagef("--ca: %v", err)
		}
		if config.RootCAs, err = x509.SystemCertPool(); err != nil {
			config.RootCAs = x509.NewCertPool()
		}
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, exit.Usagef("--ca %s: no PEM certificate found", f.ca)
		}
	}
	if f.key != "" && f.cert == "" {
		return nil, exit.Usagef("--key requires --cert")
	}
	if f.cert != "" {
		key := f.key
		if key == "" {
			key = f.cert
		}
		pair, err := tls.LoadX509KeyPair(f.cert, key)
		if err != nil {
			return nil, exit.Usagef("--cert: %v", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// URL parses the URL of a server. It adds "ws://" if there is no scheme.
func URL(arg string) (*url.URL, error) {
	full := arg
	if !strings.Contains(full, "://") {
		full = "ws://" + full
	}
	u, err := url.Parse(full)
	if err != nil {
		return nil, exit.Usagef("%q is not a URL: write ws://host:port/path or wss://…", arg)
	}
	switch u.Scheme {
	case "ws", "wss":
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	default:
		return nil, exit.Usagef("%q: scheme %s is not a WebSocket scheme: write ws://, wss:// or ws+unix://", arg, u.Scheme)
	}
	if u.Hostname() == "" {
		return nil, exit.Usagef("%q has no host: write ws://host:port/path", arg)
	}
	if _, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && err != nil {
		return nil, exit.Usagef("%q: invalid port %s: the maximum is 65535", arg, u.Port())
	}
	if u.Fragment != "" {
		return nil, exit.Usagef("%q: a WebSocket URL has no #fragment (RFC 6455, section 3)", arg)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// Reason explains on one line why connecting to u with a Dialer of f has
// failed, and what to do about it. The error has the exit status.
func (f *Flags) Reason(u *url.URL, err error) error {
	return f.reason(u, f.proxyTo(u), err)
}

// DirectReason is Reason for a connection without a proxy, whatever f says.
func (f *Flags) DirectReason(u *url.URL, err error) error {
	return f.reason(u, nil, err)
}

func (f *Flags) reason(u, proxy *url.URL, err error) error {
	at := *u
	if f.socket != "" {
		at.Host = f.socket
	}
	return exit.With(exit.NoConnection, exit.Explain(explain(&at, proxy, err), err))
}

// proxyTo returns the proxy that a Dialer uses for u, or nil.
func (f *Flags) proxyTo(u *url.URL) *url.URL {
	proxyOf, err := f.proxyFunc()
	if err != nil || proxyOf == nil {
		return nil
	}
	target := *u
	target.Scheme = map[string]string{"ws": "http", "wss": "https"}[u.Scheme]
	proxy, err := proxyOf(&http.Request{URL: &target})
	if err != nil {
		return nil
	}
	return proxy
}
