// Package serve is wskit serve: a server to try clients against.
//
// The endpoints (echo.go, chat.go, broadcast.go) are reached through Server (server.go),
// which accepts connections, counts them (metrics.go), logs, and tells the page (page.go)
// which frames it sees (frames.go).
package serve
