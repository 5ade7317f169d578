// Package wsbridge is the WebSocket part of a reverse proxy: a [Handler] takes a
// handshake of any version of HTTP in front, an upgrade or an extended CONNECT, makes
// one with a backend, over HTTP/1.1 or any [websocket.Transport], and passes frames
// between the two.
//
// A client's offers go to the backend as they are, and the backend's choice comes back,
// so that both connections speak the same compression. Frames then pass as they
// arrive: they are counted and checked, and not unmasked, inflated or collected. Pings,
// pongs, close frames and the end of a stream pass like everything else. A bridge reads
// no faster than the other side takes, and holds one buffer for each direction.
//
// If Compression is set, the bridge compresses for its clients in place of a backend
// that does not. Messages are then inflated and sent anew, and pings are answered by
// the bridge itself.
package wsbridge
