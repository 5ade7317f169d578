package guide_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/wskit/wskit/websocket"
)

// logged writes one line when a connection ends.
func logged(log *slog.Logger) *websocket.Hooks {
	return &websocket.Hooks{
		Closed: func(c *websocket.Conn, r websocket.CloseRecord) {
			log.Info("websocket closed",
				"client", c.RemoteAddr().String(),
				"duration", r.Duration,
				"received", int(r.Received),
				"sent", int(r.Sent),
				"clean", r.Clean,
				"error", r.Err)
		},
		Panicked: func(c *websocket.Conn, err *websocket.PanicError) {
			log.Error("websocket callback panicked", "value", err.Value, "stack", string(err.Stack))
		},
	}
}

func Example_logged() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch a.Key {
			case "time", "duration", "client", "error": // differ from run to run
				return slog.Attr{}
			}
			return a
		},
	}))
	ended := make(chan struct{})
	stats := new(websocket.Stats)
	options := &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Stats: stats, Hooks: logged(log)}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte("bye"))
		c.Close(websocket.StatusNormalClosure, "")
	}))
	defer server.Close()
	greetAndClose(server.URL)
	<-ended
	fmt.Println(stats.Opened.Load(), "opened,", stats.MessagesWritten.Load(), "message written")
	// Output:
	// level=INFO msg="websocket closed" received=1000 sent=1000 clean=true
	// 1 opened, 1 message written
}

func greetAndClose(url string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return
	}
	for _, err := range c.Messages(ctx) {
		if err != nil {
			return // the closing handshake is done
		}
	}
}
