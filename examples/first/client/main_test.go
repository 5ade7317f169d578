package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
)

func TestClient(t *testing.T) {
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			ended <- err
			return
		}
		defer c.CloseNow()
		_, p, err := c.Read(r.Context())
		if err == nil {
			err = c.Write(r.Context(), websocket.MessageText, p)
		}
		if err == nil {
			_, _, err = c.Read(r.Context())
		}
		ended <- err
	}))
	defer server.Close()
	answer, err := hello(t.Context(), server.URL)
	require.NoError(t, err)
	require.Equal(t, "hello", answer)
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(<-ended))

	os.Args = []string{"client", server.URL}
	main()
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(<-ended))
}
