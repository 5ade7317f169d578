package websocket

import (
	"context"
	"fmt"
	"net/http"
	"syscall/js"

	"github.com/wskit/wskit/ws"
)

// open uses the WebSocket object of a browser or of another JavaScript runtime.
// Without such an object, as in older versions of Node, it does the same as on
// other platforms, so that tests can use Go's simulated network.
func (d *dialing) open(ctx context.Context, urlstr string) (*Conn, *http.Response, error) {
	class := js.Global().Get("WebSocket")
	if class.Type() == js.TypeFunction {
		return d.dialBrowser(ctx, urlstr, func(url string, protocols []string, s *browserSocket) (browserObject, error) {
			return openObject(class, url, protocols, s)
		})
	}
	c, resp, err := d.dial(ctx, urlstr)
	if err != nil {
		err = fmt.Errorf("no WebSocket object in the global scope: %w", err)
	}
	return c, resp, err
}

// jsObject is a browserObject in JavaScript.
type jsObject struct {
	object   js.Value
	events   js.Func
	released bool
}

var eventNames = [...]string{"onopen", "onmessage", "onerror", "onclose"}

func openObject(class js.Value, url string, protocols []string, s *browserSocket) (*jsObject, error) {
	offered := make([]any, len(protocols))
	for i, p := range protocols {
		offered[i] = p
	}
	o := new(jsObject)
	if err := attempt(func() { o.object = class.New(url, offered) }); err != nil {
		return nil, err
	}
	o.events = js.FuncOf(func(_ js.Value, args []js.Value) any {
		o.event(s, args[0])
		return nil
	})
	o.object.Set("binaryType", "arraybuffer")
	for _, name := range eventNames {
		o.object.Set(name, o.events)
	}
	return o, nil
}

// event passes an event on. It does not block, because that would block the
// whole page.
func (o *jsObject) event(s *browserSocket, event js.Value) {
	switch event.Get("type").String() {
	case "open":
		s.opened()
	case "message":
		s.received(content(event.Get("data")))
	case "error": // some versions of Node send no close event after it
		o.release()
		s.end(false, ws.StatusAbnormalClosure, "")
	case "close":
		o.release()
		s.end(event.Get("wasClean").Bool(), ws.StatusCode(event.Get("code").Int()), event.Get("reason").String())
	}
}

// content returns the message in the data of an event.
func content(data js.Value) (ws.OpCode, []byte) {
	if data.Type() == js.TypeString {
		return ws.OpText, []byte(data.String())
	}
	array := js.Global().Get("Uint8Array").New(data)
	p := make([]byte, array.Length())
	js.CopyBytesToGo(p, array)
	return ws.OpBinary, p
}

func (o *jsObject) send(op ws.OpCode, p []byte) error {
	if op == ws.OpText {
		return attempt(func() { o.object.Call("send", string(p)) })
	}
	array := js.Global().Get("Uint8Array").New(len(p))
	js.CopyBytesToJS(array, p)
	return attempt(func() { o.object.Call("send", array) })
}

func (o *jsObject) close(code ws.StatusCode, reason string) {
	attempt(func() { // objects of other runtimes may throw
		if code == ws.StatusNoStatusRcvd {
			o.object.Call("close")
		} else {
			o.object.Call("close", int(code), reason)
		}
	})
}

func (o *jsObject) buffered() int    { return o.object.Get("bufferedAmount").Int() }
func (o *jsObject) protocol() string { return o.object.Get("protocol").String() }

func (o *jsObject) release() {
	if o.released {
		return
	}
	o.released = true
	for _, name := range eventNames {
		o.object.Set(name, nil)
	}
	o.events.Release()
}

// attempt calls f and returns the exception that JavaScript throws, if any.
func attempt(f func()) (err error) {
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case js.Error:
			err = fault
		default:
			panic(fault)
		}
	}()
	f()
	return nil
}
