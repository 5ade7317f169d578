package wsutil

import (
	"cmp"
	"math"

	"github.com/wskit/wskit/ws"
)

// The limits of a [Config] that says nothing about them.
const (
	DefaultMaxMessage   = 16 << 20 // bytes
	DefaultMaxFragments = 1 << 16
)

// Config says which side a [Protocol] is and what it takes from its peer. The zero
// value is that of a server without extensions, with the default limits.
type Config struct {
	// State has ws.StateClientSide for a client; without it, the Protocol is a
	// server's. With ws.StateRSV1 to ws.StateRSV3 it claims the reserved bits for
	// the extensions that the handshake has agreed on, with ws.StateExtended all
	// of them, on every data frame. Other bits do not count.
	State ws.State

	// MaxMessage is the most payload bytes of a message, as they stand on the wire:
	// an extension that inflates them has to count for itself. It is checked
	// when the header of a frame is known. 0 stands for DefaultMaxMessage, a
	// negative value for no limit.
	MaxMessage int64

	// MaxFrame is the most payload bytes of a data frame. 0 and negative values
	// stand for no limit but MaxMessage.
	MaxFrame int64

	// MaxFragments is the most frames of a message. 0 stands for
	// DefaultMaxFragments, a negative value for no limit.
	MaxFragments int
}

func (cfg *Config) state() ws.State {
	if cfg == nil {
		return ws.StateServerSide
	}
	s := cfg.State & (ws.StateClientSide | ws.StateExtended | ws.StateRSV1 | ws.StateRSV2 | ws.StateRSV3)
	if !s.ClientSide() {
		s |= ws.StateServerSide
	}
	return s
}

func (cfg *Config) maxMessage() int64 {
	if cfg == nil {
		return DefaultMaxMessage
	}
	return cmp.Or(cfg.MaxMessage, DefaultMaxMessage)
}

func (cfg *Config) maxFrame() int64 {
	if cfg == nil || cfg.MaxFrame == 0 {
		return math.MaxInt64
	}
	return limit(cfg.MaxFrame)
}

// maxFragments returns 0 for no limit.
func (cfg *Config) maxFragments() int32 {
	if cfg == nil {
		return DefaultMaxFragments
	}
	return int32(min(max(cmp.Or(cfg.MaxFragments, DefaultMaxFragments), 0), math.MaxInt32))
}

// limit returns n, or the greatest number if n is negative and stands for none.
func limit(n int64) int64 {
	if n < 0 {
		return math.MaxInt64
	}
	return n
}
