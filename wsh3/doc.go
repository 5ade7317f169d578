// Package wsh3 carries WebSockets over HTTP/3 (RFC 9220), with the QUIC of
// github.com/quic-go/quic-go. It is a separate module so that other users of this
// project do not depend on that.
//
// On the server, [Accept] in a handler of an http3.Server takes an extended CONNECT as
// [websocket.Accept] takes an upgrade, and takes its stream over: the connection
// outlives the handler. One handler serves HTTP/1.1, HTTP/2 and HTTP/3. An http3.Server
// always announces extended CONNECT, so a server of HTTP/3 whose handlers know only
// upgrades fails for clients that use it.
//
// On the client, [Transport] is a [websocket.Transport], for
// [websocket.DialOptions].Transport; [Dial] opens one connection.
//
// # Flow control
//
// QUIC has a window for each stream and one for the connection. By default three
// WebSockets that are not read fill the window of a connection and stall all others.
// [QUICConfig] returns windows that do not let them: a server sets it as
// http3.Server.QUICConfig, and the Transport uses it.
//
// # Shutdown
//
// http3.Server.Shutdown waits until clients have closed their connections, and does not
// know the WebSockets. A program calls [websocket.Group.Shutdown] beside it.
package wsh3
