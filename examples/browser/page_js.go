// Browser is the page of the chat: it dials the server that it came from, shows what arrives
// and sends what is typed.
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
	origin := js.Global().Get("location").Get("origin").String() // http means ws, and https wss
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
	go func() { // and not where the browser calls us: a write may have to wait
		for text := range typed {
			conn.Write(ctx, websocket.MessageText, []byte(text)) // the reads tell if it fails
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

// listen hands on what is typed. A browser in a hurry is not held up.
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
