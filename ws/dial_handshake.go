package ws

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Upgrade opens a WebSocket connection over conn, which leads to the server of
// the URL already (RFC 6455, section 4.1): it writes the request with one Write
// and reads the answer. br holds the bytes that were read behind the answer, and
// must be read before conn; it is nil if there are none. Upgrade closes nothing, and
// its errors are those of [Dialer.Dial]: a stream that ends before the answer is
// whole is [io.ErrUnexpectedEOF], wrapped. It sets no deadline, but for an answer
// of another status than 101: for the body of that it waits a second, where conn
// has SetReadDeadline.
func (d Dialer) Upgrade(conn io.ReadWriter, u *url.URL) (br *bufio.Reader, hs Handshake, err error) {
	if noConn(conn) {
		return nil, Handshake{}, errNilConn
	}
	s := clientHandshakes.Get().(*clientHandshake)
	defer s.release()
	s.d = d

	if err = s.offer.set(&s.d, u); err != nil {
		return nil, Handshake{}, err
	}
	out := slices.Grow(s.out[:0], max(0, cmp.Or(d.WriteBufferSize, DefaultClientWriteBufferSize)))
	if s.out, err = s.offer.appendTo(out); err != nil {
		return nil, Handshake{}, err
	}
	if err = writeWhole(conn, s.out); err != nil {
		return nil, Handshake{}, fmt.Errorf("write request: %w", err)
	}
	behind, hs, err := s.readAnswer(conn)
	if err != nil {
		return nil, Handshake{}, err
	}
	return readBehind(conn, behind, d.readBufferSize()), hs, nil
}

func (d *Dialer) readBufferSize() int {
	return max(0, cmp.Or(d.ReadBufferSize, DefaultClientReadBufferSize))
}

// clientHandshake is one handshake on the client's side.
type clientHandshake struct {
	d      Dialer
	offer  Offer
	out    []byte // the request
	in     []byte // what has arrived
	parser ResponseParser
}

var clientHandshakes = sync.Pool{New: func() any { return new(clientHandshake) }}

// release forgets all of this handshake but the memory of its buffers.
func (s *clientHandshake) release() {
	if cap(s.out) > keepMost || cap(s.in) > keepMost {
		return
	}
	s.parser.head.Reset()
	*s = clientHandshake{out: s.out[:0], in: s.in[:0], parser: ResponseParser{head: s.parser.head}}
	clientHandshakes.Put(s)
}

// readAnswer reads and checks the answer, and returns what was read behind it: a
// view into s.in.
func (s *clientHandshake) readAnswer(conn io.Reader) (behind []byte, hs Handshake, err error) {
	n, err := s.readHead(conn)
	if err != nil {
		return nil, Handshake{}, err
	}
	hs, err = s.parser.answer.check(&s.parser.head, &s.offer)
	if e, refused := err.(*ConnectionRejectedError); refused {
		s.showRefusal(e, conn)
	}
	if err == nil {
		err = s.parser.answer.fields.tell(s.d.OnHeader)
	}
	if err != nil {
		return nil, Handshake{}, err
	}
	return s.in[n:], hs, nil
}

// readHead reads from conn until the parser has the head of an answer, of n bytes.
func (s *clientHandshake) readHead(conn io.Reader) (n int, err error) {
	s.parser.Limits = s.d.HeadLimits
	s.in = slices.Grow(s.in[:0], s.d.readBufferSize())
	for empty := 0; ; {
		s.in = slices.Grow(s.in, 512)
		n, err := conn.Read(s.in[len(s.in):cap(s.in)])
		s.in = s.in[:len(s.in)+n]
		switch {
		case n > 0:
			empty = 0 // an error comes again
		case err != nil:
			return 0, fmt.Errorf("read response: %w", inside(err))
		default:
			if empty++; empty == 100 {
				return 0, fmt.Errorf("read response: %w", io.ErrNoProgress)
			}
			continue
		}
		if n, err = s.parser.parseHead(s.in); err != io.ErrUnexpectedEOF {
			return n, err
		}
	}
}

// finalAnswer returns what has arrived of the final answer, whose head ends
// at s.in[n].
func (s *clientHandshake) finalAnswer() []byte { return s.in[s.parser.final:] }

// showRefusal has the caller see an answer that refuses, or completes e with the first
// bytes of its body, or what of them arrives soon. conn is of no further use
// afterwards.
func (s *clientHandshake) showRefusal(e *ConnectionRejectedError, conn io.Reader) {
	answer := io.MultiReader(bytes.NewReader(s.finalAnswer()), conn)
	if s.d.OnStatusError != nil {
		s.d.OnStatusError(e.status, s.parser.head.Reason, answer)
		return
	}
	c, ok := conn.(interface{ SetReadDeadline(time.Time) error })
	if !ok || c.SetReadDeadline(time.Now().Add(RefusalBodyTimeout)) != nil {
		answer = bytes.NewReader(s.finalAnswer())
	}
	if full, err := http.ReadResponse(bufio.NewReader(answer), nil); err == nil {
		e.body, _ = io.ReadAll(io.LimitReader(full.Body, MaxRefusalBody))
	}
}

// The bounds of the body of an answer that refuses: how many bytes of it go into a
// [ConnectionRejectedError], and how long a client waits for them.
const (
	MaxRefusalBody     = 4 << 10
	RefusalBodyTimeout = time.Second
)

// readBehind returns a reader of conn that holds what has been read of it already, or
// nil if that is nothing. It copies behind.
func readBehind(conn io.Reader, behind []byte, size int) *bufio.Reader {
	if len(behind) == 0 {
		return nil
	}
	br := bufio.NewReaderSize(&prefixed{bytes.Clone(behind), conn}, max(size, len(behind)))
	br.Peek(len(behind)) // which are there
	return br
}

// prefixed reads a prefix, and then what is behind it.
type prefixed struct {
	prefix []byte
	io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if p.prefix == nil {
		return p.Reader.Read(b)
	}
	n := copy(b, p.prefix)
	if p.prefix = p.prefix[n:]; len(p.prefix) == 0 {
		p.prefix = nil
	}
	return n, nil
}
