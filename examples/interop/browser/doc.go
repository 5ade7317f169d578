// Package browser holds tests of our client in a browser. They are built for js/wasm, and
// the tests of package interop run them in Chromium and in Node, against a server of ours.
package browser
