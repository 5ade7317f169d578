package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/wskit/wskit/examples/conformance"
)

// proxied is our assembly behind a proxy.
const proxied = "websocket, takeover"

// proxy is a proxy with the settings of its package. In its configuration,
// LISTEN is the address to listen on, SERVER the address of the server, and DIR
// a folder for its files.
type proxy struct {
	name, config string
	args         func(dir, config string) []string
}

var proxies = []proxy{
	{"nginx", `
daemon off; master_process off; pid DIR/pid; error_log stderr;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
	server {
		listen LISTEN;
		location / {
			proxy_pass http://SERVER;
			proxy_http_version 1.1;
			proxy_set_header Host $http_host;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection upgrade;
		}
	}
}`, func(dir, config string) []string { return []string{"-p", dir, "-e", "stderr", "-c", config} }},
	{"haproxy", `
defaults
	mode http
	timeout connect 10s
	timeout client 60s
	timeout server 60s
	timeout tunnel 60s
frontend in
	bind LISTEN
	default_backend out
backend out
	server one SERVER
`, func(_, config string) []string { return []string{"-db", "-f", config} }},
}

// proxyAgents are proxies with our server behind them.
func proxyAgents(limit int64) (list []*agent) {
	for _, p := range proxies {
		list = append(list, &agent{
			name: p.name + " before wskit", setup: "as its package is set up, before: " + proxied,
			version: printedVersion("sh", "-c", `"$0" -v 2>&1 | head -n 1`, p.path()),
			front: func(ctx context.Context) (port int, wait func() error, err error) {
				return p.start(ctx, limit)
			},
		})
	}
	return list
}

// path returns the path of the program. Packages install it in a directory that
// only root has in PATH.
func (p *proxy) path() string {
	if path, err := exec.LookPath(p.name); err == nil {
		return path
	}
	return filepath.Join("/usr/sbin", p.name)
}

// start starts our server and the proxy in front of it. wait waits for the end
// of either.
func (p *proxy) start(ctx context.Context, limit int64) (port int, wait func() error, err error) {
	ended := make(chan error, 2)
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, err
	}
	for _, a := range conformance.Servers(limit) {
		if a.Name == proxied {
			go func() { ended <- a.Serve(ctx, backend) }()
		}
	}
	front, err := freePort()
	if err != nil {
		return 0, nil, err
	}
	cmd, err := p.command(ctx, backend.Addr().String(), front)
	if err != nil {
		return 0, nil, err
	}
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	go func() { ended <- cmd.Wait() }()
	return front, func() error { return <-ended }, reachable(front, ended)
}

// command writes the configuration, and returns the proxy's command.
func (p *proxy) command(ctx context.Context, backend string, front int) (*exec.Cmd, error) {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return nil, err
	}
	replace := strings.NewReplacer("LISTEN", fmt.Sprintf("127.0.0.1:%d", front), "SERVER", backend, "DIR", dir)
	config := filepath.Join(dir, p.name+".conf")
	if err := os.WriteFile(config, []byte(replace.Replace(p.config)), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, p.path(), p.args(dir, config)...)
	cmd.Stderr = os.Stderr
	endWithParent(cmd)
	return cmd, nil
}

// freePort returns an unused port.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// reachable waits until something listens on a port.
func reachable(port int, ended <-chan error) error {
	for range int(startTime / (50 * time.Millisecond)) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-ended:
			return fmt.Errorf("the proxy ended: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.New("the proxy does not listen")
}
