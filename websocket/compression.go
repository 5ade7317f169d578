package websocket

import "github.com/wskit/wskit/wsflate"

// CompressionMode says whether and how messages are compressed with
// permessage-deflate (RFC 7692), if the peer supports it. In every mode,
// messages that are short or would not become smaller are sent uncompressed.
type CompressionMode int

const (
	// CompressionDisabled disables compression. It is the default.
	CompressionDisabled CompressionMode = iota

	// CompressionContextTakeover compresses each message with reference to
	// earlier messages. Similar messages become much smaller, and each
	// connection holds a window for each direction. If the peer does not allow
	// context takeover in a direction, that direction works without it.
	CompressionContextTakeover

	// CompressionNoContextTakeover compresses each message independently, so
	// that a connection holds no compression memory between messages. Some
	// servers do not agree to that for the messages that they send. A client
	// then holds a window of 32 KiB to receive, as with
	// CompressionContextTakeover.
	CompressionNoContextTakeover
)

// Default thresholds in bytes.
const (
	defaultThresholdTakeover   = 128
	defaultThresholdNoTakeover = 512
)

// policy returns the parameters that this mode offers or accepts: chosen,
// unless that is nil. ok is false without compression.
func (m CompressionMode) policy(chosen *wsflate.Parameters, client bool) (p wsflate.Parameters, ok bool) {
	switch {
	case m != CompressionContextTakeover && m != CompressionNoContextTakeover:
		return p, false
	case chosen != nil:
		return *chosen, true
	case m == CompressionNoContextTakeover:
		return wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}, true
	case client:
		return wsflate.Parameters{ClientMaxWindowBits: wsflate.AnyWindowBits}, true
	}
	return p, true
}

// threshold returns the minimum size to compress. A configured value of 0 means
// the default for the negotiated parameters, and a negative value means no
// minimum.
func threshold(configured int, p *wsflate.Parameters, client bool) int {
	switch {
	case configured != 0 || p == nil:
		return configured
	case client && p.ClientNoContextTakeover, !client && p.ServerNoContextTakeover:
		return defaultThresholdNoTakeover
	}
	return defaultThresholdTakeover
}
