package wsh3

import (
	"time"

	"github.com/quic-go/quic-go"
)

const (
	maxStreams   = 250
	streamWindow = 256 << 10
	connWindow   = (maxStreams + 1) * streamWindow
)

// QUICConfig returns a new configuration for WebSockets: at most 250 streams of a client
// on a connection, 256 KiB for the unread bytes of each, and as much for the connection
// as for all of these together, 64 MB. A connection whose peer is silent for 30 s ends,
// and a packet of QUIC asks for a sign of life every 10 s.
func QUICConfig() *quic.Config {
	return &quic.Config{
		MaxIncomingStreams:             maxStreams,
		InitialStreamReceiveWindow:     streamWindow,
		MaxStreamReceiveWindow:         streamWindow,
		InitialConnectionReceiveWindow: connWindow, // it would grow only with what is read
		MaxConnectionReceiveWindow:     connWindow,
		MaxIdleTimeout:                 30 * time.Second,
		KeepAlivePeriod:                10 * time.Second,
	}
}
