// Package wsotel measures WebSocket connections with OpenTelemetry: metrics of
// connections, handshakes, messages and control frames, and a span for each handshake.
//
// An Instrumentation has the functions of package websocket:
//
//	telemetry, err := wsotel.New(nil) // with the global providers
//	...
//	c, err := telemetry.Accept(w, r, opts)
//
// Messages have no spans. Their counters are read when the metrics are exported, so that a
// message costs what it costs with a [websocket.Stats].
//
// # Names
//
// The semantic conventions have no part about WebSocket. Names and attributes of HTTP
// and of the network are theirs; what has no name there begins with "websocket.":
//
//	websocket.connection.active    connections that are open
//	websocket.connection.duration  time that a connection was open, by websocket.close.code
//	websocket.handshake.duration   time of a handshake, by http.response.status_code
//	websocket.messages             messages, by network.io.direction
//	websocket.message.io           bytes of messages, before compression
//	websocket.wire.io              bytes of messages, after compression
//	websocket.pings                pings, by network.io.direction
//	websocket.pongs                pongs, by network.io.direction
//	websocket.close_frames         close frames, by network.io.direction and websocket.close.code
package wsotel
