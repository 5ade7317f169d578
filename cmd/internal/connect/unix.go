package connect

import (
	"context"
	"net"
	"net/url"
	"strings"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// unixSchemes maps the schemes of servers on a Unix socket to WebSocket
// schemes.
var unixSchemes = map[string]string{"ws+unix": "ws", "wss+unix": "wss"}

// Target is [URL] for a server that may listen on a Unix socket. In
// "ws+unix:///run/app.sock:/chat?x=1", the text after the first colon of the
// path is the path of the request, "/" by default. The result then has host
// localhost, and a Dialer of f connects to the socket, without a proxy.
func (f *Flags) Target(arg string) (*url.URL, error) {
	f.socket = ""
	scheme, rest, _ := strings.Cut(arg, ":")
	plain, ok := unixSchemes[strings.ToLower(scheme)]
	if !ok {
		u, err := URL(arg)
		if err != nil {
			return nil, err
		}
		return u, f.checkVersion(u)
	}
	socket, path, _ := strings.Cut(strings.TrimPrefix(rest, "//"), ":")
	if socket == "" || path != "" && path[0] != '/' {
		return nil, exit.Usagef("%q: write ws+unix:///path/of.sock:/path", arg)
	}
	u, err := URL(plain + "://localhost" + path)
	if err == nil {
		f.socket = socket
		err = f.checkVersion(u)
	}
	return u, err
}

// NetDial returns a function that connects to the Unix socket in Target, or nil
// if there is none.
func (f *Flags) NetDial() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if f.socket == "" {
		return nil
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", f.socket)
	}
}

// Name returns u, a result of Target, in the form of the command line, without
// a password.
func (f *Flags) Name(u *url.URL) string {
	if f.socket == "" {
		return u.Redacted()
	}
	for scheme, plain := range unixSchemes {
		if plain == u.Scheme {
			return scheme + "://" + f.socket + ":" + u.RequestURI()
		}
	}
	return f.socket
}

// Address returns the network and the address of "host:port" or "unix:/path"
// for package net. flag is the name of the flag for errors.
func Address(flag, s string) (network, addr string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok && path != "" {
		return "unix", path, nil
	}
	if _, port, err := net.SplitHostPort(s); err != nil || port == "" {
		return "", "", exit.Usagef("%s %q: write host:port or unix:/path", flag, s)
	}
	return "tcp", s, nil
}
