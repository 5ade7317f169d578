package wsjson_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wsjson"
)

type move struct {
	Player string `json:"player"`
	X, Y   int
}

// A server takes one move and answers with the number of moves so far.
func Example() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()

		var m move
		if err := wsjson.Read(r.Context(), c, &m); err != nil {
			return
		}
		fmt.Println("server:", m.Player, "goes to", m.X, m.Y)
		wsjson.Write(r.Context(), c, map[string]int{"moves": 1})
		c.Close(websocket.StatusNormalClosure, "")
	}))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()

	if err := wsjson.Write(ctx, c, move{"white", 4, 3}); err != nil {
		fmt.Println(err)
		return
	}
	var answer struct{ Moves int }
	if err := wsjson.Read(ctx, c, &answer); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("client:", answer.Moves, "move so far")
	// Output:
	// server: white goes to 4 3
	// client: 1 move so far
}

func ExampleRead() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Write(r.Context(), websocket.MessageText, []byte(`{"temperature": "cold"}`))
		c.CloseRead(r.Context())
		<-c.Done()
	}))
	defer srv.Close()

	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, srv.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()

	var weather struct{ Temperature float64 }
	fmt.Println(wsjson.Read(ctx, c, &weather)) // also closes the connection
	// Output:
	// wsjson: read: json: cannot unmarshal string into Go struct field .Temperature of type float64
}
