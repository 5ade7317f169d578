package guide_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/wsflate"
)

func Example_compression() {
	var stats websocket.Stats
	policy := wsflate.SmallWindow() // up to 16 KiB for each connection, and better than none
	options := &websocket.AcceptOptions{
		CompressionMode:   websocket.CompressionContextTakeover,
		CompressionPolicy: &policy,
		ConnOptions:       websocket.ConnOptions{Stats: &stats},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte(strings.Repeat(`{"price":100},`, 50)))
		c.Close(websocket.StatusNormalClosure, "")
	}))
	defer server.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, server.URL, &websocket.DialOptions{
		CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	_, p, _ := c.Read(ctx)
	_, compressed := c.Compression()
	fmt.Println(len(p), "bytes, compressed:", compressed)
	fmt.Println("a tenth or less on the wire:", stats.WireBytesWritten.Load()*10 <= stats.BytesWritten.Load())
	// Output:
	// 700 bytes, compressed: true
	// a tenth or less on the wire: true
}
