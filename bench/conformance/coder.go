package main

import (
	"context"
	"net/http"

	coder "github.com/coder/websocket"
)

// coderAgents are github.com/coder/websocket. It does not validate UTF-8.
func coderAgents(_ string, limit int64) []*agent {
	a := &agent{name: "coder/websocket", setup: "CompressionContextTakeover, SetReadLimit; has no check of UTF-8", version: moduleVersion("github.com/coder/websocket")}
	a.serve = eachRequest(func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, &coder.AcceptOptions{
			InsecureSkipVerify: true, CompressionMode: coder.CompressionContextTakeover, CompressionThreshold: 1,
		})
		if err == nil {
			coderEcho(r.Context(), c, limit)
		}
	})
	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a.dial = func(ctx context.Context, url string) error {
		c, _, err := coder.Dial(ctx, url, &coder.DialOptions{
			HTTPClient: direct, CompressionMode: coder.CompressionContextTakeover, CompressionThreshold: 1,
		})
		if err == nil {
			coderEcho(ctx, c, limit)
		}
		return err
	}
	return []*agent{a}
}

func coderEcho(ctx context.Context, c *coder.Conn, limit int64) {
	defer c.CloseNow()
	c.SetReadLimit(limit)
	for {
		typ, p, err := c.Read(ctx)
		if err != nil || c.Write(ctx, typ, p) != nil {
			return
		}
	}
}
