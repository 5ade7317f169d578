// Websocket is a WebSocket echo server with package websocket under net/http,
// and a page to try it. It compresses for clients that offer it.
package main

import (
	"log/slog"

	"github.com/wskit/wskit/examples/echo"
	"github.com/wskit/wskit/websocket"
)

func main() {
	server := &echo.Server{
		Log:         slog.Default(),
		Compression: websocket.CompressionNoContextTakeover,
	}
	echo.Run("http", "127.0.0.1:8082", server.ServeConns)
}
