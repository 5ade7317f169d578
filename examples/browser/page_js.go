// Browser is the page of the chat. It connects to its server, shows received
// messages and sends typed ones.
package main

import (
	"context"
	"strings"
	"syscall/js"

	"github.com/wskit/wskit/websocket"
)

var document = js.Global().Get("document")

func main() {
	ctx := context.Background()
	origin := js.Global().Get("location").Get("origin").String() // http is accepted for ws, and https for wss
	conn, _, err := websocket.Dial(ctx, origin+"/chat", nil)
	if err != nil {
		show(err.Error())
		return
	}
	defer conn.CloseNow()
	find("button").Set("disabled", false)
	defer find("button").Set("disabled", true)

	typed := make(chan string, 16)
	listen(typed)
	go func() { // not in the callback of the browser, because a write may block
		for text := range typed {
			conn.Write(ctx, websocket.MessageText, []byte(text)) // if it fails, reads fail as well
		}
	}()
	for msg, err := range conn.Messages(ctx) {
		if err != nil {
			show(err.Error())
			return
		}
		show(string(msg.Data))
	}
}

// listen passes typed messages on. It does not block the browser.
func listen(typed chan<- string) {
	input := find("input")
	find("form").Call("addEventListener", "submit", js.FuncOf(func(_ js.Value, args []js.Value) any {
		args[0].Call("preventDefault")
		select {
		case typed <- strings.TrimSpace(input.Get("value").String()):
			input.Set("value", "")
		default:
		}
		return nil
	}))
}

func show(text string) {
	line := document.Call("createElement", "li")
	line.Set("textContent", text)
	find("ul").Call("append", line)
}

func find(name string) js.Value { return document.Call("querySelector", name) }
