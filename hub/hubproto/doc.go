// Package hubproto implements an optional protocol of JSON messages for clients
// of a hub: subscribe, publish, recover, presence and ping. The page
// docs/hub.md describes it.
//
// [Server] is the server. [Client] is a client in Go, which reconnects and
// resumes from its positions. [Script] serves the same client in JavaScript.
//
//	h := hub.New(nil)
//	http.Handle("/hub", &hubproto.Server{Hub: h})
//	http.Handle("/hub.js", hubproto.Script())
package hubproto
