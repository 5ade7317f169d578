package wsh3

import (
	"cmp"
	"net"
	"net/http"

	"github.com/quic-go/quic-go/http3"

	"github.com/wskit/wskit/websocket"
)

// Accept is [websocket.Accept] for handlers of an http3.Server. It takes the stream of an
// extended CONNECT over, so that the connection outlives the handler and has all that
// one over TCP has: deadlines, and an end of its own. A request of HTTP/1.1 or HTTP/2 it
// leaves to websocket.Accept. Middleware between the server and the handler needs
// Unwrap, as [http.ResponseController] does.
func Accept(w http.ResponseWriter, r *http.Request, opts *websocket.AcceptOptions) (*websocket.Conn, error) {
	if h3 := streamer(w); h3 != nil {
		w = &writer{w, r, h3}
	}
	return websocket.Accept(w, r, opts)
}

// streamer returns the writer of HTTP/3 that w is or wraps, or nil.
func streamer(w http.ResponseWriter) http3.HTTPStreamer {
	for {
		switch v := w.(type) {
		case http3.HTTPStreamer:
			return v
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

// writer is a websocket.StreamHijacker.
type writer struct {
	http.ResponseWriter
	request *http.Request
	h3      http3.HTTPStreamer
}

func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// HijackStream takes the stream over.
func (w *writer) HijackStream() (websocket.Stream, error) {
	s, err := w.h3.HTTPStream()
	if err != nil {
		return nil, err
	}
	ctx := w.request.Context()
	local, _ := ctx.Value(http.LocalAddrContextKey).(net.Addr)
	remote, _ := ctx.Value(http3.RemoteAddrContextKey).(net.Addr)
	return newStream(s, cmp.Or(local, unknown), cmp.Or(remote, unknown), func() {}), nil
}

// unknown is an address that the server does not tell.
var unknown net.Addr = new(net.UDPAddr)
