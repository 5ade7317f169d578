package interop

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/echo"
)

// TestServerChromium runs the script of cases in a browser against our servers.
func TestServerChromium(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("testdata", "cases.js"))
	require.NoError(t, err)
	home, _ := startServer(t, (*echo.Server).ServeHTTP) // the page that the script runs in
	b := startChromium(t, "http://"+home+"/")
	b.eval("{"+string(script)+"}", nil)

	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			b.within(t)
			addr, stop := startServer(t, s.serve)
			url := quote("ws://" + addr + "/ws")
			runCommonCases(t, b, url, stop)
		})
	}
}

// browser is a page of a browser that runs expressions.
type browser interface {
	eval(expression string, result any)
}

// runCommonCases runs the cases against the server at a quoted URL, and stops
// that.
func runCommonCases(t *testing.T, b browser, url string, stop func()) {
	var results [][2]string
	b.eval(`(async () => {
		const results = [];
		await interop.runCases(interop.commonCases(WebSocket, `+url+`), (...r) => results.push(r));
		return results;
	})()`, &results)
	require.Len(t, results, len(commonCases))
	for i, name := range commonCases {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, [2]string{name, ""}, results[i])
		})
	}

	b.eval(`new Promise((ready) => {
		globalThis.farewell = interop.awaitClose(WebSocket, `+url+`, ready);
	})`, nil)
	stop()
	var closed string
	b.eval("farewell", &closed)
	require.Equal(t, wantGoingAway, closed)
}

// looks are the screens that the page is used on.
var looks = []struct {
	name          string
	width, height int
	colours       string
}{
	{"desktop light", 1280, 800, "light"},
	{"desktop dark", 1280, 800, "dark"},
	{"phone light", 390, 844, "light"},
	{"phone dark", 390, 844, "dark"},
}

// TestPage uses the page as a person does. With INTEROP_SCREENSHOTS set to a
// folder, it leaves pictures there.
func TestPage(t *testing.T) {
	addr, _ := startServer(t, (*echo.Server).ServeHTTP)
	b := startChromium(t, "http://"+addr+"/")
	for _, look := range looks {
		t.Run(look.name, func(t *testing.T) {
			b.within(t)
			b.screen(look.width, look.height, look.colours)
			b.reload()
			b.picture(t, look.name+" 1 start")
			usePage(t, b, look.name)
			b.picture(t, look.name+" 3 closed")

			var width int
			b.eval("document.documentElement.scrollWidth", &width)
			require.LessOrEqual(t, width, look.width, "the page is wider than the screen")
			require.Equal(t, "[]", b.unlabelled(), "fields and buttons without a name")
			require.Empty(t, b.faults)
		})
	}
}

// usePage connects, sends with the button and with Enter, and closes.
func usePage(t *testing.T, b *tab, look string) {
	b.click("#connect button")
	b.until(`document.querySelector("#state").textContent === "Connected"`)

	b.enter("#text", "hello, wörld")
	b.click("#send button")
	b.until(`document.querySelectorAll("#log .echo").length === 1`)
	b.enter("#text", "<b>a second one</b> with a rather long text that must wrap on a phone "+
		"andhasawordthatislongerthanthescreeniswideandthathastobebrokensomewhere")
	b.pressEnter()
	b.until(`document.querySelectorAll("#log .echo").length === 2`)
	var echo, took string
	b.eval(`document.querySelector("#log .echo .what").textContent`, &echo)
	b.eval(`document.querySelector("#log .echo .note").textContent`, &took)
	require.Equal(t, "← hello, wörld", echo)
	require.Regexp(t, `^\d+\.\d ms$`, took)
	b.picture(t, look+" 2 open")

	b.enter("#code", "1001") // which a page may not send
	b.click("#close button")
	b.until(`document.querySelectorAll("#log .bad").length === 1`)
	b.enter("#code", "4321")
	b.enter("#reason", "that is all")
	b.click("#close button")
	b.until(`document.querySelector("#state").textContent === "Not connected"`)
	var last string
	b.eval(`document.querySelector("#log li:last-child .what").textContent`, &last)
	require.Equal(t, "Closed with 4321: that is all", last)
}

func (b *tab) reload() {
	b.call("Page.reload", nil, nil)
	for b.next().Method != "Page.loadEventFired" {
	}
}

// unlabelled lists the controls that assistive technology has no name for, as
// JSON.
func (b *tab) unlabelled() (list string) {
	b.eval(`JSON.stringify([...document.querySelectorAll("input, button")]
		.filter((e) => !(e.labels?.[0]?.textContent || e.textContent || e.ariaLabel || "").trim())
		.map((e) => e.outerHTML))`, &list)
	return list
}

// picture saves what the page looks like, if somebody wants to see it.
func (b *tab) picture(t *testing.T, name string) {
	dir := os.Getenv("INTEROP_SCREENSHOTS")
	if dir == "" {
		return
	}
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", params{"format": "png"}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}
