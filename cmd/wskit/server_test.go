package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wskit/wskit/websocket"
	_ "github.com/wskit/wskit/websocket/xconnect"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh3"
	"github.com/wskit/wskit/wsutil"
)

// testServers starts the servers for a test that is no script.
func testServers(t *testing.T) map[string]string { return startServers(t.Cleanup) }

// startServers starts servers that live until cleanup, and returns their URLs.
func startServers(cleanup func(func())) map[string]string {
	handlers := map[string]http.HandlerFunc{
		"ECHO": serve(echo),
		"SLOW": serve(func(conn net.Conn) { // a tenth of a second for each answer
			each(conn, func(p []byte) []byte { time.Sleep(100 * time.Millisecond); return p })
		}),
		"DROP": serve(dropper()),
		"CUT":  serve(cutter()),
		"AUTH": func(w http.ResponseWriter, r *http.Request) {
			if name, password, _ := r.BasicAuth(); name != "ann" || password != "secret" {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			serve(echo)(w, r)
		},
		"PAGE": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>a page") },
		"HEAD": func(w http.ResponseWriter, r *http.Request) { // says what the request was
			u := ws.HTTPUpgrader{Protocol: ws.SelectFromSlice([]string{"chat.v2"})}
			conn, _, _, err := u.Upgrade(r, w)
			if err == nil {
				defer conn.Close()
				answer := strings.Join([]string{r.Host, r.URL.String(), r.Header.Get("Origin"), r.Header.Get("X-Test"), r.Header.Get("Cookie")}, "|")
				wsutil.WriteServerText(conn, []byte(answer))
				echo(conn)
			}
		},
		"NOT_FOUND": http.NotFound,
		"AWAY":      serve(leave(ws.StatusGoingAway, "")),
		"DENY":      serve(leave(ws.StatusPolicyViolation, "no")),
		"BACK":      serve(comesBack()),
		"LEAVE":     serve(leave(4001, "go away")), // an error code
		"PUSH": serve(func(conn net.Conn) { // sends without being asked
			wsutil.WriteServerText(conn, []byte(`{"b":[1,2],"a":"x"}`))
			wsutil.WriteServerBinary(conn, []byte{0, 1, 0xfe})
			echo(conn)
		}),
	}
	handlers["ZIP"] = compressed(func(p []byte) []byte { return p })
	handlers["ZIP_WRONG"] = compressed(bytes.ToUpper)
	handlers["MUTE"] = serve(func(conn net.Conn) { each(conn, func([]byte) []byte { return nil }) })
	handlers["BYE"] = serve(leave(ws.StatusNormalClosure, ""))
	handlers["PEERS"] = seen(serve(echo))
	handlers["LAX"] = serve(lax)
	handlers["DEAF"] = serve(func(conn net.Conn) { io.Copy(io.Discard, conn) })
	handlers["LATE"] = serve(late)
	handlers["VANISH"] = serve(func(net.Conn) {})
	urls := make(map[string]string)
	for name, handler := range handlers {
		server := httptest.NewServer(handler)
		cleanup(server.Close)
		urls[name] = "ws" + strings.TrimPrefix(server.URL, "http")
	}
	urls["NOT_FOUND"] += "/x"
	urls["PEERS_SEEN"] = "http" + strings.TrimPrefix(urls["PEERS"], "ws") + "/seen"
	server := httptest.NewTLSServer(serve(echo))
	cleanup(server.Close)
	urls["TLS"] = "wss" + strings.TrimPrefix(server.URL, "https")
	urls["TLS_PROXY"] = server.URL
	strict := httptest.NewUnstartedServer(serve(echo)) // which wants the client's certificate
	strict.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	strict.StartTLS()
	cleanup(strict.Close)
	urls["MTLS"] = "wss" + strings.TrimPrefix(strict.URL, "https")
	urls["HTTP2"], urls["H2C"] = startHTTP2(cleanup)
	urls["HTTP3"] = startHTTP3(cleanup)
	urls["NOTHING"] = "ws://" + closedPort()
	urls["GARBAGE"] = "ws://" + listen(cleanup, func(conn net.Conn) { io.WriteString(conn, "220 ready\r\n\r\n") })
	urls["SILENT"] = "ws://" + listen(cleanup, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	urls["PROXY"] = "http://" + listen(cleanup, proxy)
	urls["DIES"] = "ws://" + mortal(cleanup, 10)
	urls["UNIX"] = "ws+unix://" + unixEcho(cleanup)
	urls["TCP"] = listen(cleanup, func(conn net.Conn) { // sends all back once it has all
		p, _ := io.ReadAll(conn)
		conn.Write(p)
	})
	urls["SOCKS"] = listen(cleanup, func(conn net.Conn) { socks(conn, strings.TrimPrefix(urls["ECHO"], "ws://")) })
	for name, answer := range map[string]string{
		"PROXY_403":  "403 Forbidden\r\nContent-Length: 8\r\n\r\nnot you\n",
		"PROXY_404":  "404 Not Found\r\nContent-Length: 0\r\n\r\n",
		"PROXY_503":  "503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
		"PROXY_NTLM": "407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n",
	} {
		urls[name] = listen(cleanup, func(conn net.Conn) {
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, "HTTP/1.1 "+answer)
		})
	}
	urls["PROXY_CLOSES"] = listen(cleanup, func(conn net.Conn) { http.ReadRequest(bufio.NewReader(conn)) })
	return urls
}

// unixEcho serves WebSockets that echo at a Unix socket, and returns its path.
func unixEcho(cleanup func(func())) (path string) {
	dir, err := os.MkdirTemp("", "wskit") // a path of a socket has to be short
	if err != nil {
		panic(err)
	}
	server := httptest.NewUnstartedServer(serve(echo))
	if server.Listener, err = net.Listen("unix", filepath.Join(dir, "s")); err != nil {
		panic(err)
	}
	server.Start()
	cleanup(func() { server.Close(); os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// mortal is an echo that ends after a number of connections, as a server does that crashes.
func mortal(cleanup func(func()), conns int) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	cleanup(func() { ln.Close() })
	go func() {
		for i := range conns {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if i == conns-1 {
				ln.Close() // before the last client can be followed by another one
			}
			if _, err := ws.Upgrade(conn); err == nil {
				echo(conn)
			}
			conn.Close()
		}
	}()
	return ln.Addr().String()
}

// compressed answers each message with change of it, compressed with takeover.
func compressed(change func([]byte) []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for m, err := range c.Messages(r.Context()) {
			if err != nil || c.Write(r.Context(), m.Type, change(m.Data)) != nil {
				return
			}
		}
	}
}

// leave closes with this code.
func leave(code ws.StatusCode, reason string) func(net.Conn) {
	return func(conn net.Conn) {
		ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason)))
		wsutil.ReadClientData(conn) // the answer to it
	}
}

// comesBack leaves its first client, and says to the others that it is back.
func comesBack() func(net.Conn) {
	var first sync.Once
	return func(conn net.Conn) {
		say := func() {
			wsutil.WriteServerText(conn, []byte("here again"))
			leave(ws.StatusNormalClosure, "")(conn)
		}
		first.Do(func() { say = func() { leave(ws.StatusGoingAway, "back soon")(conn) } })
		say()
	}
}

// echoOver echoes over one version of HTTP.
func echoOver(version int, accept func(http.ResponseWriter, *http.Request, *websocket.AcceptOptions) (*websocket.Conn, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := accept(w, r, &websocket.AcceptOptions{
			CompressionMode: websocket.CompressionContextTakeover, Subprotocols: []string{"chat.v2"},
			ConnOptions: websocket.ConnOptions{ReadLimit: -1},
		})
		if err != nil || r.ProtoMajor != version {
			return
		}
		defer c.CloseNow()
		for {
			typ, p, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), typ, p) != nil {
				return
			}
		}
	}
}

// startHTTP3 starts a server that echoes over HTTP/3. Its certificate is that of httptest.
func startHTTP3(cleanup func(func())) string {
	certified := httptest.NewTLSServer(nil)
	defer certified.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := &http3.Server{
		Handler:    echoOver(3, wsh3.Accept),
		TLSConfig:  http3.ConfigureTLSConfig(&tls.Config{Certificates: certified.TLS.Certificates}),
		QUICConfig: wsh3.QUICConfig(),
	}
	go s.Serve(udp)
	cleanup(func() {
		s.Close()
		udp.Close()
	})
	return "wss://" + udp.LocalAddr().String()
}

// startHTTP2 starts servers that echo over HTTP/2, with and without TLS.
func startHTTP2(cleanup func(func())) (secure, clear string) {
	handler := echoOver(2, websocket.Accept)
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = true
	s.StartTLS()
	cleanup(s.Close)
	c := httptest.NewUnstartedServer(handler)
	c.Config.Protocols = new(http.Protocols)
	c.Config.Protocols.SetUnencryptedHTTP2(true)
	c.Start()
	cleanup(c.Close)
	return "wss" + strings.TrimPrefix(s.URL, "https"), "ws" + strings.TrimPrefix(c.URL, "http")
}

// socks is a proxy that speaks SOCKS5 (RFC 1928) without authentication, and connects to
// target for each name of the domain example.
func socks(conn net.Conn, target string) {
	br := bufio.NewReader(conn)
	read := func(n int) []byte {
		p := make([]byte, n)
		io.ReadFull(br, p)
		return p
	}
	read(int(read(2)[1])) // the methods
	conn.Write([]byte{5, 0})
	if request := read(4); request[3] != 3 { // a name
		conn.Write([]byte{5, 8, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	name := string(read(int(read(1)[0])))
	read(2) // the port
	if !strings.HasSuffix(name, ".example") {
		conn.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0})
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	go io.Copy(server, br)
	io.Copy(conn, server)
}

// seen counts the connections of each address, and lists them at /seen.
func seen(next http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	count := make(map[string]int)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/seen" {
			host, _, _ := net.SplitHostPort(r.RemoteAddr)
			mu.Lock()
			count[host]++
			mu.Unlock()
			next(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for host, n := range count {
			fmt.Fprintln(w, host, n)
		}
	}
}

// serverCertificate is that of the server at $TLS, and its key.
func serverCertificate() (certificate, key []byte) {
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	der, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// closedPort is an address where nobody listens.
func closedPort() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// listen serves connections with talk and returns its address.
func listen(cleanup func(func()), talk func(net.Conn)) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	cleanup(func() { ln.Close() })
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

// proxy does what CONNECT asks for.
func proxy(conn net.Conn) {
	br := bufio.NewReader(conn)
	request, err := http.ReadRequest(br)
	if err != nil || request.Method != http.MethodConnect {
		return
	}
	server, err := net.Dial("tcp", request.Host)
	if err != nil {
		return
	}
	defer server.Close()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(server, br)
		server.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(conn, server)
}

func serve(talk func(net.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err == nil {
			defer conn.Close()
			talk(conn)
		}
	}
}

// each answers each message with what answer returns, or not at all if that is nil.
func each(conn net.Conn, answer func([]byte) []byte) {
	for {
		p, op, err := wsutil.ReadClientData(conn)
		if err != nil {
			return
		}
		if p = answer(p); p != nil {
			if wsutil.WriteServerMessage(conn, op, p) != nil {
				return
			}
		}
	}
}

func echo(conn net.Conn) {
	each(conn, func(p []byte) []byte { return append([]byte{}, p...) })
}

// lax sends back every frame, whatever its bits say.
func lax(conn net.Conn) {
	for {
		f, err := ws.ReadFrame(conn)
		if err != nil {
			return
		}
		f = ws.UnmaskFrameInPlace(f)
		if f.Header.OpCode == ws.OpPing {
			f.Header.OpCode = ws.OpPong
		}
		if ws.WriteFrame(conn, f) != nil || f.Header.OpCode == ws.OpClose {
			return
		}
	}
}

// late answers nothing before a ping, and then a while after the pong, as a server may
// whose answers come from elsewhere than its pongs.
func late(conn net.Conn) {
	var held []ws.Frame
	for {
		f, err := ws.ReadFrame(conn)
		if err != nil {
			return
		}
		f = ws.UnmaskFrameInPlace(f)
		switch f.Header.OpCode {
		case ws.OpClose:
			ws.WriteFrame(conn, f)
			return
		case ws.OpPing:
			ws.WriteFrame(conn, ws.NewPongFrame(f.Payload))
			time.Sleep(50 * time.Millisecond)
			for _, f := range held {
				ws.WriteFrame(conn, f)
			}
			held = nil
		default:
			held = append(held, f)
		}
	}
}

// dropper answers all but every tenth message of a connection.
func dropper() func(net.Conn) {
	return func(conn net.Conn) {
		n := 0
		each(conn, func(p []byte) []byte {
			if n++; n%10 == 0 {
				return nil
			}
			return p
		})
	}
}

// cutter cuts every connection off at its fifth message.
func cutter() func(net.Conn) {
	var connections atomic.Int64
	return func(conn net.Conn) {
		connections.Add(1)
		n := 0
		each(conn, func(p []byte) []byte {
			if n++; n == 5 {
				conn.Close()
			}
			return p
		})
	}
}

// status runs a program and checks its exit status: status 3 wskit dial …
// What it prints is there for stdout and stderr as after exec.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	path, err := exec.LookPath(filepath.Join(strings.Split(ts.Getenv("PATH"), ":")[0], args[1]))
	ts.Check(err)
	cmd := exec.Command(path, args[2:]...)
	cmd.Dir = ts.Getenv("WORK")
	cmd.Env = []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH"), "XDG_STATE_HOME=" + ts.Getenv("XDG_STATE_HOME")}
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = ts.Stdout(), io.MultiWriter(&stderr, ts.Stderr())
	cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit status %d, want %d: %s", got, want, &stderr)
	}
}

// get prints what a GET of a URL yields: get URL [status].
func get(ts *testscript.TestScript, _ bool, args []string) {
	response, err := http.Get(args[0])
	ts.Check(err)
	defer response.Body.Close()
	_, err = io.Copy(ts.Stdout(), response.Body)
	ts.Check(err)
	if want := append(args[1:], "200")[0]; strconv.Itoa(response.StatusCode) != want {
		ts.Fatalf("status %d, want %s", response.StatusCode, want)
	}
}

// waitFor gets a URL until what it yields matches: waitfor URL REGEXP.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[1])
	for range 3000 { // longer than a lost HTTP/3 connection lives
		if want.Match(fetch(ts, args[0])) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s never yields %s", args[0], args[1])
}

// fetch returns what a GET of a URL yields.
func fetch(ts *testscript.TestScript, url string) []byte {
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	response, err := trusting.Get(url)
	ts.Check(err)
	defer response.Body.Close()
	p, err := io.ReadAll(response.Body)
	ts.Check(err)
	return p
}
