//go:build !js

package websocket

import (
	"context"
	"net/http"
)

func (d *dialing) open(ctx context.Context, urlstr string) (*Conn, *http.Response, error) {
	return d.dial(ctx, urlstr)
}
