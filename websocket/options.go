package websocket

import (
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// DefaultReadLimit is the default of ReadLimit in bytes.
const DefaultReadLimit = 32768

// DefaultCloseTimeout is the default of CloseTimeout.
const DefaultCloseTimeout = 5 * time.Second

// DefaultFragmentSize is the default of FragmentSize in bytes.
const DefaultFragmentSize = wsutil.DefaultFragmentSize

// ConnOptions are the options of a connection that do not depend on how it was
// made. They are part of [AcceptOptions] and [DialOptions]. The zero value has
// the defaults.
type ConnOptions struct {
	// WriteTimeout is the time limit of one write to the transport. A write
	// that takes longer closes the connection, with an error that wraps
	// os.ErrDeadlineExceeded. It requires neither a context nor an allocation.
	// 0 means no limit.
	WriteTimeout time.Duration

	// ReadIdleTimeout is how long the peer may be silent while a read waits.
	// Any byte ends the silence. A timeout closes the connection as
	// WriteTimeout does. 0 means no limit.
	ReadIdleTimeout time.Duration

	// CloseTimeout is the time limit of [Conn.Close], including its wait for
	// the peer's close frame. 0 means [DefaultCloseTimeout].
	CloseTimeout time.Duration

	// KeepAlive is the silence of the peer after which the connection sends a
	// ping. 0 means no pings. A read must be pending to notice the pong. Pings
	// are sent between the frames of a message; a compressed message is one
	// frame.
	KeepAlive time.Duration

	// KeepAliveTimeout is how long the peer may be silent after such a ping was
	// written. Any byte ends the silence; otherwise the connection is closed. 0
	// means the value of KeepAlive. If an earlier write blocks the ping, the
	// limit is ten times KeepAlive plus KeepAliveTimeout; WriteTimeout bounds
	// that write itself.
	KeepAliveTimeout time.Duration

	// ReadLimit is the maximum size of a message in bytes, after decompression.
	// 0 means DefaultReadLimit, and a negative value means no limit.
	// [Conn.SetReadLimit] changes it.
	ReadLimit int64

	// FragmentSize is the maximum frame size in bytes of an uncompressed
	// message. A longer message is cut into fragments, so that control frames
	// need not wait for all of it. 0 means [DefaultFragmentSize], and a
	// negative value means no limit.
	FragmentSize int

	// CheckUTF8 makes it an error to write text that is not valid UTF-8.
	// Nothing is sent, and the connection stays usable; but if a Writer has
	// already sent a part of the message, the connection is closed. If
	// CheckUTF8 is false, the caller must ensure that text is valid, because
	// the peer closes the connection otherwise. The check takes a few
	// nanoseconds per message.
	CheckUTF8 bool

	// MaxFragments is the maximum number of frames of a message. 0 means
	// [wsutil.DefaultMaxFragments], and a negative value means no limit. A
	// message of more frames closes the connection with [StatusMessageTooBig].
	MaxFragments int

	// CompressionLevel is 1 (fast) to 9 (small), if compression was negotiated:
	// see [wsflate.SenderConfig]. 0 means 1. Level 2 makes messages 5 to 20 %
	// smaller, and takes two to nine times as long.
	CompressionLevel int

	// Queue bounds the queue of [Conn.Send] and says what happens to a message
	// that does not fit. The zero value means 64 KiB, 256 messages and
	// [SendClose].
	Queue SendQueueOptions

	// KeepRequest makes [Accept] and [Dial] keep the URL, the host and the
	// header of the request for [Conn.Request], as long as the connection is
	// referenced.
	KeepRequest bool

	// Stats counts events on the connection. Several connections may share one
	// Stats.
	Stats *Stats

	// Hooks are functions that are called for events on the connection.
	Hooks *Hooks

	// Group is a group that the connection joins when it is open, and leaves
	// when it is closed.
	Group *Group
}

// connConfig is what the handshakes pass to newConn.
type connConfig struct {
	// transport is a stream of bytes. Its methods SetReadDeadline,
	// SetWriteDeadline, CloseWrite, SyscallConn, LocalAddr and RemoteAddr are
	// used if it has them.
	transport io.ReadWriteCloser

	received    []byte // data after the handshake; newConn owns it
	client      bool
	subprotocol string
	request     *RequestInfo        // nil if it is not kept
	remote      netip.AddrPort      // the client's address, if the transport connects to a proxy
	flate       *wsflate.Parameters // negotiated parameters; nil for no compression
	threshold   int                 // shorter messages are not compressed
	began       clockTime           // start of the handshake, or 0 if unknown
	onPing      func(context.Context, []byte) bool
	onPong      func(context.Context, []byte)
	ConnOptions
}

// settings are the options of a connection that are needed after it was made,
// but rarely.
type settings struct {
	ConnOptions // without the options that the protocol holds
	subprotocol string
	request     *RequestInfo
	remote      netip.AddrPort
	flate       *wsflate.Parameters
	onPing      func(context.Context, []byte) bool
	onPong      func(context.Context, []byte)
	life        lifetime // unless these are plainSettings
}

// plainSettings are shared by all connections without settings of their own.
var plainSettings settings

func (cfg *connConfig) settings() *settings {
	o := cfg.ConnOptions
	o.ReadLimit, o.FragmentSize, o.MaxFragments, o.CloseTimeout, o.CheckUTF8 = 0, 0, 0, 0, false
	o.ReadIdleTimeout, o.KeepAlive, o.KeepAliveTimeout = 0, 0, 0
	o.KeepRequest = false
	plain := o == (ConnOptions{}) && cfg.subprotocol == "" && cfg.request == nil && !cfg.remote.IsValid() && cfg.flate == nil &&
		cfg.onPing == nil && cfg.onPong == nil
	if plain {
		return &plainSettings
	}
	return &settings{
		ConnOptions: o, subprotocol: cfg.subprotocol, request: cfg.request, remote: cfg.remote, flate: cfg.flate,
		onPing: cfg.onPing, onPong: cfg.onPong,
	}
}
