package websocket

import (
	"context"
	"fmt"
	"net/http"
	"syscall/js"

	"github.com/wskit/wskit/ws"
)

// open goes through the WebSocket object of the browser, or of what else runs JavaScript. Where
// there is none, as in an older Node, it does what other platforms do: tests with the network
// that Go fakes there can talk to themselves.
func (d *dialing) open(ctx context.Context, urlstr string) (*Conn, *http.Response, error) {
	class := js.Global().Get("WebSocket")
	if class.Type() == js.TypeFunction {
		return d.dialBrowser(ctx, urlstr, func(url string, protocols []string, s *browserSocket) (browserObject, error) {
			return openObject(class, url, protocols, s)
		})
	}
	c, resp, err := d.dial(ctx, urlstr)
	if err != nil {
		err = fmt.Errorf("without a WebSocket object in the global scope: %w", err)
	}
	return c, resp, err
}

// jsObject is the browserObject of JavaScript.
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

// event hands an event on. It never waits, as nothing else happens on the page meanwhile.
func (o *jsObject) event(s *browserSocket, event js.Value) {
	switch event.Get("type").String() {
	case "open":
		s.opened()
	case "message":
		s.received(content(event.Get("data")))
	case "error": // a close event follows, but in some versions of Node
		o.release()
		s.end(false, ws.StatusAbnormalClosure, "")
	case "close":
		o.release()
		s.end(event.Get("wasClean").Bool(), ws.StatusCode(event.Get("code").Int()), event.Get("reason").String())
	}
}

// content returns the message that the data of an event are.
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
	attempt(func() { // it is refused where the object is of another kind than a browser's
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

// attempt calls f, and returns what JavaScript has thrown meanwhile.
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
