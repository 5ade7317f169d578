package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh2"
)

// A proxy is a program between our client and our server.
type proxy struct {
	name    string
	forward bool     // the client asks it to connect; otherwise it stands before the server
	patient bool     // it ends no connection because it is silent
	guide   []string // what to replace in the configuration of docs/guide/proxies.md, which takes the place of GUIDE
	config  string
	args    func(config, dir string) []string
}

// proxyIdle is the time without traffic after which a proxy in front of a
// server ends a connection, in the tests of that.
const proxyIdle = 3 * time.Second

// proxies are what the tests go through. In the configurations, LISTEN and
// SERVER are addresses, PORT and SERVERPORT are their ports, DIR is a folder of
// the test, and IDLE is the time without traffic after which a connection ends.
var proxies = []proxy{
	{name: "nginx", guide: []string{"listen 80;", "listen LISTEN;", "127.0.0.1:8080", "SERVER", "proxy_read_timeout 60s", "proxy_read_timeout IDLE"}, config: `
daemon off; master_process off; pid DIR/pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
	GUIDE
}`, args: func(config, dir string) []string { return []string{"-p", dir, "-e", "stderr", "-c", config} }},
	{name: "haproxy", guide: []string{"bind :80", "bind LISTEN", "127.0.0.1:8080", "SERVER", "timeout tunnel 60s", "timeout tunnel IDLE"},
		config: "GUIDE", args: func(config, _ string) []string { return []string{"-db", "-f", config} }},
	{name: "caddy", patient: true, guide: []string{"app.example {", "http://:PORT {", "127.0.0.1:8080", "SERVER"}, config: `
{
	admin off
	default_bind 127.0.0.1
}
GUIDE`, args: func(config, _ string) []string { return []string{"run", "--adapter", "caddyfile", "--config", config} }},
	{name: "tinyproxy", forward: true, config: `
Port PORT
Listen 127.0.0.1
Timeout 60
MaxClients 20
Allow 127.0.0.1
`, args: func(config, _ string) []string { return []string{"-d", "-c", config} }},
	{name: "squid", forward: true, config: `
http_port LISTEN
http_access allow all
cache deny all
cache_mem 8 MB
max_filedescriptors 1024
pid_filename none
access_log none
cache_log DIR/cache.log
cache_store_log none
coredump_dir DIR
shutdown_lifetime 0 seconds
pinger_enable off
netdb_filename none
visible_hostname localhost
`, args: func(config, _ string) []string { return []string{"-N", "-f", config} }},
}

// text returns the configuration, with that of the guide in it.
func (p proxy) text(t *testing.T) string {
	t.Helper()
	if p.guide == nil {
		return p.config
	}
	page, err := os.ReadFile("../../docs/guide/proxies.md")
	require.NoError(t, err)
	_, block, _ := strings.Cut(string(page), "```"+p.name+"\n")
	block, _, ok := strings.Cut(block, "```")
	require.True(t, ok, "the guide has a configuration for %s", p.name)
	for i := 0; i < len(p.guide); i += 2 {
		require.Equal(t, 1, strings.Count(block, p.guide[i]), p.guide[i])
		block = strings.Replace(block, p.guide[i], p.guide[i+1], 1)
	}
	return strings.Replace(p.config, "GUIDE", block, 1)
}

// find returns the path of the program.
func (p proxy) find() (path string, ok bool) {
	for _, name := range []string{p.name, "/usr/sbin/" + p.name} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// start runs the proxy on a free port until the test ends, after prepare has
// put files where DIR is.
func (p proxy) start(t *testing.T, server string, idle time.Duration, prepare ...func(dir string)) (addr string) {
	t.Helper()
	path, ok := p.find()
	need(t, ok, p.name)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr = ln.Addr().String()
	require.NoError(t, ln.Close())
	_, port, _ := net.SplitHostPort(addr)

	dir := t.TempDir()
	config := filepath.Join(dir, "proxy.conf")
	_, serverPort, _ := net.SplitHostPort(server)
	text := strings.NewReplacer("LISTEN", addr, "SERVERPORT", serverPort, "PORT", port, "SERVER", server, "DIR", dir, "IDLE", fmt.Sprintf("%ds", int(idle.Seconds()))).Replace(p.text(t))
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	if os.Geteuid() == 0 { // squid drops the rights of root
		require.NoError(t, os.Chmod(dir, 0o777))
		require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
		require.NoError(t, os.Chmod(config, 0o644))
	}
	for _, f := range prepare {
		f(dir)
	}
	cmd, stop := command(t, path, p.args(config, dir)...)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir) // what Caddy writes
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	require.NoError(t, cmd.Start())
	for deadline := time.Now().Add(patience / 2); ; {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return addr
		}
		if time.Now().After(deadline) {
			stop()
			t.Fatalf("%s does not listen: %s", p.name, printed.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// serveProxied returns the address of a server with a path for each case, and
// what its connections ended with.
func serveProxied(t *testing.T) (addr string, ended <-chan error) {
	ends := make(chan error, 10)
	echo := func(o websocket.ConnOptions) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{ConnOptions: o})
			if err != nil {
				ends <- err
				return
			}
			defer c.CloseNow()
			for {
				typ, p, err := c.Read(r.Context())
				if err == nil && string(p) == "close" {
					ends <- c.Close(4002, "as you say €")
					return
				}
				if err == nil {
					err = c.Write(r.Context(), typ, p)
				}
				if err != nil {
					ends <- err
					return
				}
			}
		}
	}
	large := websocket.ConnOptions{ReadLimit: 32 << 20}
	alive := large
	alive.KeepAlive, alive.KeepAliveTimeout = proxyIdle/3, proxyIdle/2
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", echo(large))
	mux.HandleFunc("/alive", echo(alive))
	mux.HandleFunc("/address", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			Proxies:     &ws.Proxies{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
			ConnOptions: websocket.ConnOptions{KeepRequest: true},
		})
		if err != nil {
			ends <- err
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, "%v %v", c.RemoteAddr(), c.Request().Host))
		ends <- c.Close(websocket.StatusNormalClosure, "")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://"), ends
}

// TestProxies has our client talk to our server through proxies.
func TestProxies(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			server, ended := serveProxied(t)
			addr := p.start(t, server, patience)
			via := &via{base: "ws://" + addr, ended: ended}
			if p.forward {
				via.base, via.proxy = "ws://"+server, &url.URL{Scheme: "http", Host: addr}
			}
			t.Run("messages", via.messages)
			t.Run("ping", via.ping)
			t.Run("close by us", via.closeByClient)
			t.Run("close by the server", via.closeByServer)
			t.Run("refused upgrade", via.refused)
			if p.guide != nil {
				t.Run("address", via.address)
			}
		})
	}
}

// TestIdleProxies makes a proxy end connections without traffic.
func TestIdleProxies(t *testing.T) {
	for _, p := range proxies {
		if p.forward || p.patient {
			continue
		}
		for name, test := range map[string]func(*via, *testing.T){"silent": (*via).idle, "keepalive": (*via).alive} {
			t.Run(p.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				server, ended := serveProxied(t)
				test(&via{base: "ws://" + p.start(t, server, proxyIdle), ended: ended}, t)
			})
		}
	}
}

// via is the way through one proxy.
type via struct {
	base  string
	proxy *url.URL // nil for a proxy that stands before the server
	http2 *wsh2.Transport
	ended <-chan error
}

func (v *via) dial(ctx context.Context, path string, header http.Header) (*websocket.Conn, error) {
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header)}
	if v.http2 != nil {
		s, hs, err := websocket.OpenStream(ctx, v.http2, d, v.base+path)
		if err != nil {
			return nil, err
		}
		return websocket.NewConn(s, nil, hs, ws.StateClientSide, &websocket.ConnOptions{ReadLimit: 32 << 20})
	}
	if v.proxy != nil {
		d.Proxy = http.ProxyURL(v.proxy)
	}
	conn, br, hs, err := d.Dial(ctx, v.base+path)
	if err != nil {
		return nil, err
	}
	return websocket.NewConn(conn, br, hs, ws.StateClientSide, &websocket.ConnOptions{ReadLimit: 32 << 20})
}

// open dials, and returns a context that ends all waiting of the test.
func (v *via) open(t *testing.T, path string) (context.Context, *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c, err := v.dial(ctx, path, nil)
	require.NoError(t, err)
	t.Cleanup(func() { c.CloseNow() })
	return ctx, c
}

// end returns what the connection of the server ended with.
func (v *via) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-v.ended:
		return err
	case <-time.After(patience):
		t.Fatal("the connection of the server does not end")
		return nil
	}
}

func echoed(ctx context.Context, t *testing.T, c *websocket.Conn, p []byte) {
	t.Helper()
	require.NoError(t, c.Write(ctx, websocket.MessageBinary, p))
	typ, got, err := c.Read(ctx)
	require.NoError(t, err)
	require.Equal(t, websocket.MessageBinary, typ)
	require.True(t, bytes.Equal(p, got))
}

func (v *via) messages(t *testing.T) {
	ctx, c := v.open(t, "/echo")
	for _, size := range []int{0, 125, 126, 65536, 16 << 20} {
		echoed(ctx, t, c, bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size])
	}
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(v.end(t)))
}

func (v *via) ping(t *testing.T) {
	ctx, c := v.open(t, "/echo")
	ctx = c.CloseRead(ctx)
	for range 3 {
		require.NoError(t, c.Ping(ctx))
	}
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(v.end(t)))
}

func (v *via) closeByClient(t *testing.T) {
	_, c := v.open(t, "/echo")
	require.NoError(t, c.Close(4001, "bye €"))
	var e websocket.CloseError
	require.ErrorAs(t, v.end(t), &e)
	require.Equal(t, websocket.CloseError{Code: 4001, Reason: "bye €"}, e)
}

func (v *via) closeByServer(t *testing.T) {
	ctx, c := v.open(t, "/echo")
	require.NoError(t, c.Write(ctx, websocket.MessageText, []byte("close")))
	_, _, err := c.Read(ctx)
	var e websocket.CloseError
	require.ErrorAs(t, err, &e)
	require.Equal(t, websocket.CloseError{Code: 4002, Reason: "as you say €"}, e)
	require.NoError(t, v.end(t), "the closing handshake is complete")
}

// The answer of the server arrives as it is.
func (v *via) refused(t *testing.T) {
	_, err := v.dial(t.Context(), "/echo", http.Header{"Origin": {"https://elsewhere.example"}})
	var refused ws.StatusError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusForbidden, int(refused))
	require.Error(t, v.end(t))
	_, err = v.dial(t.Context(), "/nothing", nil)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusNotFound, int(refused))
}

// The server finds out the address of the client, and not the one that the
// client has made up. The client connects from 127.0.0.2, which is no proxy.
func (v *via) address(t *testing.T) {
	if goruntime.GOOS != "linux" {
		t.Skip("127.0.0.2 is an address of this machine only on Linux")
	}
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c, _, err := websocket.Dial(t.Context(), v.base+"/address", &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: from.DialContext}},
		HTTPHeader: http.Header{"X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.example"}},
		Host:       "app.example",
	})
	require.NoError(t, err)
	defer c.CloseNow()
	_, p, err := c.Read(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^127\.0\.0\.2:\d+ app\.example$`, string(p))
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(readEnd(t, c)))
	require.NoError(t, v.end(t))
}

// readEnd returns how the connection ends.
func readEnd(t *testing.T, c *websocket.Conn) error {
	for _, err := range c.Messages(t.Context()) {
		if err != nil {
			return err
		}
	}
	return nil
}

// The proxy ends a silent connection, and neither side waits any longer.
func (v *via) idle(t *testing.T) {
	ctx, c := v.open(t, "/echo")
	_, _, err := c.Read(ctx)
	require.Error(t, err)
	require.NoError(t, ctx.Err(), "the proxy has ended it, and not the test")
	require.Error(t, v.end(t))
}

// Keepalive pings of the server keep the connection open for longer than the
// proxy lets a silent one be.
func (v *via) alive(t *testing.T) {
	ctx, c := v.open(t, "/alive")
	read := c.CloseRead(ctx)
	select {
	case <-read.Done():
		t.Fatal("the proxy has ended a connection with keepalive: ", context.Cause(read))
	case <-time.After(3 * proxyIdle / 2):
	}
	require.NoError(t, c.Ping(ctx))
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(v.end(t)))
}
