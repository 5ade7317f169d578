// Package hubproto is an optional protocol of JSON messages for clients of a
// hub: subscribe, publish, recover, presence and ping. It is described in
// docs/hub.md.
//
// [Server] is the server side, [Client] a client in Go that reconnects and
// resumes from its positions, and [Script] serves the same client in
// JavaScript.
//
//	h := hub.New(nil)
//	http.Handle("/hub", &hubproto.Server{Hub: h})
//	http.Handle("/hub.js", hubproto.Script())
package hubproto
