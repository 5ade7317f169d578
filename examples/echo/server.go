package echo

import (
	"log/slog"
	"time"

	"github.com/wskit/wskit/websocket"
)

const (
	// Protocol is the subprotocol of the servers.
	Protocol = "echo"

	handshakeTimeout = 10 * time.Second
	requestTimeout   = 30 * time.Second      // to read a request and to write the response
	idleTimeout      = 2 * time.Minute       // between two requests
	maxHead          = 16 << 10              // bytes of the head of a request; net/http adds 4 KiB
	acceptPause      = 50 * time.Millisecond // after a failed accept
)

// Server echoes messages. The zero value is ready to use.
type Server struct {
	// MaxMessage is the maximum size of a message in bytes. 0 means
	// DefaultMaxMessage.
	MaxMessage int64

	// Compression is the compression of ServeConns. The other servers do not
	// compress.
	Compression websocket.CompressionMode

	// Log receives one line for each connection that ended with an error. nil
	// means no log.
	Log *slog.Logger
}

// report logs how the connection of peer ended, unless it was closed properly.
func (s *Server) report(peer string, err error) {
	if err != nil && s.Log != nil {
		s.Log.Info("connection ended", "peer", peer, "err", err)
	}
}
