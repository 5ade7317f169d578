// Http is a WebSocket echo server under net/http, with a page to try it.
package main

import (
	"log/slog"

	"github.com/wskit/wskit/examples/echo"
)

func main() {
	server := &echo.Server{Log: slog.Default()}
	echo.Run("http", "127.0.0.1:8080", server.ServeHTTP)
}
