// Package echoserver has one echo server for each library, written with the calls that
// its own users write, for measurements over real sockets. They run in a process of their
// own: see [Serve] and [Start].
package echoserver
