package wsutil

import (
	"cmp"
	"math"
	"time"

	"github.com/wskit/wskit/ws"
)

// The limits and times of a [Config] that does not set them.
const (
	DefaultMaxMessage   = 16 << 20  // bytes
	DefaultMaxFragments = 1 << 20   // frames
	DefaultFragmentSize = 128 << 10 // bytes
	DefaultCloseTimeout = 5 * time.Second
)

// Inflater decompresses the messages that arrive (RFC 7692, section 7.2.2). The
// type Receiver of package wsflate is one.
type Inflater interface {
	// Extend inflates chunk, the next piece of a message's payload in any cut,
	// and appends the result to dst, which ends with what the earlier pieces of
	// the message have inflated to. last says that the message ends with chunk.
	// The message may inflate to limit bytes in all, without a limit if limit is
	// negative.
	Extend(dst, chunk []byte, last bool, limit int64) ([]byte, error)

	// Read inflates chunk into dst, of which it keeps nothing. It reports how many
	// bytes of dst and of chunk it has used, and whether the message is complete.
	// A message is inflated by Extend or by Read.
	Read(dst, chunk []byte, last bool) (n, used int, done bool, err error)

	// Close gives back what an unfinished message holds.
	Close()
}

// Deflater compresses the messages that are sent (RFC 7692, section 7.2.1). The
// type Sender of package wsflate is one.
type Deflater interface {
	// AppendMessage appends the compressed message p to dst. If compressed is
	// false, the caller sends p as it is, and out is dst, perhaps with more room.
	AppendMessage(dst, p []byte) (out []byte, compressed bool)

	// AppendPart appends the compressed next part of a message to dst.
	AppendPart(dst, p []byte, last bool) []byte

	// PreparedForm returns how a message of n bytes is compressed once for many
	// connections. Two results are equal if they make the same bytes.
	PreparedForm(n int) interface {
		Frame(op ws.OpCode, p []byte) ([]byte, error)
	}

	// Enter says that p was sent in its prepared form.
	Enter(p []byte)

	// Undo takes back the last message of AppendMessage or Enter, which was not
	// sent.
	Undo()

	// Close forgets all that was sent before, so that later messages do not
	// refer to it. The Deflater stays usable.
	Close()
}

// Config says which side a [Protocol] is, what it accepts from its peer, and how
// it sends. The zero value is that of a server without extensions and with the
// default limits. In every limit 0 means the default and a negative value none.
type Config struct {
	// State has ws.StateClientSide for a client; without it, the Protocol is a
	// server's. With ws.StateRSV1 to ws.StateRSV3 it claims the reserved bits of
	// extensions that the caller applies itself, with ws.StateExtended all of
	// them, on every data frame. Other bits do not count.
	State ws.State

	// Inflater and Deflater are the two directions of permessage-deflate, as the
	// handshake has agreed on it. Both are set, or neither. The Protocol owns
	// them. Events and sends are then decoded messages.
	Inflater Inflater
	Deflater Deflater

	// MaxMessage is the maximum size of a message in bytes, after
	// decompression. 0 means DefaultMaxMessage, a negative value no limit.
	MaxMessage int64

	// MaxFrame is the maximum payload of a data frame in bytes, on the wire. 0
	// and negative values mean no limit but MaxMessage.
	MaxFrame int64

	// MaxFragments is the maximum number of frames of a message. 0 means
	// DefaultMaxFragments, a negative value no limit.
	MaxFragments int

	// CheckUTF8 makes text that is not UTF-8 an error of the Append function that is
	// given it, ErrNotSendable: a peer would close the connection (RFC 6455, section
	// 8.1). Without it the caller must ensure that text is UTF-8.
	CheckUTF8 bool

	// FragmentSize is the maximum payload of the data frames that AppendFrame
	// makes of a message that is not compressed, in bytes. A longer message is
	// sent in several frames, so that control frames can go in between. 0 means
	// DefaultFragmentSize, a negative value no limit.
	FragmentSize int

	// CloseTimeout is how long the closing handshake may take. 0 means
	// DefaultCloseTimeout, a negative value no limit.
	CloseTimeout time.Duration

	// ReadIdleTimeout is the longest silence of the peer while a read waits. 0
	// and negative values mean no limit.
	ReadIdleTimeout time.Duration

	// KeepAlive is the silence of the peer after which a ping is due. 0 and
	// negative values mean no pings.
	KeepAlive time.Duration

	// KeepAliveTimeout is how long the peer may stay silent after such a ping.
	// 0 and negative values mean the value of KeepAlive.
	KeepAliveTimeout time.Duration

	// Now is the time at which the connection begins, on the clock of
	// [Protocol.Tick].
	Now time.Duration
}

// settings are the part of a Config that does not change, and the state of
// compression. Connections without compression share one value if nothing else
// differs from the defaults.
type settings struct {
	maxFrame     int64
	maxFragments int32
	fragment     int
	checkText    bool
	closeTimeout time.Duration

	readIdle, keepAlive, keepAliveTimeout time.Duration

	inflater Inflater
	deflater Deflater
	decoded  int64 // bytes of the open compressed message, decompressed; of the receiving half
}

var defaultSettings = settings{
	maxFrame:     math.MaxInt64,
	maxFragments: DefaultMaxFragments,
	fragment:     DefaultFragmentSize,
	closeTimeout: DefaultCloseTimeout,
}

func (cfg *Config) settings() *settings {
	if cfg == nil {
		return &defaultSettings
	}
	s := settings{
		maxFrame:         math.MaxInt64,
		maxFragments:     int32(min(noLimit(int64(cfg.MaxFragments), DefaultMaxFragments), math.MaxInt32)),
		fragment:         int(min(noLimit(int64(cfg.FragmentSize), DefaultFragmentSize), math.MaxInt)),
		closeTimeout:     time.Duration(noLimit(int64(cfg.CloseTimeout), int64(DefaultCloseTimeout))),
		readIdle:         max(cfg.ReadIdleTimeout, 0),
		keepAlive:        max(cfg.KeepAlive, 0),
		keepAliveTimeout: max(cfg.KeepAliveTimeout, 0),
		checkText:        cfg.CheckUTF8,
		inflater:         cfg.Inflater,
		deflater:         cfg.Deflater,
	}
	if cfg.MaxFrame > 0 {
		s.maxFrame = cfg.MaxFrame
	}
	if s.keepAliveTimeout == 0 {
		s.keepAliveTimeout = s.keepAlive
	}
	if s == defaultSettings {
		return &defaultSettings
	}
	own := new(settings) // s itself stays on the stack
	*own = s
	return own
}

func (cfg *Config) state() ws.State {
	if cfg == nil {
		return ws.StateServerSide
	}
	s := cfg.State & (ws.StateClientSide | ws.StateExtended | ws.StateRSV1 | ws.StateRSV2 | ws.StateRSV3)
	if !s.ClientSide() {
		s |= ws.StateServerSide
	}
	if cfg.Inflater != nil {
		s = s.Set(ws.StateRSV1)
	}
	return s
}

func (cfg *Config) maxMessage() int64 {
	if cfg == nil {
		return DefaultMaxMessage
	}
	return noLimit(cfg.MaxMessage, DefaultMaxMessage)
}

// noLimit returns the limit that n stands for: def if n is 0, and the greatest
// number if n is negative.
func noLimit(n, def int64) int64 {
	if n < 0 {
		return math.MaxInt64
	}
	return cmp.Or(n, def)
}
