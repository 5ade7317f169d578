package wsutil

import (
	"cmp"
	"math"
	"sync/atomic"
	"time"

	"github.com/wskit/wskit/ws"
)

// Defaults for the fields of [Config].
const (
	DefaultMaxMessage   = 16 << 20  // bytes
	DefaultMaxFragments = 1 << 20   // frames
	DefaultFragmentSize = 128 << 10 // bytes
	DefaultCloseTimeout = 5 * time.Second
)

// Inflater decompresses incoming messages (RFC 7692, section 7.2.2). The type
// Receiver of package wsflate implements it.
type Inflater interface {
	// Extend decompresses chunk, the next piece of a message's payload, and
	// appends the result to dst. dst ends with the decompressed earlier pieces
	// of the message. The payload may be cut anywhere; last reports whether
	// chunk is the end. The decompressed message may have at most limit bytes,
	// or any size if limit is negative.
	Extend(dst, chunk []byte, last bool, limit int64) ([]byte, error)

	// Read decompresses chunk into dst, and does not retain dst. It returns how
	// many bytes of dst and of chunk it has used, and whether the message is
	// complete. A message is decompressed either by Extend or by Read.
	Read(dst, chunk []byte, last bool) (n, used int, done bool, err error)

	// Close releases the memory of an unfinished message.
	Close()
}

// Deflater compresses outgoing messages (RFC 7692, section 7.2.1). The type
// Sender of package wsflate implements it.
type Deflater interface {
	// AppendMessage compresses the message p and appends it to dst. If
	// compressed is false, the caller sends p unchanged, and out is dst,
	// perhaps with more capacity.
	AppendMessage(dst, p []byte) (out []byte, compressed bool)

	// AppendPart compresses the next part of a message and appends it to dst.
	AppendPart(dst, p []byte, last bool) []byte

	// PreparedProfile returns the parameters for compressing a message of n
	// bytes once for many connections. Two results are equal if they produce
	// the same bytes.
	PreparedProfile(n int) interface {
		Frame(op ws.OpCode, p []byte) ([]byte, error)
	}

	// SentPrepared records that p was sent in its prepared form.
	SentPrepared(p []byte)

	// Undo removes the last message of AppendMessage or SentPrepared from the
	// compression window, because it was not sent.
	Undo()

	// Close discards the compression window, so that later messages do not
	// refer to earlier ones. The Deflater stays usable.
	Close()
}

// Config configures a [Protocol]: its side, what it accepts from the peer, and
// how it sends. The zero value is a server without extensions and with default
// limits. In every limit, 0 means the default and a negative value means no
// limit.
type Config struct {
	// State includes ws.StateClientSide for a client; otherwise the Protocol is
	// a server. ws.StateRSV1 to ws.StateRSV3 claim the reserved bits of
	// extensions that the caller applies itself; ws.StateExtended claims all of
	// them, on every data frame. Other bits are ignored.
	State ws.State

	// Inflater and Deflater implement the two directions of permessage-deflate,
	// as negotiated in the handshake. Set both or neither. The Protocol owns
	// them. The caller then sees only uncompressed messages.
	Inflater Inflater
	Deflater Deflater

	// MaxMessage is the maximum size of a message in bytes, after
	// decompression. 0 means DefaultMaxMessage, and a negative value means no
	// limit.
	MaxMessage int64

	// MaxFrame is the maximum payload of a data frame in bytes, on the wire. 0
	// and negative values mean no limit other than MaxMessage.
	MaxFrame int64

	// MaxFragments is the maximum number of frames of a message. 0 means
	// DefaultMaxFragments, and a negative value means no limit.
	MaxFragments int

	// CheckUTF8 makes the Append methods return ErrNotSendable for text that is
	// not valid UTF-8, because the peer would close the connection (RFC 6455,
	// section 8.1). If it is false, the caller must ensure that text is valid.
	CheckUTF8 bool

	// FragmentSize is the maximum payload in bytes of the data frames into
	// which AppendFrame cuts an uncompressed message. Control frames can be
	// sent between the frames of a longer message. 0 means DefaultFragmentSize,
	// and a negative value means no limit.
	FragmentSize int

	// CloseTimeout is the time limit of the closing handshake. 0 means
	// DefaultCloseTimeout, and a negative value means no limit.
	CloseTimeout time.Duration

	// ReadIdleTimeout is how long the peer may be silent while a read waits. 0
	// and negative values mean no limit.
	ReadIdleTimeout time.Duration

	// KeepAlive is the time of silence of the peer after which a ping is due. 0
	// and negative values mean no pings.
	KeepAlive time.Duration

	// KeepAliveTimeout is how long the peer may stay silent after the ping. 0
	// and negative values mean the value of KeepAlive.
	KeepAliveTimeout time.Duration

	// Now is the time at which the connection begins, on the clock of
	// [Protocol.Tick].
	Now time.Duration
}

// settings are the constant part of a Config, and the compression state.
// Uncompressed connections with the same settings share one value: see
// [Config.settings].
type settings struct {
	maxFrame     int64
	maxFragments int32
	fragment     int
	checkText    bool
	closeTimeout time.Duration

	readIdle, keepAlive, keepAliveTimeout time.Duration

	inflater Inflater
	deflater Deflater
	decoded  int64 // decompressed bytes of the open message; belongs to the receiving half
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
	if last := lastSettings.Load(); last != nil && s == *last {
		return last
	}
	own := new(settings) // s itself stays on the stack
	*own = s
	if s.inflater == nil && s.deflater == nil {
		lastSettings.Store(own)
	}
	return own
}

// lastSettings are the latest settings that differ from the default. Most
// programs have one Config, and many connections.
var lastSettings atomic.Pointer[settings]

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

// noLimit returns the limit that n means: def if n is 0, and math.MaxInt64 if n
// is negative.
func noLimit(n, def int64) int64 {
	if n < 0 {
		return math.MaxInt64
	}
	return cmp.Or(n, def)
}
