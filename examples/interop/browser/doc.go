// Package browser contains tests of our client in a browser. They are built for
// js/wasm. The tests of package interop run them in Chromium and in Node,
// against our server.
package browser
