package wsprometheus_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	wsprometheus "github.com/wskit/wskit/contrib/prometheus"
	"github.com/wskit/wskit/websocket"
)

func Example() {
	stats := new(websocket.Stats)
	registry := prometheus.NewRegistry()
	registry.MustRegister(wsprometheus.NewCollector(stats, nil))

	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			ConnOptions: websocket.ConnOptions{Stats: stats},
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.Close(websocket.StatusNormalClosure, "")
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	c, _, err := websocket.Dial(context.Background(), server.URL+"/hello", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Read(context.Background()) // the closing handshake
	response, err := http.Get(server.URL + "/metrics")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	page, _ := io.ReadAll(response.Body)
	fmt.Println(strings.Contains(string(page), "websocket_connections_opened_total 1"))
	// Output: true
}
