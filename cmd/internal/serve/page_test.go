package serve

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/chromium"
	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/hubproto"
)

// startServer serves with the defaults of the flags, changed by change.
func startServer(t *testing.T, change func(*options)) (*server, *httptest.Server) {
	o := &options{compress: "takeover", maxMessage: 16 << 20}
	if change != nil {
		change(o)
	}
	s, err := newServer(o, slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.NoError(t, err)
	web := httptest.NewUnstartedServer(nil)
	web.Config = s.web(nil)
	web.Start()
	t.Cleanup(func() {
		s.frames.close()
		s.group.Shutdown(t.Context())
		s.echoLoops.end(t.Context())
		s.hubLoops.end(t.Context())
		web.Close()
	})
	return s, web
}

const isOpen = `document.querySelector("#state").dataset.state === "open"`

// openPage opens the page and waits until its scripts have run.
func openPage(t *testing.T, url string) *chromium.Tab {
	if testing.Short() {
		t.Skip("a browser takes long")
	}
	b := chromium.Open(t, url)
	b.Screen(1280, 900, "light")
	b.Until(`document.body.dataset.ready === ""`)
	b.Eval(`{ const make = URL.createObjectURL; URL.createObjectURL = (blob) => make(window.lastBlob = blob) }`, nil)
	return b
}

// frame is a condition on the nth row of the frames.
func frameRow(n, direction, opcode, size string) string {
	return `(() => { const r = document.querySelectorAll("#frames li")[` + n + `]; return r && r.className === ` + chromium.Quote(direction) +
		` && r.querySelector(".opcode").textContent === ` + chromium.Quote(opcode) + ` && r.querySelector(".size").textContent === ` + chromium.Quote(size) + ` })()`
}

func text(b *chromium.Tab, selector string) (s string) {
	b.Eval(`document.querySelector(`+chromium.Quote(selector)+`).textContent`, &s)
	return s
}

// TestPage uses the page as a person does.
func TestPage(t *testing.T) {
	_, web := startServer(t, nil)
	b := openPage(t, web.URL)
	require.Contains(t, text(b, "#frames-empty"), "Choose an endpoint")
	b.Click("#connect")
	b.Until(isOpen)
	b.Until(`document.querySelector("#state").textContent.includes("permessage-deflate")`)
	require.Contains(t, text(b, "#frames-empty"), "No frames yet")

	// Text, by the Enter key. The page also shows what the server has received.
	b.Enter("#text", "Hällo")
	b.PressEnter()
	b.Until(frameRow("0", "received", "text", "6 B"))
	b.Until(frameRow("1", "sent", "text", "6 B"))
	b.Until(`/^[0-9]+ on the wire, (plain|compressed)$/.test(document.querySelectorAll("#frames .wire")[1].textContent)`)
	require.Equal(t, "Hällo", text(b, "#frames .preview"))

	// A long text is compressed by the server's side.
	b.Eval(`document.querySelector("#text").value = "wskit ".repeat(500)`, nil)
	b.Click("#send")
	b.Until(frameRow("0", "received", "text", "2.9 KiB"))
	b.Until(`/^[0-9]+ on the wire, compressed$/.test(document.querySelector("#frames .wire").textContent)`)

	// A file, and what comes back is shown in hexadecimal and offered to save.
	file := filepath.Join(t.TempDir(), "data.bin")
	require.NoError(t, os.WriteFile(file, []byte{0, 1, 'A', 0xfe}, 0o600))
	b.Click("#tab-file")
	b.Choose("#file", file)
	b.Click("#send-file")
	b.Until(frameRow("0", "received", "binary", "4 B"))
	b.Click("#frames li button")
	require.Equal(t, "000000  00 01 41 fe"+strings.Repeat(" ", 38)+"··A·", text(b, "#detail-body"))
	var saved []byte
	b.Eval(`lastBlob.arrayBuffer().then((p) => btoa(String.fromCharCode(...new Uint8Array(p))))`, &saved)
	require.Equal(t, []byte{0, 1, 'A', 0xfe}, saved)

	// The charts move by themselves, and have labels.
	b.Until(`document.querySelector("#line")?.getAttribute("points").split(" ").length > 4`)
	b.Until(`/^last [0-9.]+, median [0-9.]+, p95 [0-9.]+ ms$/.test(document.querySelector("#rtt").textContent)`)
	b.Until(`document.querySelectorAll("#histogram rect").length === 20 && document.querySelector("#chart text").textContent.includes("ms")`)

	// A code that a page may not send is explained; another one closes.
	b.Enter("#code", "1002")
	b.Click("#close")
	b.Until(`document.querySelector("#problem").textContent.includes("3000 to 4999")`)
	b.Enter("#code", "4001")
	b.Enter("#reason", "enough")
	b.Click("#close")
	b.Until(`document.querySelector("#state").textContent === "closed with 4001, “enough”"`)
	b.Until(frameRow("0", "received", "close", ""))
	require.Equal(t, "4001", text(b, "#frames .preview"))
	require.Empty(t, b.Faults)
}

// TestPageFrames looks at frames: filters, search, pretty JSON, pause, keys and files.
func TestPageFrames(t *testing.T) {
	_, web := startServer(t, nil)
	b := openPage(t, web.URL)
	b.Eval(`document.querySelector("#probe").checked = false`, nil)
	b.Click("#connect")
	b.Until(isOpen)
	rows := func(n string) string { return `document.querySelectorAll("#frames li").length === ` + n }

	// A script sends its lines, with their numbers.
	b.Click("#tab-script")
	b.Eval(`document.querySelector("#script").value = '{"seq":{n}}\nplain {n}'`, nil)
	b.Enter("#every", "1")
	b.Enter("#rounds", "2")
	b.Click("#run")
	b.Until(`document.querySelector("#progress").textContent === "sent 4 of 4"`)
	b.Until(rows("8"))
	require.Equal(t, "plain 4", text(b, "#frames .preview"))
	require.Contains(t, text(b, "#total-sent"), "↑ 4 · 32 B")

	// Filters and search.
	b.Eval(`direction.value = "received"; direction.onchange()`, nil)
	b.Until(rows("4"))
	b.Enter("#search", "SEQ\":3")
	b.Until(rows("1"))
	b.Click("#frames li button")
	require.Equal(t, "{\n  \"seq\": 3\n}", text(b, "#detail-body"))
	b.Eval(`opcode.value = "binary"; opcode.onchange()`, nil)
	b.Until(rows("0"))
	require.Equal(t, "No frame matches the filter.", text(b, "#frames-empty"))
	b.Eval(`direction.value = opcode.value = ""; search.value = ""; search.oninput()`, nil)

	// Keys: the next frame, none, pause, clear. In a field they are letters.
	press := func(k string) {
		b.Eval(`document.activeElement.blur(); document.body.dispatchEvent(new KeyboardEvent("keydown", {key: `+chromium.Quote(k)+`, bubbles: true}))`, nil)
	}
	press("Escape")
	b.Until(`detail.hidden`)
	press("j")
	press("j")
	b.Until(`document.querySelectorAll("#frames button")[1].getAttribute("aria-pressed") === "true" && !detail.hidden`)
	press("p")
	b.Eval(`document.querySelector("#text").value = "while paused"`, nil)
	b.Eval(`document.querySelector("#message-form").requestSubmit()`, nil)
	b.Until(`document.querySelector("#pause").textContent === "Go on (2)"`)
	b.Until(rows("8"))
	press("p")
	b.Until(rows("10"))

	// Files: JSON and HAR.
	saving := func(click string) (content string) {
		b.Click(click)
		b.Eval(`lastBlob.text()`, &content)
		return content
	}
	var list []map[string]any
	require.NoError(t, json.Unmarshal([]byte(saving("#save-json")), &list))
	require.Len(t, list, 10)
	require.Equal(t, `{"seq":1}`, list[0]["text"])
	var har struct {
		Log struct {
			Version string
			Entries []struct {
				Request  struct{ URL string }
				Messages []struct {
					Type, Data string
					Opcode     int
				} `json:"_webSocketMessages"`
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(saving("#save-har")), &har))
	require.Equal(t, "1.2", har.Log.Version)
	require.Len(t, har.Log.Entries[0].Messages, 10)
	require.Equal(t, "send", har.Log.Entries[0].Messages[0].Type)
	require.Equal(t, 1, har.Log.Entries[0].Messages[0].Opcode)
	require.True(t, strings.HasPrefix(har.Log.Entries[0].Request.URL, "ws://"))

	press("x")
	b.Until(rows("0"))

	// A message is kept, also when the page is loaded anew.
	b.Click("#tab-message")
	b.Enter("#text", "kept for later")
	b.Click("#keep")
	b.Go(web.URL)
	b.Until(`document.body.dataset.ready === ""`)
	b.Click("#tab-saved")
	require.Equal(t, "kept for later", text(b, "#saved code"))
	b.Click("#connect")
	b.Until(isOpen)
	b.Click("#saved .send")
	b.Until(frameRow("0", "received", "text", "14 B"))
	require.Empty(t, b.Faults)
}

// TestPageOtherURL enters URLs as people do, and goes back to an endpoint.
func TestPageOtherURL(t *testing.T) {
	_, web := startServer(t, nil)
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	b := openPage(t, web.URL)
	choose := func(endpoint string) {
		b.Eval(`document.querySelector("#endpoint").value = `+chromium.Quote(endpoint)+`; document.querySelector("#endpoint").onchange()`, nil)
	}
	try := func(url, problem string) {
		choose("")
		b.Enter("#url", url)
		b.Click("#connect")
		b.Until(`document.querySelector("#problem").textContent.includes(` + chromium.Quote(problem) + `)`)
	}
	try("", "Enter a URL")
	try("ftp://example.com", "ftp:// is not a scheme of WebSockets")
	try("ws://127.0.0.1:1/", "nothing listens there. Or it wants TLS")
	try("wss://127.0.0.1:1/", "certificate")
	try(strings.TrimPrefix(elsewhere.URL, "http://")+"/chat", "answers requests, but did not open a WebSocket at /chat")

	// A URL without a scheme is taken, and does not stand in the way of an endpoint.
	choose("/echo")
	b.Click("#connect")
	b.Until(isOpen)
	b.Click("#close")
	b.Until(`document.querySelector("#state").dataset.state === "closed"`)
	choose("")
	b.Enter("#url", strings.TrimPrefix(web.URL, "http://")+"/echo")
	b.Click("#connect")
	b.Until(isOpen)
	require.Empty(t, text(b, "#problem"))
}

// TestPageChat has two people in a room.
func TestPageChat(t *testing.T) {
	_, web := startServer(t, nil)
	b := openPage(t, web.URL)
	b.Eval(`document.querySelector("#endpoint").value = "/chat"; document.querySelector("#endpoint").onchange()`, nil)
	b.Enter("#name", "ann")
	b.Click("#connect")
	b.Until(isOpen)
	b.Eval(`window.other = new WebSocket(location.href.replace("http", "ws") + "chat?name=bob"); new Promise((r) => other.onopen = r)`, nil)
	b.Until(`document.querySelector("#chat").innerText.includes("bob is here")`)
	b.Eval(`other.send("good <b>morning</b>")`, nil)
	b.Until(`document.querySelector("#chat .other p")?.textContent === "good <b>morning</b>"`)
	b.Enter("#text", "hello bob")
	b.PressEnter()
	b.Until(`document.querySelector("#chat .own p")?.textContent === "hello bob"`)
	b.Until(`document.querySelector("#chat .own").getBoundingClientRect().right > document.querySelector("#chat .other").getBoundingClientRect().right`)
	b.Eval(`other.close()`, nil)
	b.Until(`document.querySelector("#chat").innerText.includes("bob has left")`)

	// The frames are there as well.
	b.Click("#show-frames")
	b.Until(`[...document.querySelectorAll("#frames .preview")].some((p) => p.textContent.includes('"from":"bob","text":"good'))`)
	require.Empty(t, b.Faults)
}

// TestPageHub has two people in a room of the hub, who are cut off.
func TestPageHub(t *testing.T) {
	for name, onLoop := range map[string]bool{"goroutines": false, "loops": true} {
		t.Run(name, func(t *testing.T) { testPageHub(t, onLoop) })
	}
}

func testPageHub(t *testing.T, onLoop bool) {
	s, web := startServer(t, func(o *options) { o.withHub, o.onLoop = true, onLoop })
	b := openPage(t, web.URL)
	b.Eval(`document.querySelector("#endpoint").value = "/hub"; document.querySelector("#endpoint").onchange()`, nil)
	b.Enter("#name", "ann")
	b.Enter("#room", "a.*")
	b.Click("#connect")
	b.Until(isOpen)
	b.Until(`document.querySelector("#chat").innerText.includes("ann is here")`)

	bob := hubproto.NewClient(web.URL+"/hub", nil)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- bob.Run(ctx) }()
	heard := make(chan string, 10)
	const topic = "chat.a%2e%2a"
	require.NoError(t, bob.Subscribe(topic, &hubproto.SubscribeOptions{Presence: json.RawMessage(`"bob"`)}, func(e hubproto.Event) {
		var said struct{ Text string }
		if e.Kind == hubproto.Message && json.Unmarshal(e.Data, &said) == nil {
			heard <- said.Text
		}
	}))
	b.Until(`document.querySelector("#chat").innerText.includes("bob is here")`)
	b.Enter("#text", "hello bob")
	b.PressEnter()
	require.Equal(t, "hello bob", <-heard)
	b.Until(`document.querySelector("#chat .own p")?.textContent === "hello bob"`)

	for c := range s.group.Conns() { // both come back
		c.CloseNow()
	}
	for c := range s.group.Members() {
		c.CloseNow()
	}
	at, err := s.hub.Publish(t.Context(), topic, hub.Text(`{"from":"bob","text":"good <b>morning</b>"}`))
	require.NoError(t, err)
	require.False(t, at.IsZero())
	b.Until(`document.querySelector("#chat .other p")?.textContent === "good <b>morning</b>"`)
	require.Equal(t, "good <b>morning</b>", <-heard)
	b.Until(isOpen)
	b.Click("#show-frames")
	b.Until(`[...document.querySelectorAll("#frames .preview")].some((p) => p.textContent.includes('"from":"bob"'))`)
	b.Click("#close")
	b.Until(`document.querySelector("#state").textContent === "closed with 1000"`)
	require.Empty(t, b.Faults)
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	_, err = bob.Publish(t.Context(), "other", 1, nil)
	require.Error(t, err)
}

// TestPageLooks draws the page on screens of several sizes. With WSKIT_SCREENSHOTS set to
// a directory it leaves pictures there to look at.
func TestPageLooks(t *testing.T) {
	_, web := startServer(t, nil)
	b := openPage(t, web.URL)
	b.Click("#connect")
	b.Until(isOpen)
	for _, s := range []string{"hello", `{"op":"subscribe","topics":["prices.eur","prices.usd"],"depth":10}`, strings.Repeat("long text ", 60)} {
		b.Enter("#text", s)
		b.PressEnter()
	}
	b.Until(`document.querySelectorAll("#frames li").length >= 6 && document.querySelector("#line")?.getAttribute("points").split(" ").length > 4`)
	for _, size := range []struct {
		name          string
		width, height int
	}{{"320", 320, 640}, {"360", 360, 740}, {"768", 768, 1024}, {"1280", 1280, 800}, {"1920", 1920, 1080}} {
		for _, colors := range []string{"light", "dark"} {
			b.Screen(size.width, size.height, colors)
			b.Until(`innerWidth === ` + size.name)
			b.Eval(`document.querySelector("#connection").open = innerWidth > 768; document.querySelector("#timing").open = innerWidth > 768`, nil)
			var overflow bool
			b.Eval("document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight", &overflow)
			require.False(t, overflow, "the page is larger than the screen: %s", size.name)
			b.Until(`document.querySelector("#send").getBoundingClientRect().bottom <= innerHeight`)
			b.Until(`document.querySelector("#frames").getBoundingClientRect().height > 150`)
			picture(t, b, size.name+"-"+colors)
		}
	}
	require.Empty(t, b.Faults)
}

// TestPageAccessible runs the checks of axe-core in each state of the page.
func TestPageAccessible(t *testing.T) {
	axe, err := os.ReadFile("../../../examples/interop/testdata/node_modules/axe-core/axe.min.js")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("axe-core is not installed: make interop-deps installs it")
		}
		t.Skip("axe-core is not installed: make interop-deps installs it")
	}
	_, web := startServer(t, nil)
	b := openPage(t, web.URL)
	b.Eval(string(axe)+"; 0", nil)
	check := func(state string) {
		for _, colors := range []string{"light", "dark"} {
			for _, width := range []int{360, 1280} {
				b.Screen(width, 800, colors)
				b.Until("innerWidth === " + strconv.Itoa(width))
				var faults []string
				b.Eval(`axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html + " " + n.failureSummary)))`, &faults)
				require.Empty(t, faults, "%s, %s, %d", state, colors, width)
			}
		}
	}
	check("at first")
	b.Click("#connect")
	b.Until(isOpen)
	b.Enter("#text", `{"a":1}`)
	b.PressEnter()
	b.Until(frameRow("0", "received", "text", "7 B"))
	b.Click("#frames li button")
	check("with a frame")
	for _, tab := range []string{"file", "script", "saved"} {
		b.Click("#tab-" + tab)
		check(tab)
	}
	b.Eval(`document.querySelector("#help").showModal()`, nil)
	check("help")
}

// picture leaves a picture of the page, if it is asked for.
func picture(t *testing.T, b *chromium.Tab, name string) {
	if dir := os.Getenv("WSKIT_SCREENSHOTS"); dir != "" {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), b.Screenshot(), 0o666))
	}
}
