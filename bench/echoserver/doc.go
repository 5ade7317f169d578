// Package echoserver has an echo server for each library, in the style of its
// users, for measurements with real sockets. Each runs in its own process: see
// [Serve] and [Start].
package echoserver
