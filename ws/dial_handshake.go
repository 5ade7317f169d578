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

// Upgrade opens a WebSocket connection over conn, which is already connected to
// the server of the URL (RFC 6455, section 4.1). It writes the request with one
// Write and reads the response. br holds bytes that were read after the
// response, or is nil if there are none. The caller must read br before conn.
// Upgrade does not close conn. Its errors are those of [Dialer.Dial]. If the
// stream ends inside the response, the error wraps [io.ErrUnexpectedEOF]. If
// the status is not 101 and conn has SetReadDeadline, Upgrade sets a deadline
// of one second to read the body. It sets no other deadline.
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

// clientHandshake is the state of one client handshake.
type clientHandshake struct {
	d      Dialer
	offer  Offer
	out    []byte // the request
	in     []byte // what has arrived
	parser ResponseParser
}

var clientHandshakes = sync.Pool{New: func() any { return new(clientHandshake) }}

// release resets the handshake and keeps the memory of its buffers.
func (s *clientHandshake) release() {
	if cap(s.out) > maxKept || cap(s.in) > maxKept {
		return
	}
	s.parser.head.Reset()
	*s = clientHandshake{out: s.out[:0], in: s.in[:0], parser: ResponseParser{head: s.parser.head}}
	clientHandshakes.Put(s)
}

// readAnswer reads and checks the response. behind holds the bytes after the
// response, as a view into s.in.
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

// readHead reads from conn until the parser has a response head of n bytes.
func (s *clientHandshake) readHead(conn io.Reader) (n int, err error) {
	s.parser.Limits = s.d.HeadLimits
	s.in = slices.Grow(s.in[:0], s.d.readBufferSize())
	for empty := 0; ; {
		s.in = slices.Grow(s.in, 512)
		n, err := conn.Read(s.in[len(s.in):cap(s.in)])
		s.in = s.in[:len(s.in)+n]
		switch {
		case n > 0:
			empty = 0 // the next read returns the error again
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

// finalAnswer returns the received bytes of the final response.
func (s *clientHandshake) finalAnswer() []byte { return s.in[s.parser.final:] }

// showRefusal calls the caller's OnStatusError with a refusal. If that is nil,
// it adds to e the first bytes of the body that arrive within
// RefusalBodyTimeout. conn must not be used afterwards.
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

// Limits of the body of a refusal: the number of bytes that a
// [ConnectionRejectedError] holds, and the time that a client waits for them.
const (
	MaxRefusalBody     = 4 << 10
	RefusalBodyTimeout = time.Second
)

// readBehind returns a reader of conn that already holds a copy of behind, or
// nil if behind is empty.
func readBehind(conn io.Reader, behind []byte, size int) *bufio.Reader {
	if len(behind) == 0 {
		return nil
	}
	br := bufio.NewReaderSize(&prefixed{bytes.Clone(behind), conn}, max(size, len(behind)))
	br.Peek(len(behind)) // which are available
	return br
}

// prefixed reads a prefix and then from a reader.
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
