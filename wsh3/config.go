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

// QUICConfig returns a new configuration for WebSockets: at most 250 streams of
// a client on a connection, 256 KiB for the unread bytes of each, and 64 MB for
// the connection, the sum of these. A connection ends if its peer is silent for
// 30 s. A keepalive packet is sent every 10 s.
func QUICConfig() *quic.Config {
	return &quic.Config{
		MaxIncomingStreams:             maxStreams,
		InitialStreamReceiveWindow:     streamWindow,
		MaxStreamReceiveWindow:         streamWindow,
		InitialConnectionReceiveWindow: connWindow, // it would grow only as data is read
		MaxConnectionReceiveWindow:     connWindow,
		MaxIdleTimeout:                 30 * time.Second,
		KeepAlivePeriod:                10 * time.Second,
	}
}
