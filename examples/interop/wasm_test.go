package interop

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// TestClientChromium runs the tests of package browser in a page and in a
// worker.
func TestClientChromium(t *testing.T) {
	_, ok := findChromium()
	need(t, ok, "chromium")
	program := buildForBrowser(t)
	s := startBrowserServer(t, program)
	b := startChromium(t, s.URL+"/")
	for _, run := range []string{"runTests", "runTestsInWorker"} {
		t.Run(run, func(t *testing.T) {
			b.within(t)
			var result struct {
				Code   int
				Output string
			}
			b.eval(run+"("+quote(s.ws())+")", &result)
			require.Zero(t, result.Code, result.Output)
			requireTestsIn(t, result.Output)
		})
	}
}

// TestClientNode runs them in Node, which has the object of a browser.
func TestClientNode(t *testing.T) {
	const flag = "--experimental-websocket" // which newer versions ignore
	path, err := exec.LookPath("node")
	need(t, err == nil && exec.Command(path, flag, "-e", "WebSocket").Run() == nil, "node with a WebSocket object")
	program := buildForBrowser(t)
	s := startBrowserServer(t, program)
	cmd, _ := command(t, path, flag, "--no-warnings", "--stack-size=8192", wasmFile(t, "wasm_exec_node.js"), program, "-test.v")
	cmd.Env = append(os.Environ(), "INTEROP_SERVER="+s.ws())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	requireTestsIn(t, string(out))
}

// requireTestsIn sees to it that no test has been left out.
func requireTestsIn(t *testing.T, output string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("browser", "*_test.go"))
	require.NoError(t, err)
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)`).FindAllSubmatch(source, -1) {
			found++
			require.Regexp(t, "--- (PASS|SKIP): "+string(m[1])+" ", output)
		}
	}
	require.NotZero(t, found)
}

// buildForBrowser returns the file of the tests' program.
func buildForBrowser(t *testing.T) string {
	t.Helper()
	if race.Enabled {
		t.Skip("the race detector sees nothing of programs for js/wasm")
	}
	program := filepath.Join(t.TempDir(), "test.wasm")
	cmd := exec.Command("go", "test", "-c", "-o", program, "./browser")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// wasmFile returns the path of what runs programs of Go in JavaScript.
func wasmFile(t *testing.T, name string) string {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	return filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm", name)
}

// browserServer is what the tests of package browser talk to.
type browserServer struct {
	*httptest.Server
	mu    sync.Mutex
	ended map[string]chan string // how the connections have, by their keys
	cut   map[string]int         // connections of flaky that were, by client
}

func (s *browserServer) ws() string { return "ws" + strings.TrimPrefix(s.URL, "http") }

func startBrowserServer(t *testing.T, program string) *browserServer {
	t.Helper()
	s := &browserServer{ended: make(map[string]chan string), cut: make(map[string]int)}
	files := map[string]string{
		"/wasm_exec.js": wasmFile(t, "wasm_exec.js"),
		"/wasm.js":      filepath.Join("testdata", "wasm.js"),
		"/test.wasm":    program,
	}
	mux := http.NewServeMux()
	for path, file := range files {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	}
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `<!doctype html><title>tests</title><script src="wasm_exec.js"></script><script src="wasm.js"></script>`)
	})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for path, serve := range map[string]func(*websocket.Conn, *http.Request){
		"/echo":   s.echo,
		"/ended":  s.tellEnd,
		"/close":  closeAtOnce,
		"/flaky":  s.flaky,
		"/drop":   func(c *websocket.Conn, _ *http.Request) { c.CloseNow() },
		"/silent": func(_ *websocket.Conn, r *http.Request) { <-t.Context().Done() },
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
				Subprotocols:    []string{"chat"},
				CompressionMode: websocket.CompressionContextTakeover,
				ConnOptions:     websocket.ConnOptions{ReadLimit: -1},
				OriginPatterns:  []string{"*"}, // Node sends none or its own
			})
			if err != nil {
				return
			}
			defer c.CloseNow()
			serve(c, r)
		})
	}
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// echo echoes, and leaves a note of how that ended.
func (s *browserServer) echo(c *websocket.Conn, r *http.Request) {
	for m, err := range c.Messages(r.Context()) {
		if err != nil {
			<-c.Done()
			s.end(r) <- websocket.CloseStatus(err).String() + " " + c.CloseRecord().Reason
			return
		}
		if c.Write(r.Context(), m.Type, m.Data) != nil {
			return
		}
	}
}

// flaky cuts the first three connections of a client, and then echoes.
func (s *browserServer) flaky(c *websocket.Conn, r *http.Request) {
	const drops = 3
	client := r.FormValue("client") + r.UserAgent()
	s.mu.Lock()
	s.cut[client]++
	keep := s.cut[client]%(drops+1) == 0
	s.mu.Unlock()
	if keep {
		s.echo(c, r)
	}
}

func (s *browserServer) tellEnd(c *websocket.Conn, r *http.Request) {
	select {
	case how := <-s.end(r):
		c.Write(r.Context(), websocket.MessageText, []byte(how))
		c.Close(websocket.StatusNormalClosure, "")
	case <-r.Context().Done():
	}
}

// end returns the channel for the key of the request.
func (s *browserServer) end(r *http.Request) chan string {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.FormValue("key")
	if s.ended[key] == nil || key == "" {
		s.ended[key] = make(chan string, 1)
	}
	return s.ended[key]
}

func closeAtOnce(c *websocket.Conn, r *http.Request) {
	code, _ := strconv.Atoi(r.FormValue("code"))
	c.Write(r.Context(), websocket.MessageText, []byte("last"))
	c.Close(websocket.StatusCode(code), r.FormValue("reason"))
}

// TestChat uses the example whose page is a program in Go.
func TestChat(t *testing.T) {
	_, ok := findChromium()
	need(t, ok, "chromium")
	program := filepath.Join(t.TempDir(), "chat")
	out, err := exec.Command("go", "build", "-o", program, "../browser").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd, _ := command(t, program, "-addr", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "chat: serving on ")
	require.True(t, ok, line)

	b := startChromium(t, url)
	b.until(`!document.querySelector("button").disabled`)
	other := dial(t, "ws"+strings.TrimPrefix(url, "http")+"chat")
	for _, text := range []string{"hello", "<i>you</i>"} {
		b.enter("input", text)
		b.click("button")
		_, p := other.message(nil)
		require.Equal(t, text, string(p))
	}
	other.send(ws.OpText, true, []byte("hello, page"))
	b.until(`document.querySelector("ul").innerText === "hello\n<i>you</i>\nhello, page"`)
	require.Empty(t, b.faults)
}
