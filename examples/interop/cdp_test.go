package interop

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// tab is one page of a headless Chromium, driven through the DevTools protocol
// over our own client. Its methods fail the test.
type tab struct {
	t       *testing.T
	conn    *client
	session string
	lastID  int
	faults  []string // what the console shows as an error
}

// cdpCommand and cdpMessage are what the DevTools protocol sends and answers.
type cdpCommand struct {
	ID        int    `json:"id"`
	Method    string `json:"method"`
	Params    any    `json:"params,omitempty"`
	SessionID string `json:"sessionId,omitempty"`
}

type cdpMessage struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

type params map[string]any

// findChromium returns the path of the browser.
func findChromium() (path string, ok bool) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
	}
	return "", false
}

// startChromium starts a browser with a fresh profile, and more flags, and
// opens url in a tab.
func startChromium(t *testing.T, url string, more ...string) *tab {
	t.Helper()
	path, ok := findChromium()
	need(t, ok, "chromium")
	profile := t.TempDir()
	args := []string{
		"--headless=new", "--remote-debugging-port=0", "--user-data-dir=" + profile,
		"--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-breakpad",
	}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // the sandbox does not work for root
	}
	cmd, _ := command(t, path, append(args, more...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+profile)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	b := &tab{t: t, conn: dial(t, devToolsURL(t, stderr))}
	b.open(url)
	return b
}

// within has the tab's methods fail t, a subtest, until that has ended.
func (b *tab) within(t *testing.T) {
	outer := b.t
	b.t, b.conn.t = t, t
	t.Cleanup(func() { b.t, b.conn.t = outer, outer })
}

// devToolsURL reads it from what Chromium prints, and the rest to nowhere.
func devToolsURL(t *testing.T, stderr io.Reader) string {
	t.Helper()
	lines := bufio.NewReader(stderr)
	var printed strings.Builder
	for {
		line, err := lines.ReadString('\n')
		printed.WriteString(line)
		require.NoError(t, err, "chromium ended early: %s", &printed)
		if url, ok := strings.CutPrefix(line, "DevTools listening on "); ok {
			go io.Copy(io.Discard, lines)
			return strings.TrimSpace(url)
		}
	}
}

// open makes the tab and waits until url is loaded.
func (b *tab) open(url string) {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("Target.createTarget", params{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", params{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Runtime", "Log", "Page"} {
		b.call(domain+".enable", nil, nil)
	}
	b.call("Page.navigate", params{"url": url}, nil)
	for b.next().Method != "Page.loadEventFired" {
	}
}

// call sends a command and waits for its result.
func (b *tab) call(method string, p params, result any) {
	b.t.Helper()
	b.lastID++
	data, err := json.Marshal(cdpCommand{b.lastID, method, p, b.session})
	require.NoError(b.t, err)
	b.conn.send(ws.OpText, true, data)
	for {
		m := b.next()
		if m.ID != b.lastID {
			continue
		}
		require.Nil(b.t, m.Error, method)
		if result != nil {
			require.NoError(b.t, json.Unmarshal(m.Result, result))
		}
		return
	}
}

// next reads one message and keeps it if it is an error of the page.
func (b *tab) next() (m cdpMessage) {
	b.t.Helper()
	op, data := b.conn.message(nil)
	require.Equal(b.t, ws.OpText, op)
	require.NoError(b.t, json.Unmarshal(data, &m))
	switch m.Method {
	case "Runtime.exceptionThrown":
		b.faults = append(b.faults, string(m.Params))
	case "Runtime.consoleAPICalled", "Log.entryAdded":
		var p struct {
			Type  string
			Entry struct{ Level string }
		}
		require.NoError(b.t, json.Unmarshal(m.Params, &p))
		if p.Type == "error" || p.Type == "assert" || p.Entry.Level == "error" {
			b.faults = append(b.faults, string(m.Params))
		}
	}
	return m
}

// eval runs an expression in the page, waits for it if it is a promise, and
// stores its value in result, which may be nil.
func (b *tab) eval(expression string, result any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", params{
		"expression":    expression,
		"awaitPromise":  true,
		"returnByValue": true,
	}, &answer)
	require.Empty(b.t, string(answer.ExceptionDetails), expression)
	if result != nil {
		require.NoError(b.t, json.Unmarshal(answer.Result.Value, result))
	}
}

// quote returns s as a literal of JavaScript.
func quote(s string) string {
	p, _ := json.Marshal(s) // a string always has a form in JSON
	return string(p)
}

// until waits until the expression is true in the page; the page tells when
// something has changed.
func (b *tab) until(expression string) {
	b.t.Helper()
	b.eval(`new Promise((resolve) => {
		const done = () => (`+expression+`) && (observer.disconnect(), resolve());
		const observer = new MutationObserver(done);
		observer.observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
		done();
	})`, nil)
}

// click presses the mouse in the middle of an element, as a person does.
func (b *tab) click(selector string) {
	b.t.Helper()
	var at [2]float64
	b.eval(`(() => {
		const e = document.querySelector(`+quote(selector)+`);
		e.scrollIntoView({block: "nearest"});
		const r = e.getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2];
	})()`, &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		b.call("Input.dispatchMouseEvent", params{
			"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1,
		}, nil)
	}
}

// enter puts text in place of what a field holds.
func (b *tab) enter(selector, text string) {
	b.t.Helper()
	b.click(selector)
	b.eval("document.querySelector("+quote(selector)+").select()", nil)
	b.call("Input.insertText", params{"text": text}, nil)
}

// pressEnter presses and releases the Enter key.
func (b *tab) pressEnter() {
	b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		b.call("Input.dispatchKeyEvent", params{
			"type": kind, "key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r",
		}, nil)
	}
}

// screen sets width and height of the page and its preferred colors.
func (b *tab) screen(width, height int, colors string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", params{
		"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
	}, nil)
	b.call("Emulation.setEmulatedMedia", params{
		"features": []params{{"name": "prefers-color-scheme", "value": colors}},
	}, nil)
}
