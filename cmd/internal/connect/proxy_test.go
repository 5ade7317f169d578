package connect

import (
	"bufio"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// listening serves the request of each connection with talk, and returns host and port.
func listening(t *testing.T, talk func(net.Conn, *http.Request)) string {
	return serving(t, func(conn net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			talk(conn, r)
		}
	})
}

// serving serves connections with talk, and returns host and port.
func serving(t *testing.T, talk func(net.Conn)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				talk(conn)
			}()
		}
	}()
	return ln.Addr().String()
}

// answering is a proxy with one answer to everything.
func answering(t *testing.T, answer string) string {
	return listening(t, func(conn net.Conn, _ *http.Request) {
		io.WriteString(conn, strings.ReplaceAll(answer, "\n", "\r\n"))
	})
}

// connecting is a proxy that does what CONNECT asks for.
func connecting(t *testing.T) string {
	return listening(t, func(conn net.Conn, r *http.Request) {
		server, err := net.Dial("tcp", r.Host)
		if err != nil {
			io.WriteString(conn, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
			return
		}
		defer server.Close()
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		go io.Copy(server, conn)
		io.Copy(conn, server)
	})
}

// answeringBytes is a proxy that sends one answer for each read.
func answeringBytes(t *testing.T, answers ...string) string {
	return serving(t, func(conn net.Conn) {
		p := make([]byte, 512)
		for _, answer := range answers {
			if _, err := conn.Read(p); err != nil {
				return
			}
			io.WriteString(conn, answer)
		}
	})
}

func closedPort(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// TestProxyFaults has proxies that do not connect, each in a way of its own. The text
// names the proxy as PROXY, and what it answered.
func TestProxyFaults(t *testing.T) {
	const host = "server.example:81"
	tlsProxy := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsProxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	tlsProxy.StartTLS()
	t.Cleanup(tlsProxy.Close)
	plainProxy := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plainProxy.Close)
	silent := listening(t, func(conn net.Conn, _ *http.Request) { io.Copy(io.Discard, conn) })
	long := strings.Repeat("x", 300)

	for name, tt := range map[string]struct{ proxy, text, kind string }{
		"closed port": {
			"http://" + closedPort(t),
			"connection to proxy PROXY refused: is it running, and is the port right? Use --proxy none to connect directly",
			"proxy: connection refused",
		},
		"proxy: unknown host": {
			"http://no.such.host.invalid:3128",
			"unknown proxy host no.such.host.invalid: check the name, or use --proxy none",
			"proxy: unknown host",
		},
		"403": {
			"http://" + answering(t, "HTTP/1.1 403 Forbidden\nContent-Length: 12\n\nport is 81.\n"),
			`proxy PROXY refused to connect to ` + host + ` (403 Forbidden: "port is 81."): it may allow only other hosts and ports`,
			"proxy refused with 403",
		},
		"404, a page": {
			"http://" + answering(t, "HTTP/1.1 404 Not Found\nContent-Length: 6\n\n<html>"),
			"proxy PROXY did not connect to " + host + " (404 Not Found): is it an HTTP proxy that supports CONNECT?",
			"proxy refused with 404",
		},
		"405": {
			"http://" + answering(t, "HTTP/1.1 405 Method Not Allowed\nContent-Length: 0\n\n"),
			"proxy PROXY did not connect to " + host + " (405 Method Not Allowed): is it an HTTP proxy that supports CONNECT?",
			"proxy refused with 405",
		},
		"a redirect that would write to the terminal": {
			"http://" + answering(t, "HTTP/1.1 302 Found\nContent-Length: 0\nLocation: \xc2\x9b31m\n\n"),
			"proxy PROXY did not connect to " + host + ` (302 Found to "\u009b31m"): is it an HTTP proxy that supports CONNECT?`,
			"proxy refused with 302",
		},
		"503": {
			"http://" + answering(t, "HTTP/1.1 503 Service Unavailable\nContent-Length: 0\n\n"),
			"proxy PROXY cannot connect to " + host + " (503 Service Unavailable): is the server running, and are host and port right?",
			"proxy refused with 503",
		},
		"429": {
			"http://" + answering(t, "HTTP/1.1 429 Too Many Requests\nContent-Length: 0\n\n"),
			"proxy PROXY is busy (429 Too Many Requests): try again later",
			"proxy refused with 429",
		},
		"closes": {
			"http://" + answering(t, ""),
			"proxy PROXY closed the connection without an answer: is it an HTTP proxy, and does it accept http://?",
			"not an HTTP proxy",
		},
		"closes in the answer": {
			"http://" + answering(t, "HTTP/1.1 200 O"),
			"proxy PROXY closed the connection without an answer: is it an HTTP proxy, and does it accept http://?",
			"not an HTTP proxy",
		},
		"SOCKS, closes": {
			"socks5://" + answeringBytes(t, ""), // after the greeting
			"proxy PROXY closed the connection without an answer: is it a SOCKS5 proxy, and does it accept socks5://?",
			"not a SOCKS5 proxy",
		},
		"SOCKS, connects to nothing": {
			"socks5h://" + answeringBytes(t, "\x05\x00", "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"),
			"proxy PROXY: socks connect tcp PROXY->" + host,
			"proxy: other: ",
		},
		"SOCKS, refuses credentials": {
			"socks5://ann:secret@" + answeringBytes(t, "\x05\x02", "\x01\x01"),
			"proxy PROXY: socks connect tcp PROXY->" + host,
			"proxy: other: ",
		},
		"speaks no HTTP": {
			"http://" + answering(t, "220 ready\n\n"),
			"proxy PROXY is not an HTTP proxy (",
			"not an HTTP proxy",
		},
		"unknown certificate": {
			tlsProxy.URL,
			"the certificate of proxy PROXY is signed by an unknown authority: trust it with --ca FILE, or skip the check with --insecure",
			"proxy: certificate",
		},
		"no TLS": {
			"https" + strings.TrimPrefix(plainProxy.URL, "http"),
			"proxy PROXY does not use TLS: write http:// instead of https://",
			"proxy: certificate",
		},
		"silent": {
			"http://" + silent,
			"timeout: no answer from proxy PROXY, or through it from " + host + ": check both, or give a longer --timeout",
			"timeout",
		},
		"407 without credentials": {
			"http://" + answering(t, "HTTP/1.1 407 Proxy Authentication Required\nProxy-Authenticate: Basic realm=\"office\"\nContent-Length: 0\n\n"),
			`proxy PROXY requires authentication (407 Proxy Authentication Required, Proxy-Authenticate: "Basic realm=\"office\""): use --proxy http://name:password@PROXY`,
			"proxy refused with 407",
		},
		"407 after credentials": {
			"http://ann:secret@" + answering(t, "HTTP/1.1 407 Proxy Authentication Required\nProxy-Authenticate: Negotiate\nProxy-Authenticate: basic realm=x\nContent-Length: 0\n\n"),
			`proxy PROXY refused the name and password (407 Proxy Authentication Required, Proxy-Authenticate: "Negotiate, basic realm=x"): check them`,
			"proxy refused with 407",
		},
		"only NTLM after credentials": {
			"http://ann:secret@" + answering(t, "HTTP/1.1 407 Proxy Authentication Required\nProxy-Authenticate: NTLM\nContent-Length: 0\n\n"),
			`proxy PROXY refused the name and password, sent with scheme Basic (407 Proxy Authentication Required, Proxy-Authenticate: "NTLM"): wskit supports no other scheme`,
			"proxy refused with 407",
		},
		"only NTLM without credentials": {
			"http://" + answering(t, "HTTP/1.1 407 Proxy Authentication Required\nProxy-Authenticate: NTLM, Negotiate\nContent-Length: 0\n\n"),
			`proxy PROXY requires authentication (407 Proxy Authentication Required, Proxy-Authenticate: "NTLM, Negotiate") with a scheme other than Basic, which wskit does not support`,
			"proxy refused with 407",
		},
		"407 that says nothing, or much": {
			"http://ann:secret@" + answering(t, "HTTP/1.1 407 Proxy Authentication Required\nContent-Length: 0\n\n"),
			"proxy PROXY refused the name and password (407 Proxy Authentication Required, without Proxy-Authenticate): check them",
			"proxy refused with 407",
		},
		"407 with a long challenge": {
			"http://ann:secret@" + answering(t, "HTTP/1.1 407 Proxy Authentication Required\nProxy-Authenticate: Basic realm="+long+"\nContent-Length: 0\n\n"),
			`Proxy-Authenticate: "Basic realm=` + long[:244] + `"…): check them`,
			"proxy refused with 407",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := parse(t, "--proxy", tt.proxy)
			if tt.kind == "timeout" {
				f = parse(t, "--proxy", tt.proxy, "--timeout", "50ms")
			}
			d, err := f.Dialer()
			require.NoError(t, err)
			for _, scheme := range []string{"ws", "wss"} {
				u, err := URL(scheme + "://" + host + "/path")
				require.NoError(t, err)
				_, _, _, err = d.Dial(context.Background(), u.String())
				require.Error(t, err)
				proxy, _ := url.Parse(tt.proxy)
				reason := f.Reason(u, err)
				require.Equal(t, exit.NoConnection, exit.Status(reason))
				require.Contains(t, strings.ReplaceAll(reason.Error(), proxy.Host, "PROXY"), tt.text)
				require.NotContains(t, reason.Error(), "secret")
				if strings.HasSuffix(tt.kind, ": ") {
					require.Contains(t, Kind(err), tt.kind)
				} else {
					require.Equal(t, tt.kind, Kind(err))
				}
			}
		})
	}
}

// TestServerFaultsThroughProxy has a proxy that does its part: the server is named,
// and the way to it.
func TestServerFaultsThroughProxy(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	proxy := connecting(t)
	for name, tt := range map[string]struct{ url, text string }{
		"403": {
			"ws://" + answering(t, "HTTP/1.1 403 Forbidden\nContent-Length: 0\n\n"),
			"the server refused the handshake (403 Forbidden): it may require another --origin, or credentials (through proxy PROXY)",
		},
		"407": {
			"ws://" + answering(t, "HTTP/1.1 407 Proxy Authentication Required\nProxy-Authenticate: Basic\nContent-Length: 0\n\n"),
			`SERVER is a proxy that requires authentication (407 Proxy Authentication Required, Proxy-Authenticate: "Basic"): use --proxy http://name:password@host:port (through proxy PROXY)`,
		},
		"closes":              {"ws://" + answering(t, ""), "SERVER is not a WebSocket server ("},
		"unknown certificate": {"wss" + strings.TrimPrefix(secure.URL, "https"), "the certificate of SERVER is signed by an unknown authority: trust it with --ca FILE, or skip the check with --insecure (through proxy PROXY)"},
		"closed port":         {"ws://" + closedPort(t), "proxy PROXY cannot connect to SERVER (502 Bad Gateway): is the server running, and are host and port right?"},
	} {
		t.Run(name, func(t *testing.T) {
			f := parse(t, "--proxy", "http://"+proxy)
			d, err := f.Dialer()
			require.NoError(t, err)
			u, err := URL(tt.url)
			require.NoError(t, err)
			_, _, _, err = d.Dial(context.Background(), u.String())
			text := f.Reason(u, err).Error()
			text = strings.ReplaceAll(strings.ReplaceAll(text, u.Host, "SERVER"), proxy, "PROXY")
			require.Contains(t, text, tt.text)
		})
	}
}
