// Package wsbridge is the WebSocket part of a reverse proxy. A [Handler]
// accepts a handshake of any version of HTTP: an upgrade or an extended
// CONNECT. It opens a WebSocket to a backend over HTTP/1.1 or any
// [websocket.Transport], and forwards frames between the two.
//
// The bridge forwards the client's offers to the backend and the backend's
// choice to the client, so that both connections use the same compression. It
// then forwards frames as they arrive. It counts and checks them, but does not
// unmask, inflate or collect them. It also forwards pings, pongs, close frames
// and the end of a stream. It reads no faster than the other side accepts data,
// and holds one buffer for each direction.
//
// If Compression is set, the bridge compresses for its clients instead of the
// backend. It then decodes and encodes messages, and answers pings itself.
package wsbridge
