package connect

import (
	"context"
	"net"
	"net/url"
	"strings"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// unixSchemes are the schemes of servers at a Unix socket, and what they stand for.
var unixSchemes = map[string]string{"ws+unix": "ws", "wss+unix": "wss"}

// Target is [URL] for a server that may listen at a Unix socket. In
// "ws+unix:///run/app.sock:/chat?x=1", what follows the first colon after the path of
// the socket is the request's path; without it that is "/". The result has host
// localhost then, and a Dialer of f connects to the socket, without a proxy.
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

// NetDial returns what connects to the Unix socket that Target was given, or nil if it
// was none.
func (f *Flags) NetDial() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if f.socket == "" {
		return nil
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", f.socket)
	}
}

// Name returns u, which Target has returned, as the command line said it, without a
// password.
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

// Address returns the network and the address of "host:port" or "unix:/path", as
// functions of package net take them. flag is the name of the flag for errors.
func Address(flag, s string) (network, addr string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok && path != "" {
		return "unix", path, nil
	}
	if _, port, err := net.SplitHostPort(s); err != nil || port == "" {
		return "", "", exit.Usagef("%s %q: write host:port or unix:/path", flag, s)
	}
	return "tcp", s, nil
}
