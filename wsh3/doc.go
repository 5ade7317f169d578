// Package wsh3 carries WebSockets over HTTP/3 (RFC 9220), with the QUIC of
// github.com/quic-go/quic-go. It is a separate module so that other users do
// not depend on quic-go.
//
// On the server, [Accept] in a handler of an http3.Server accepts an extended
// CONNECT and takes over its stream, so that the connection outlives the
// handler. The same handler can serve HTTP/1.1, HTTP/2 and HTTP/3. An
// http3.Server always announces extended CONNECT, so handlers that support only
// upgrades fail for clients that use it.
//
// On the client, [Transport] is a [websocket.Transport], for
// [websocket.DialOptions].Transport; [Dial] opens one connection.
//
// # Flow control
//
// QUIC has a window for each stream and one for the connection. By default,
// three WebSockets that are not read fill the window of a connection and stall
// all others. The windows of [QUICConfig] prevent that. Set it as
// http3.Server.QUICConfig; the Transport uses it by default.
//
// # Shutdown
//
// http3.Server.Shutdown waits until clients have closed their connections, and
// does not close WebSockets. Also call [websocket.Group.Shutdown].
package wsh3
