// Package serve implements wskit serve, a server to test clients against.
//
// The server (server.go) accepts connections for the endpoints (endpoints.go),
// two of which send to a room (room.go). It counts connections (metrics.go),
// logs, and reports the frames that it sees (frames.go) to the page. web.go
// sets timeouts for clients of net/http, and static.go serves --static.
package serve
