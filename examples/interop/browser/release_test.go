//go:build js

package browser

import (
	"runtime"
	"syscall/js"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
)

// The object calls nobody any more once the connection has ended, however it
// did.
func TestEventsAreReleased(t *testing.T) {
	class := js.Global().Get("WebSocket")
	defer js.Global().Set("WebSocket", class)
	js.Global().Set("WebSocket", js.Global().Call("eval", `(class extends WebSocket {
		constructor(...args) { super(...args); globalThis.lastOpened = this; }
	})`))
	for name, end := range map[string]func(*websocket.Conn){
		"Close":    func(c *websocket.Conn) { c.Close(websocket.StatusNormalClosure, "") },
		"CloseNow": func(c *websocket.Conn) { c.CloseNow() },
		"server":   func(c *websocket.Conn) { c.Read(within(t)); c.Read(within(t)); <-c.Done() },
	} {
		path := "/echo"
		if name == "server" {
			path = "/close?code=1000"
		}
		c := dial(t, path, nil)
		object := js.Global().Get("lastOpened")
		handler := object.Get("onmessage")
		end(c)
		require.True(t, object.Get("onmessage").IsNull(), name)
		require.True(t, object.Get("onclose").IsNull(), name)
		require.Equal(t, 1, complaints(func() { handler.Invoke() }), "the function is released: %s", name)
	}
}

// complaints returns how many errors f brings to the console.
func complaints(f func()) (n int) {
	console := js.Global().Get("console")
	original := console.Get("error")
	count := js.FuncOf(func(js.Value, []js.Value) any { n++; return nil })
	defer count.Release()
	console.Set("error", count)
	defer console.Set("error", original)
	f()
	return n
}

// TestValuesAreReleased counts what Go keeps alive of JavaScript.
func TestValuesAreReleased(t *testing.T) {
	if js.Global().Get("interopGo").IsUndefined() {
		t.Skip("the runtime of Go is not to be seen here")
	}
	use := func() {
		c, _, err := websocket.Dial(t.Context(), server("/echo"), nil)
		require.NoError(t, err)
		require.NoError(t, c.Write(within(t), websocket.MessageBinary, []byte("x")))
		_, _, err = c.Read(within(t))
		require.NoError(t, err)
		require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	}
	use()
	before := liveValues()
	const times = 50
	for range times {
		use()
	}
	after := liveValues()
	for range 50 {
		if after < before+times {
			return
		}
		time.Sleep(10 * time.Millisecond)
		after = liveValues()
	}
	t.Fatalf("%d values before, and %d after %d connections", before, after, times)
}

func liveValues() int {
	runtime.GC()
	time.Sleep(time.Millisecond) // for the finalizers
	g := js.Global().Get("interopGo")
	return g.Get("_values").Length() - g.Get("_idPool").Length()
}
