// Package chromium drives a headless Chromium, for tests of pages.
package chromium

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wsjson"
)

// Tab is a page in a headless Chromium, driven through the DevTools protocol
// with our own client. A method that fails ends the test.
type Tab struct {
	t       *testing.T
	conn    *websocket.Conn
	session string
	lastID  int
	Faults  []string // errors on the console
}

type params map[string]any

// command and reply are messages of the DevTools protocol.
type command struct {
	ID        int    `json:"id"`
	Method    string `json:"method"`
	Params    params `json:"params,omitempty"`
	SessionID string `json:"sessionId,omitempty"`
}

type reply struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// Open starts a browser with more flags and opens url in it. Without flags, the
// browser does not use HTTP/3. Without a browser Open skips the test, unless CI
// is set.
func Open(t *testing.T, url string, flags ...string) *Tab {
	t.Helper()
	path := findChromium(t)
	profile := profileDir(t)
	args := []string{
		"--headless=new", "--remote-debugging-port=0", "--user-data-dir=" + profile, "--disable-gpu", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--disable-breakpad",
	}
	if args = append(args, flags...); len(flags) == 0 {
		args = append(args, "--disable-quic")
	}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // the sandbox does not work for root
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+profile)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	conn, _, err := websocket.Dial(ctx, devTools(t, stderr), nil)
	require.NoError(t, err)
	conn.SetReadLimit(64 << 20)
	b := &Tab{t: t, conn: conn}
	t.Cleanup(func() {
		b.call("Browser.close", nil, nil)
		conn.CloseNow()
		cmd.Wait()
	})
	b.open(url)
	return b
}

// profileDir returns a directory for the browser. Its processes may still write
// to it after the first one has exited, for which t.TempDir would fail the
// test.
func profileDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "wskit-chromium-")
	require.NoError(t, err)
	t.Cleanup(func() {
		for range 100 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return dir
}

func findChromium(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("needs chromium")
	}
	t.Skip("needs chromium")
	return ""
}

// devTools returns the DevTools URL that the browser prints.
func devTools(t *testing.T, stderr io.Reader) string {
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		require.NoError(t, err, "chromium has ended")
		if url, ok := strings.CutPrefix(line, "DevTools listening on "); ok {
			go io.Copy(io.Discard, lines)
			return strings.TrimSpace(url)
		}
	}
}

func (b *Tab) open(url string) {
	var target struct{ TargetID string }
	b.call("Target.createTarget", params{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", params{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Runtime", "Log", "Page", "DOM"} {
		b.call(domain+".enable", nil, nil)
	}
	b.Go(url)
}

// Go opens another page.
func (b *Tab) Go(url string) {
	b.t.Helper()
	b.call("Page.navigate", params{"url": url}, nil)
	b.Until(`document.readyState === "complete" && location.href.startsWith(` + Quote(url) + `)`)
}

// call sends a command and waits for its result.
func (b *Tab) call(method string, p params, result any) {
	b.t.Helper()
	b.lastID++
	session := b.session
	if strings.HasPrefix(method, "Browser.") {
		session = ""
	}
	require.NoError(b.t, wsjson.Write(context.Background(), b.conn, command{b.lastID, method, p, session}))
	for {
		var r reply
		err := wsjson.Read(context.Background(), b.conn, &r)
		if err != nil && method == "Browser.close" {
			return
		}
		require.NoError(b.t, err)
		b.note(r)
		if r.ID != b.lastID {
			continue
		}
		require.Empty(b.t, string(r.Error), method)
		if result != nil {
			require.NoError(b.t, json.Unmarshal(r.Result, result))
		}
		return
	}
}

// note records errors on the console.
func (b *Tab) note(r reply) {
	var p struct {
		Type  string
		Entry struct{ Level string }
	}
	switch r.Method {
	case "Runtime.exceptionThrown":
		b.Faults = append(b.Faults, string(r.Params))
	case "Runtime.consoleAPICalled", "Log.entryAdded":
		require.NoError(b.t, json.Unmarshal(r.Params, &p))
		if p.Type == "error" || p.Entry.Level == "error" {
			b.Faults = append(b.Faults, string(r.Params))
		}
	}
}

// Eval evaluates an expression in the page and stores its value in result,
// which may be nil.
func (b *Tab) Eval(expression string, result any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", params{"expression": expression, "awaitPromise": true, "returnByValue": true}, &answer)
	require.Empty(b.t, string(answer.ExceptionDetails), expression)
	if result != nil {
		require.NoError(b.t, json.Unmarshal(answer.Result.Value, result))
	}
}

// Until waits until an expression is true in the page.
func (b *Tab) Until(expression string) {
	b.t.Helper()
	b.Eval(`new Promise((resolve, reject) => {
		const late = setTimeout(() => reject(`+Quote(expression)+` + " never came true: " + document.body.innerText), 20000);
		const look = () => (`+expression+`) ? (clearTimeout(late), resolve()) : requestAnimationFrame(look);
		look();
	})`, nil)
}

// Quote returns s as a JavaScript string.
func Quote(s string) string {
	p, _ := json.Marshal(s) // encoding a string cannot fail
	return string(p)
}

// Click clicks with the mouse in the middle of an element.
func (b *Tab) Click(selector string) {
	b.t.Helper()
	var at [2]float64
	b.Eval(`(() => {
		const e = document.querySelector(`+Quote(selector)+`);
		e.scrollIntoView({block: "center"});
		const r = e.getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2];
	})()`, &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		b.call("Input.dispatchMouseEvent", params{"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1}, nil)
	}
}

// Enter replaces the text in a field.
func (b *Tab) Enter(selector, text string) {
	b.t.Helper()
	b.Click(selector)
	b.Eval("document.querySelector("+Quote(selector)+").select()", nil)
	b.call("Input.insertText", params{"text": text}, nil)
}

// PressEnter presses the Enter key.
func (b *Tab) PressEnter() {
	for _, kind := range []string{"keyDown", "keyUp"} {
		b.call("Input.dispatchKeyEvent", params{"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}, nil)
	}
}

// Choose sets the file of a file input.
func (b *Tab) Choose(selector, file string) {
	var document struct{ Root struct{ NodeID int } }
	b.call("DOM.getDocument", nil, &document)
	var node struct{ NodeID int }
	b.call("DOM.querySelector", params{"nodeId": document.Root.NodeID, "selector": selector}, &node)
	b.call("DOM.setFileInputFiles", params{"nodeId": node.NodeID, "files": []string{file}}, nil)
}

// Screen sets the size of the page, and whether it prefers light or dark
// colors.
func (b *Tab) Screen(width, height int, colors string) {
	b.call("Emulation.setDeviceMetricsOverride", params{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call("Emulation.setEmulatedMedia", params{"features": []params{{"name": "prefers-color-scheme", "value": colors}}}, nil)
}

// Screenshot returns a picture of the whole page.
func (b *Tab) Screenshot() []byte {
	var picture struct{ Data string }
	b.call("Page.captureScreenshot", params{"format": "png", "captureBeyondViewport": true}, &picture)
	p, err := base64.StdEncoding.DecodeString(picture.Data)
	require.NoError(b.t, err)
	return p
}
