package proxy

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/chromium"
	"github.com/wskit/wskit/cmd/internal/trace"
	"github.com/wskit/wskit/ws"
)

// passed shows the page two messages and a fault.
func passed(f *feed) {
	c := f.live.Connection(1, "127.0.0.1:1 -> example")
	c.Pass(trace.Client, []byte("GET /chat HTTP/1.1\r\nHost: example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
	c.Pass(trace.Server, []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"))
	c.Pass(trace.Client, ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte(`{"a":1}`)))))
	c.Pass(trace.Server, ws.AppendFrame(nil, ws.NewBinaryFrame([]byte{0, 1, 0xfe})))
	c.Pass(trace.Server, ws.AppendFrame(nil, ws.NewFrame(ws.OpCode(3), true, []byte("x"))))
}

// TestPageOfFrames sees in a browser what has passed before the page was opened, and what passes
// then.
func TestPageOfFrames(t *testing.T) {
	f := newFeed()
	web := httptest.NewServer(f.handler())
	t.Cleanup(func() { f.close(); web.Close() })
	passed(f)
	b := chromium.Open(t, web.URL)
	b.Screen(1280, 800, "light")
	b.Until(`document.querySelector("#state").textContent === "watching" && document.querySelectorAll("#frames li").length === 6`)
	var rows []string
	list := `[...document.querySelectorAll("#frames li")].reverse().map((li) => li.className + " " + li.querySelector(".conn").textContent + " " + li.querySelector(".opcode").textContent + " " + li.querySelector(".preview").textContent)`
	b.Eval(list, &rows)
	require.Equal(t, []string{
		"sent #1 open 127.0.0.1:1 -> example", "sent #1 HTTP GET /chat HTTP/1.1", "received #1 HTTP HTTP/1.1 101 Switching Protocols",
		`sent #1 text {"a":1}`, "received #1 binary 00 01 fe",
	}, rows[:5])
	require.Contains(t, rows[5], "received #1")
	b.Until(`document.querySelector("#frames .fault").textContent !== ""`)
	b.Until(`getComputedStyle(document.querySelector("#side")).display === "none"`)

	f.live.Connection(2, "later").Pass(trace.Server, []byte("HTTP/1.1 404 Not Found\r\n\r\n"))
	b.Until(`document.querySelectorAll("#frames li").length === 8`)
	require.Empty(t, b.Faults)
}

// A page is served to names of this machine only: another name may have been made to
// point here (DNS rebinding).
func TestPageHost(t *testing.T) {
	f := newFeed()
	for host, want := range map[string]int{
		"localhost": 200, "localhost:9001": 200, "127.0.0.1:9001": 200, "[::1]:9001": 200, "192.0.2.1": 200,
		"evil.example": 421, "evil.example:9001": 421, "127.0.0.1.evil.example": 421, "": 421,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		f.handler().ServeHTTP(w, r)
		require.Equal(t, want, w.Code, host)
	}
}

// What is kept for later pages is bounded, and a page that does not read holds up nobody.
func TestFeedIsBounded(t *testing.T) {
	f := newFeed()
	_, lines, ok := f.open()
	require.True(t, ok)
	line := strings.Repeat("x", 1<<10)
	for range 3 * feedKept >> 10 {
		f.Write([]byte(line + "\n"))
	}
	kept, _, _ := f.open()
	require.Len(t, kept, feedKept>>10)
	require.Len(t, lines, feedBacklog)
	f.close()
	_, _, ok = f.open()
	require.False(t, ok)
}

// The feed is a stream of events, which ends with the proxy.
func TestFeedEvents(t *testing.T) {
	f := newFeed()
	web := httptest.NewServer(f.handler())
	defer web.Close()
	passed(f)
	resp, err := http.Get(web.URL + "/proxied")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
	s := bufio.NewScanner(resp.Body)
	for s.Scan() && !strings.HasPrefix(s.Text(), "data: ") {
	}
	require.Contains(t, s.Text(), `data: {"time":`)
	f.close()
	for s.Scan() {
	}
	require.NoError(t, s.Err())
}
