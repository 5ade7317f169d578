// Package interop holds tests that run real peers, Node's ws, Python's
// websockets and Chromium, against our server and our client. It has no code
// but tests; the script install installs the peers.
package interop
