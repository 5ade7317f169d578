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

// dataReader is a Reader that answers control frames and faults of the peer.
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

// bytesPerFrame is the number of bytes in the limit of a message that allow one
// more frame, beyond DefaultMaxFragments. It is the ratio of the two defaults.
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

// read is appendMessage, but answers a fault of the peer with a close frame.
func (d *dataReader) read(dst []byte, want ws.OpCode) ([]byte, ws.OpCode, error) {
	dst, op, err := d.appendMessage(dst, want)
	if fault, ok := errors.AsType[*ws.ProtocolError](err); ok && !d.closed {
		b := controlBuffers.Get().(*controlBuffer)
		defer controlBuffers.Put(b)
		writeNow(d.dst, appendClose(b.out[:0], d.State, fault)) // its error is ignored, because err is returned
	}
	return dst, op, err
}

// AppendData reads the next data message from rw and appends its payload to
// dst. It returns the extended slice and the opcode, [ws.OpText] or
// [ws.OpBinary]. s is the side of the caller.
//
// AppendData answers control frames that arrive before the message or between
// its fragments: see [ControlHandler]. It writes the answers to rw. After the
// answer to a close frame, it returns a [ClosedError]. For a fault of the peer,
// such as invalid UTF-8 in text, it sends a close frame and returns a
// *[ws.ProtocolError] (RFC 6455, section 7.1.7). Other errors are those of rw.
// After an error the connection can no longer be used, and dst has its original
// length.
//
// A message has at most [DefaultMaxMessage] bytes. dst grows with the bytes
// that arrive, never with the declared length. AppendData does not allocate if
// dst has room. It reads no byte after the message, unless rw buffers its
// input. Without a buffer in rw, an unfragmented message takes two Reads, or
// three if it has more than 125 bytes; a *bufio.ReadWriter needs fewer. Answers
// flush a *bufio.ReadWriter, including what the caller has written before.
// [WriteMessage] and [Writer.Flush] do not flush it.
//
// One goroutine at a time may read, and one may write. Answers count as writes.
// AppendData sets no deadlines: how long a peer that does not read can delay an
// answer depends on the Write of rw.
func AppendData(dst []byte, rw io.ReadWriter, s ws.State) ([]byte, ws.OpCode, error) {
	return appendData(dst, rw, s, 0, 0)
}

// AppendDataLimit is [AppendData] for messages of at most limit bytes. A limit
// of 0 means [DefaultMaxMessage], and a negative limit means no limit. A
// message may have [DefaultMaxFragments] frames, or one for each 16 bytes of
// limit if that is more.
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

// AppendClientData is [AppendData] on a server: it reads what a client sends.
func AppendClientData(dst []byte, rw io.ReadWriter) ([]byte, ws.OpCode, error) {
	return AppendData(dst, rw, ws.StateServerSide)
}

// AppendServerData is [AppendData] on a client: it reads what a server sends.
func AppendServerData(dst []byte, rw io.ReadWriter) ([]byte, ws.OpCode, error) {
	return AppendData(dst, rw, ws.StateClientSide)
}

// Data returns an iterator over the data messages of rw, which it reads as
// [AppendDataLimit] does. Each payload is valid until the next iteration: all
// messages use one buffer, which grows to the longest. The iteration ends with
// a zero Message and the error of AppendDataLimit, which is a [ClosedError]
// after a close frame.
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
