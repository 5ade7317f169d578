// Raw is a WebSocket echo server on a bare TCP listener, without net/http.
package main

import (
	"log/slog"

	"github.com/wskit/wskit/examples/echo"
)

func main() {
	server := &echo.Server{Log: slog.Default()}
	echo.Run("ws", "127.0.0.1:8081", server.ServeTCP)
}
