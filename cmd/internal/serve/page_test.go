package serve

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/chromium"
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
		web.Close()
	})
	return s, web
}

// TestPage uses the page as a person does. With WSKIT_SCREENSHOTS set to a directory it
// leaves pictures there to look at.
func TestPage(t *testing.T) {
	_, web := startServer(t, nil)
	b := chromium.Open(t, web.URL)
	b.Screen(1000, 900, "light")

	b.Click("#connect")
	b.Until(`document.querySelector("#state").dataset.state === "open"`)
	b.Until(`document.querySelector("#state").textContent.includes("permessage-deflate")`)

	// Text, by the Enter key. What the server has seen stands beside it.
	b.Enter("#text", "Hällo")
	b.PressEnter()
	row := func(n int, class, opcode, size string) string {
		return `(() => { const r = document.querySelector("#frames").rows[` + strconv.Itoa(n) + `]; return r && r.className === ` + chromium.Quote(class) +
			` && r.cells[2].textContent === ` + chromium.Quote(opcode) + ` && r.cells[3].textContent === ` + chromium.Quote(size) + ` })()`
	}
	b.Until(row(0, "received", "text", "6"))
	b.Until(row(1, "sent", "text", "6"))
	b.Until(`/^[0-9]+, (plain|compressed)$/.test(document.querySelector("#frames").rows[1].cells[4].textContent)`)
	var payload string
	b.Eval(`document.querySelector("#frames").rows[0].cells[5].textContent`, &payload)
	require.Equal(t, "Hällo", payload)

	// A long text is compressed by the server's side.
	b.Eval(`document.querySelector("#text").value = "wskit ".repeat(500)`, nil)
	b.Click("#send")
	b.Until(row(0, "received", "text", "3000"))
	b.Until(`/^[0-9]+, compressed$/.test(document.querySelector("#frames").rows[0].cells[4].textContent)`)

	// A file, and what comes back is offered to save.
	file := filepath.Join(t.TempDir(), "data.bin")
	require.NoError(t, os.WriteFile(file, []byte{0, 1, 2, 0xfe}, 0o600))
	b.Choose("#file", file)
	b.Click("#send-file")
	b.Until(row(0, "received", "binary", "4"))
	b.Eval(`document.querySelector("#frames").rows[0].cells[5].textContent`, &payload)
	require.Equal(t, "00 01 02 fe save", payload)

	// The chart moves by itself.
	b.Eval("window.before = document.querySelector('#line').getAttribute('points').length", nil)
	b.Until(`document.querySelector("#line").getAttribute("points").length > window.before`)
	b.Until(`/^last [0-9.]+ ms, median [0-9.]+ ms$/.test(document.querySelector("#rtt").textContent)`)

	for _, look := range []struct {
		name, colours string
		width, height int
	}{{"light", "light", 1000, 900}, {"dark", "dark", 1000, 900}, {"phone", "light", 360, 740}, {"phone-dark", "dark", 360, 740}, {"narrow", "light", 320, 640}} {
		b.Screen(look.width, look.height, look.colours)
		b.Until(`innerWidth === ` + strconv.Itoa(look.width))
		var overflow bool
		b.Eval("document.documentElement.scrollWidth > innerWidth", &overflow)
		require.False(t, overflow, "the page is wider than the screen: %s", look.name)
		if dir := os.Getenv("WSKIT_SCREENSHOTS"); dir != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, look.name+".png"), b.Screenshot(), 0o666))
		}
	}

	// A code that a page may not send is explained; another one closes.
	b.Enter("#code", "1002")
	b.Click("#close")
	b.Until(`document.querySelector("#problem").textContent.includes("3000 to 4999")`)
	b.Enter("#code", "4001")
	b.Enter("#reason", "enough")
	b.Click("#close")
	b.Until(`document.querySelector("#state").textContent === "closed with 4001, “enough”"`)
	b.Until(row(0, "received", "close", ""))
	require.Empty(t, b.Faults)
}

// TestPageChat has two people in a room.
func TestPageChat(t *testing.T) {
	_, web := startServer(t, nil)
	b := chromium.Open(t, web.URL)
	b.Eval(`document.querySelector("#endpoint").value = "/chat"; document.querySelector("#endpoint").onchange()`, nil)
	b.Enter("#name", "ann")
	b.Click("#connect")
	b.Until(`document.querySelector("#state").dataset.state === "open"`)
	b.Eval(`window.other = new WebSocket(location.href.replace("http", "ws") + "chat?name=bob"); new Promise((r) => other.onopen = r)`, nil)
	b.Until(`document.querySelector("#frames").innerText.includes('"kind":"join","room":"lobby","from":"bob"')`)
	b.Eval(`other.send("good morning")`, nil)
	b.Until(`document.querySelector("#frames").innerText.includes('"from":"bob","text":"good morning"')`)
	b.Eval(`other.close()`, nil)
	b.Until(`document.querySelector("#frames").innerText.includes('"kind":"leave","room":"lobby","from":"bob"')`)
	require.Empty(t, b.Faults)
}
