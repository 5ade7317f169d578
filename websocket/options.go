package websocket

import (
	"context"
	"io"
	"net/netip"
	"time"

	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// DefaultReadLimit is the most bytes of a message that a connection takes unless told
// otherwise, counted after decompression.
const DefaultReadLimit = 32768

// DefaultCloseTimeout is how long [Conn.Close] waits unless told otherwise.
const DefaultCloseTimeout = 5 * time.Second

// DefaultFragmentSize is the longest frame of a message that is sent without
// compression, unless told otherwise.
const DefaultFragmentSize = wsutil.DefaultFragmentSize

// ConnOptions are the options of a connection that do not depend on how it was made.
// They are part of [AcceptOptions] and [DialOptions]. The zero value is ready to use.
type ConnOptions struct {
	// WriteTimeout is the longest time that one write to the transport may take.
	// A write that takes longer closes the connection, with an error that is
	// os.ErrDeadlineExceeded. It costs no context and no allocation. 0 stands
	// for no limit.
	WriteTimeout time.Duration

	// ReadIdleTimeout is the longest silence of the peer while a read waits: any
	// byte ends it. It closes the connection like WriteTimeout. 0 stands for no
	// limit.
	ReadIdleTimeout time.Duration

	// CloseTimeout is how long [Conn.Close] waits for the peer's close frame, and
	// in all. 0 stands for [DefaultCloseTimeout].
	CloseTimeout time.Duration

	// KeepAlive is the time between two pings that the connection sends by itself,
	// 0 for none. A ping is due only after that much silence of the peer. Reads have
	// to be under way for its pong to be seen. It goes between the frames of a message, of
	// which one that is compressed has one alone.
	KeepAlive time.Duration

	// KeepAliveTimeout is how long the peer may stay silent after such a ping was
	// written; any byte of its ends it. Then the connection is closed. 0 stands
	// for the value of KeepAlive. A ping that cannot be written, for a write before it is
	// stuck, is waited for ten times as long as both together: WriteTimeout bounds the
	// write itself.
	KeepAliveTimeout time.Duration

	// ReadLimit is the most bytes of a message, after decompression. 0 stands for
	// DefaultReadLimit, a negative value for no limit. [Conn.SetReadLimit]
	// changes it.
	ReadLimit int64

	// FragmentSize is the longest frame of a message that is sent without compression:
	// a longer message is cut, so that control frames need not wait for all of it. 0
	// stands for [DefaultFragmentSize], a negative value for no limit.
	FragmentSize int

	// CheckUTF8 makes writing text that is not UTF-8 an error, with nothing sent and
	// the connection as usable as before. If a Writer has sent a part of the message
	// already, the connection is closed. Without it the caller must ensure that text is
	// UTF-8, since the peer closes the connection otherwise. It costs a few nanoseconds a
	// message.
	CheckUTF8 bool

	// MaxFragments is the maximum number of frames of a message. 0 means
	// [wsutil.DefaultMaxFragments], a negative value no limit. A message of more
	// frames closes the connection with [StatusMessageTooBig].
	MaxFragments int

	// CompressionLevel is 1 to 9, from fast to small, where compression was agreed on: see
	// [wsflate.SenderConfig]. 0 means 1. Level 2 makes messages 5 to 20 % smaller, and
	// takes two to nine times as long for them.
	CompressionLevel int

	// Queue bounds the messages of [Conn.Send] that wait, and says what happens to
	// one that does not fit. The zero value stands for 64 KiB, 256 messages and
	// [SendClose].
	Queue SendQueueOptions

	// KeepRequest has [Accept] and [Dial] keep the URL, the host and the fields of the
	// request for [Conn.Request], as long as the connection is referenced.
	KeepRequest bool

	// Stats counts what happens on the connection. Several connections may share
	// one. nil costs nothing.
	Stats *Stats

	// Hooks are called as things happen on the connection. nil costs nothing.
	Hooks *Hooks

	// Group has the connection join it once it is open, and leave it when closed.
	Group *Group
}

// connConfig is what the handshakes hand to newConn.
type connConfig struct {
	// transport is a stream of bytes. SetReadDeadline, SetWriteDeadline, CloseWrite,
	// SyscallConn, LocalAddr and RemoteAddr are used if it has them.
	transport io.ReadWriteCloser

	received    []byte // what arrived after the handshake; newConn owns it
	client      bool
	subprotocol string
	request     *RequestInfo        // nil if it is not kept
	remote      netip.AddrPort      // the client, if the transport belongs to a proxy
	flate       *wsflate.Parameters // agreed on; nil for no compression
	threshold   int                 // messages shorter than this go out plain
	began       clockTime           // of the handshake, 0 if it is not known
	onPing      func(context.Context, []byte) bool
	onPong      func(context.Context, []byte)
	ConnOptions
}

// settings are what is asked for now and then of what a connection was made with.
type settings struct {
	ConnOptions // without what the protocol knows
	subprotocol string
	request     *RequestInfo
	remote      netip.AddrPort
	flate       *wsflate.Parameters
	onPing      func(context.Context, []byte) bool
	onPong      func(context.Context, []byte)
	life        lifetime // unless these are plainSettings
}

// plainSettings are the settings of all connections that have none of their own.
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
