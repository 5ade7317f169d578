package websocket

import (
	"fmt"
	"net/http"

	"github.com/wskit/wskit/internal/httpstream"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// StreamHijacker is an [http.ResponseWriter] that hands over the stream of an
// extended CONNECT, as an [http.Hijacker] hands over a connection. The stream
// then outlives the handler. [Accept] calls HijackStream once, after it has
// sent the response. Module wsh3 implements StreamHijacker for HTTP/3; net/http
// does not.
type StreamHijacker interface {
	HijackStream() (Stream, error)
}

// acceptStream is Accept for an extended CONNECT.
//
//go:noinline
func (o *AcceptOptions) acceptStream(w http.ResponseWriter, r *http.Request, u *ws.HTTPUpgrader, compression *wsflate.Extension, began clockTime) (*Conn, error) {
	s := httpstream.New(w, r)
	u.OnRequest = s.OnRequest(u.OnRequest)
	hs, err := u.UpgradeStream(r, w)
	if err != nil {
		o.refused(err)
		return nil, err
	}
	cfg := o.config(r, hs, compression)
	cfg.began = began
	if h, ok := w.(StreamHijacker); ok {
		if cfg.transport, err = h.HijackStream(); err != nil {
			return nil, fmt.Errorf("take over the stream: %w", err)
		}
		return openConn(r.Context(), cfg)
	}
	cfg.transport = s
	s.Open()
	c, err := openConn(r.Context(), cfg)
	if err != nil {
		return nil, err
	}
	s.OnOver(c.streamOver)
	return c, nil
}

// streamOver makes writes fail after the handler has returned. Data that has
// already arrived can still be read, for at most CloseTimeout.
func (c *Conn) streamOver() {
	defer c.guard()
	c.writeFailed(httpstream.ErrOver)
}
