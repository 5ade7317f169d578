package interop

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// firefox is one page of a headless Firefox, driven through WebDriver BiDi over
// our own client. Its methods fail the test.
type firefox struct {
	t       *testing.T
	conn    *client
	context string
	lastID  int
}

// startFirefox starts a browser with a fresh profile that takes any
// certificate, and opens url in it.
func startFirefox(t *testing.T, url string) *firefox {
	t.Helper()
	path, err := exec.LookPath("firefox-esr")
	if err != nil {
		path, err = exec.LookPath("firefox")
	}
	need(t, err == nil, "firefox")
	home := t.TempDir()
	cmd, _ := command(t, path, "--headless", "--no-remote", "--profile", home, "--remote-debugging-port", "0")
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	b := &firefox{t: t, conn: dial(t, bidiURL(t, stderr)+"/session")}
	b.call("session.new", params{"capabilities": params{"alwaysMatch": params{"acceptInsecureCerts": true}}}, nil)
	var tree struct{ Contexts []struct{ Context string } }
	b.call("browsingContext.getTree", params{}, &tree)
	require.NotEmpty(t, tree.Contexts)
	b.context = tree.Contexts[0].Context
	b.call("browsingContext.navigate", params{"context": b.context, "url": url, "wait": "complete"}, nil)
	return b
}

// bidiURL reads it from what Firefox prints, and the rest to nowhere.
func bidiURL(t *testing.T, stderr io.Reader) string {
	t.Helper()
	lines := bufio.NewReader(stderr)
	var printed strings.Builder
	for {
		line, err := lines.ReadString('\n')
		printed.WriteString(line)
		require.NoError(t, err, "firefox ended early: %s", &printed)
		if url, ok := strings.CutPrefix(line, "WebDriver BiDi listening on "); ok {
			go io.Copy(io.Discard, lines)
			return strings.TrimSpace(url)
		}
	}
}

// call sends a command and waits for its result.
func (b *firefox) call(method string, p params, result any) {
	b.t.Helper()
	b.lastID++
	data, err := json.Marshal(params{"id": b.lastID, "method": method, "params": p})
	require.NoError(b.t, err)
	b.conn.send(ws.OpText, true, data)
	for {
		var m struct {
			ID            int
			Type, Message string
			Result        json.RawMessage
		}
		op, data := b.conn.message(nil)
		require.Equal(b.t, ws.OpText, op)
		require.NoError(b.t, json.Unmarshal(data, &m))
		if m.ID != b.lastID {
			continue
		}
		require.Equal(b.t, "success", m.Type, "%s: %s", method, m.Message)
		if result != nil {
			require.NoError(b.t, json.Unmarshal(m.Result, result))
		}
		return
	}
}

// eval runs an expression, or a block in braces, in the page. It waits for a
// promise, and stores the value in result, which may be nil.
func (b *firefox) eval(expression string, result any) {
	b.t.Helper()
	if !strings.HasPrefix(expression, "{") {
		expression = "(async () => JSON.stringify(await (" + expression + ") ?? null))()"
	}
	var answer struct {
		Type             string
		Result           struct{ Value json.RawMessage }
		ExceptionDetails struct{ Text string }
	}
	b.call("script.evaluate", params{"expression": expression, "target": params{"context": b.context}, "awaitPromise": true}, &answer)
	require.Equal(b.t, "success", answer.Type, "%s: %s", expression, answer.ExceptionDetails.Text)
	if result != nil {
		var text string
		require.NoError(b.t, json.Unmarshal(answer.Result.Value, &text))
		require.NoError(b.t, json.Unmarshal([]byte(text), result))
	}
}

// TestHTTP2Firefox runs the script of cases in a browser over HTTP/2 (RFC
// 8441).
func TestHTTP2Firefox(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("testdata", "cases.js"))
	require.NoError(t, err)
	addr, stop := startHTTP2(t, false)
	b := startFirefox(t, "https://"+addr+"/")
	b.eval("{"+string(script)+"}", nil)
	runCommonCases(t, b, quote("wss://"+addr+"/ws"), stop)
}
