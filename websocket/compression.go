package websocket

import "github.com/wskit/wskit/wsflate"

// CompressionMode says whether and how messages are compressed: by the extension
// permessage-deflate (RFC 7692), if the peer has it, too. Short messages, and those that
// would not get smaller, go out as they are in every mode.
type CompressionMode int

const (
	// CompressionDisabled leaves the extension out. It is the default.
	CompressionDisabled CompressionMode = iota

	// CompressionContextTakeover compresses each message with reference to those
	// before it. Messages of a kind become much smaller, and each connection holds
	// a window for each direction. A peer that wants no such reference is agreed with.
	CompressionContextTakeover

	// CompressionNoContextTakeover compresses each message by itself: a connection
	// holds no memory for it between messages. Some servers do not agree to that for
	// what they send: a client then holds the window that it would hold with
	// CompressionContextTakeover, 32 KiB, to receive.
	CompressionNoContextTakeover
)

// The lengths in bytes from which on messages are compressed, unless told otherwise.
const (
	defaultThresholdTakeover   = 128
	defaultThresholdNoTakeover = 512
)

// policy returns what this mode offers or accepts, which is chosen if it is not nil; ok is
// false without compression.
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

// threshold returns the shortest length to compress, where configured is 0 for the
// default of what was agreed on, and negative for none.
func threshold(configured int, p *wsflate.Parameters, client bool) int {
	switch {
	case configured != 0 || p == nil:
		return configured
	case client && p.ClientNoContextTakeover, !client && p.ServerNoContextTakeover:
		return defaultThresholdNoTakeover
	}
	return defaultThresholdTakeover
}
