package echo

import (
	"log/slog"
	"time"

	"github.com/wskit/wskit/websocket"
)

const (
	// Protocol is the subprotocol that the servers agree to.
	Protocol = "echo"

	handshakeTimeout = 10 * time.Second
	requestTimeout   = 30 * time.Second      // to read a request, and to write the answer
	idleTimeout      = 2 * time.Minute       // between two requests
	maxHead          = 16 << 10              // bytes of the head of a request; net/http adds 4 KiB
	acceptPause      = 50 * time.Millisecond // after a failed accept
)

// Server echoes messages. The zero value is ready to use.
type Server struct {
	// MaxMessage is the largest message in bytes; 0 means DefaultMaxMessage.
	MaxMessage int64

	// Compression is what ServeConns agrees to; the other servers have none.
	Compression websocket.CompressionMode

	// Log gets one line for each connection that ended with an error. Nil
	// means no log.
	Log *slog.Logger
}

// report logs how the connection of peer ended, if it was not with a handshake.
func (s *Server) report(peer string, err error) {
	if err != nil && s.Log != nil {
		s.Log.Info("connection ended", "peer", peer, "err", err)
	}
}
