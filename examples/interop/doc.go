// Package interop contains only tests. They run real peers, such as Node's ws,
// Python's websockets and Chromium, against our server and our client. The
// script install installs the peers.
package interop
