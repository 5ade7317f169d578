package xconnect_test

import (
	"fmt"
	"net/http"

	"github.com/wskit/wskit/websocket/xconnect"
)

func Example() {
	srv := &http.Server{Addr: ":8443"}
	xconnect.Configure(srv)
	if err := xconnect.Check(srv); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("WebSockets over HTTP/2 are on")
	// Output: WebSockets over HTTP/2 are on
}
