// Client sends a message and prints the answer. From the folder of the examples:
//
//	go run ./first/client ws://127.0.0.1:8080/echo
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/wskit/wskit/websocket"
)

func hello(ctx context.Context, url string) (string, error) {
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return "", err
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		return "", err
	}
	_, answer, err := c.Read(ctx)
	if err != nil {
		return "", err
	}
	return string(answer), c.Close(websocket.StatusNormalClosure, "")
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: client URL")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := hello(ctx, os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer)
}
