package wsutil

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"math"
	"sync"

	"github.com/wskit/wskit/ws"
)

// dataReader is a Reader that answers: control frames, and faults of the peer.
type dataReader struct {
	Reader
	dst    io.Writer
	closed bool // a close frame has been answered, so that nothing may follow

	control FrameHandlerFunc // the method onControl, made once
}

var dataReaders = sync.Pool{New: func() any {
	d := new(dataReader)
	d.control = d.onControl
	return d
}}

// bytesPerFrame is how many bytes of limit allow one more frame, beyond
// DefaultMaxFragments. It is the ratio of the two defaults.
const bytesPerFrame = DefaultMaxMessage / DefaultMaxFragments

func newDataReader(rw io.ReadWriter, s ws.State, limit int64) *dataReader {
	d := dataReaders.Get().(*dataReader)
	d.Reset(rw, s)
	d.dst = rw
	d.CheckUTF8 = true
	d.OnIntermediate = d.control
	d.MaxMessageSize = limit
	d.MaxFragments = -1
	if limit > 0 {
		d.MaxFragments = int(min(max(limit/bytesPerFrame, DefaultMaxFragments), math.MaxInt32))
	}
	return d
}

func (d *dataReader) release() {
	*d = dataReader{control: d.control}
	dataReaders.Put(d)
}

func (d *dataReader) onControl(h ws.Header, payload io.Reader) error {
	d.closed = h.OpCode == ws.OpClose
	return ControlHandler{Src: payload, Dst: d.dst, State: d.State, DisableSrcCiphering: true}.Handle(h)
}

// read is appendMessage that answers a fault of the peer with the close frame that
// it calls for.
func (d *dataReader) read(dst []byte, want ws.OpCode) ([]byte, ws.OpCode, error) {
	dst, op, err := d.appendMessage(dst, want)
	if fault, ok := errors.AsType[*ws.ProtocolError](err); ok && !d.closed {
		b := controlBuffers.Get().(*controlBuffer)
		defer controlBuffers.Put(b)
		writeNow(d.dst, appendClose(b.out[:0], d.State, fault)) // err is the one to tell
	}
	return dst, op, err
}

// AppendData reads the next data message from rw, whole, and appends its payload to
// dst. It returns the extended slice and the opcode, [ws.OpText] or [ws.OpBinary]. s
// is the side on which we are.
//
// Control frames that come before the message and between its fragments are answered
// on rw: see [ControlHandler]. A close frame is answered and ends the connection:
// the error is a [ClosedError]. A fault of the peer, such as text that is not UTF-8,
// is a *[ws.ProtocolError], and its close frame has been sent (RFC 6455, section
// 7.1.7). Other errors are those of rw. After any of them the connection is over,
// and on all of them dst comes back as long as it was.
//
// A message has at most [DefaultMaxMessage] bytes. dst grows with the bytes that
// arrive, never with the length that was declared; nothing is allocated if dst has
// room. No byte behind the message is read, unless rw does so by itself. Where rw has
// no buffer, a message that is not fragmented takes two Reads, or three if it has
// more than 125 bytes; give it a *bufio.ReadWriter to have fewer. Answers are flushed there,
// and with them what the caller has written before; messages of [WriteMessage] and
// [Writer.Flush] are not, but wait for the caller's Flush.
//
// Reading is for one goroutine at a time, and writing too: the answers are Writes
// like those of the caller. No deadline of rw is set or taken away here: for how long
// a peer that reads nothing can hold up an answer is what the Write of rw says.
func AppendData(dst []byte, rw io.ReadWriter, s ws.State) ([]byte, ws.OpCode, error) {
	return appendData(dst, rw, s, 0, 0)
}

// AppendDataLimit is [AppendData] for messages of at most limit bytes: 0 stands for
// [DefaultMaxMessage], a negative value for no limit. A message may have
// [DefaultMaxFragments] frames, or one for each 16 bytes of limit if that is more.
func AppendDataLimit(dst []byte, rw io.ReadWriter, s ws.State, limit int64) ([]byte, ws.OpCode, error) {
	return appendData(dst, rw, s, limit, 0)
}

func appendData(dst []byte, rw io.ReadWriter, s ws.State, limit int64, want ws.OpCode) ([]byte, ws.OpCode, error) {
	if limit == 0 {
		limit = DefaultMaxMessage
	}
	if rw, ok := rw.(*bufio.ReadWriter); ok {
		if dst, op, done, err := appendBuffered(dst, rw.Reader, s, limit, want); done {
			return dst, op, err
		}
	}
	d := newDataReader(rw, s, limit)
	defer d.release()
	return d.read(dst, want)
}

// AppendClientData, for a server: [AppendData] of what a client sends.
func AppendClientData(dst []byte, rw io.ReadWriter) ([]byte, ws.OpCode, error) {
	return AppendData(dst, rw, ws.StateServerSide)
}

// AppendServerData, for a client: [AppendData] of what a server sends.
func AppendServerData(dst []byte, rw io.ReadWriter) ([]byte, ws.OpCode, error) {
	return AppendData(dst, rw, ws.StateClientSide)
}

// Data returns an iterator over the data messages of rw, which reads them as
// [AppendDataLimit] does. A payload is valid until the next message is asked for: all
// lie in one buffer, which grows to the longest. The error is that of AppendDataLimit
// and comes last, with a zero Message, a [ClosedError] among them.
func Data(rw io.ReadWriter, s ws.State, limit int64) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		var p []byte
		for {
			var op ws.OpCode
			var err error
			p, op, err = AppendDataLimit(p[:0], rw, s, limit)
			if err != nil {
				yield(Message{}, err)
				return
			}
			if !yield(Message{op, p}, nil) {
				return
			}
		}
	}
}
