// Package wsotel instruments WebSocket connections with OpenTelemetry: metrics
// of connections, handshakes, messages and control frames, and a span for each
// handshake.
//
// An Instrumentation has the functions of package websocket:
//
//	telemetry, err := wsotel.New(nil) // with the global providers
//	...
//	c, err := telemetry.Accept(w, r, opts)
//
// Messages have no spans. The counters of a [websocket.Stats] are read when
// metrics are exported, so exporting adds no cost to a message.
//
// # Names
//
// The semantic conventions do not cover WebSocket. Names and attributes of HTTP
// and the network follow the conventions; other names begin with "websocket.":
//
//	websocket.connection.active    open connections
//	websocket.connection.duration  duration of connections, by websocket.close.code
//	websocket.handshake.duration   duration of handshakes, by http.response.status_code
//	websocket.messages             messages, by network.io.direction
//	websocket.message.io           bytes of messages, before compression
//	websocket.wire.io              bytes of messages, after compression
//	websocket.pings                pings, by network.io.direction
//	websocket.pongs                pongs, by network.io.direction
//	websocket.close_frames         close frames, by network.io.direction and websocket.close.code
package wsotel
