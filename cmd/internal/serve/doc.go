// Package serve is wskit serve: a server to try clients against.
//
// The endpoints (endpoints.go), two of which send to a room (room.go), are reached
// through server (server.go), which accepts connections, counts them (metrics.go), logs,
// and tells the page (page.go) which frames it sees (frames.go). web.go bounds the time
// that clients of net/http may take, static.go what --static shows.
package serve
