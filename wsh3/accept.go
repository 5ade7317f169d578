package wsh3

import (
	"cmp"
	"net"
	"net/http"

	"github.com/quic-go/quic-go/http3"

	"github.com/wskit/wskit/websocket"
)

// Accept is [websocket.Accept] for handlers of an http3.Server. It takes over
// the stream of an extended CONNECT, so that the connection outlives the
// handler and has deadlines, like one over TCP. It passes requests of HTTP/1.1
// and HTTP/2 to websocket.Accept. Middleware between the server and the handler
// must implement Unwrap, as for [http.ResponseController].
func Accept(w http.ResponseWriter, r *http.Request, opts *websocket.AcceptOptions) (*websocket.Conn, error) {
	if h3 := streamer(w); h3 != nil {
		w = &writer{w, r, h3}
	}
	return websocket.Accept(w, r, opts)
}

// streamer returns the HTTP/3 writer that w is or wraps, or nil.
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

// HijackStream takes over the stream.
func (w *writer) HijackStream() (websocket.Stream, error) {
	s, err := w.h3.HTTPStream()
	if err != nil {
		return nil, err
	}
	ctx := w.request.Context()
	local, _ := ctx.Value(http.LocalAddrContextKey).(net.Addr)
	remote, _ := ctx.Value(http3.RemoteAddrContextKey).(net.Addr)
	// RFC 9114, section 4.1: a server that has answered stops the client without error.
	return newStream(s, cmp.Or(local, unknown), cmp.Or(remote, unknown), http3.ErrCodeNoError, func() {}), nil
}

// unknown is an address that the server does not provide.
var unknown net.Addr = new(net.UDPAddr)
