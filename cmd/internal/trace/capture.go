package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
)

// capture selects the TCP streams of a capture that are WebSocket connections,
// or the one of --stream, and decodes them.
type capture struct {
	options
	emit   func(frame)
	count  int      // number of streams with data
	shown  int      // number of decoded streams
	others []string // some of the other streams
}

// maxNamed is how many streams a message lists.
const maxNamed = 20

// piece is bytes of one direction of a TCP stream, in order.
type piece struct {
	at   time.Time
	from direction
	data []byte
	lost int // bytes missing from the capture before this piece
}

// tcpStream is the captured part of a TCP connection.
type tcpStream struct {
	*capture
	client, server string
	number         int // 0 before the first data
	choice         choice
	held           []piece     // pieces before the choice
	swapped        bool        // client and server were confused
	conn           *connection // nil unless the stream is decoded and uses HTTP/1.1
	http2          *http2Connection
	last           time.Time
}

func (s *tcpStream) name() string { return s.client + " -> " + s.server }

// choice says whether a stream is decoded.
type choice byte

const (
	undecided choice = iota
	wanted
	unwanted
)

// take decodes the next piece, or holds it until the choice is made.
func (s *tcpStream) take(p piece) {
	if s.number == 0 {
		s.count++
		s.number = s.count
	}
	switch s.choice {
	case wanted:
		s.decode(p)
	case undecided:
		p.data = bytes.Clone(p.data)
		s.held = append(s.held, p)
		s.choose(s.look())
	}
}

// choose decodes the held pieces, or drops them.
func (s *tcpStream) choose(c choice) {
	s.choice = c
	switch c {
	case unwanted:
		if len(s.others) < maxNamed {
			s.others = append(s.others, fmt.Sprintf("%d is %s", s.number, s.name()))
		}
	case wanted:
		emit := func(f frame) {
			f.stream = s.number
			s.emit(f)
		}
		if s.sender() != s.held[0].from {
			s.swapped, s.client, s.server = true, s.server, s.client
		}
		begun := func(at time.Time) {
			s.shown++
			emit(frame{time: at, peers: s.name()})
		}
		if s.looksHTTP2() == wanted {
			s.http2 = newHTTP2(s.options, emit, begun)
		} else {
			s.conn = newConnection(s.options, emit)
			begun(s.held[0].at)
		}
		for _, p := range s.held {
			s.decode(p)
		}
	default:
		return
	}
	s.held = nil
}

func (s *tcpStream) decode(p piece) {
	from := fromClient
	if (p.from == fromServer) != s.swapped {
		from = fromServer
	}
	var d interface {
		feed(at time.Time, p []byte)
		gap(at time.Time, n int)
	}
	if s.conn != nil {
		d = s.conn.side(from)
	} else {
		d = s.http2.half(from)
	}
	if p.lost > 0 {
		d.gap(p.at, p.lost)
	}
	d.feed(p.at, p.data)
	s.last = p.at
}

// end marks the end of the stream.
func (s *tcpStream) end() {
	if s.choice == undecided && s.number > 0 {
		s.choose(unwanted)
	}
	switch {
	case s.conn != nil:
		s.conn.client.end(s.last)
		s.conn.server.end(s.last)
	case s.http2 != nil && s.http2.begun != nil:
		s.choose(unwanted) // no WebSocket has begun
	case s.http2 != nil:
		s.http2.client.end(s.last)
		s.http2.server.end(s.last)
	}
}

// look decides by --stream or by the start of the stream. A stream is decoded
// if it starts with the preface of HTTP/2, an upgrade request or a response to
// one, or, if its start was not captured, with a frame.
func (s *tcpStream) look() choice {
	if s.tcpStream > 0 && s.tcpStream != s.number {
		return unwanted
	}
	if c := s.looksHTTP2(); c != unwanted {
		return c
	}
	if s.tcpStream > 0 {
		return wanted
	}
	var first []byte
	for _, p := range s.held {
		if p.from != s.held[0].from {
			return unwanted // the other side has sent a response before the request was complete
		}
		first = append(first, p.data...)
	}
	if !startsWith(first, handshakeStarts) && !mayStartWith(first, handshakeStarts) {
		return looksFramed(first)
	}
	end := httphead.End(first, 0)
	if end < 0 {
		if len(first) > maxHead {
			return unwanted
		}
		return undecided
	}
	head := bytes.ToLower(first[:end])
	return choose(bytes.Contains(head, []byte("\r\nsec-websocket-key:")) || bytes.Contains(head, []byte("\r\nsec-websocket-accept:")))
}

func choose(yes bool) choice {
	if yes {
		return wanted
	}
	return unwanted
}

// looksFramed decides whether p begins with the header of a valid frame.
func looksFramed(p []byte) choice {
	h, _, err := ws.ParseHeader(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return undecided
	}
	s := fromServer.state()
	if h.Masked {
		s = fromClient.state()
	}
	s = s.Set(ws.StateRSV1)
	return choose(err == nil && (ws.CheckHeader(h, s) == nil || ws.CheckHeader(h, s.Set(ws.StateFragmented)) == nil))
}

// sender returns the sender of the first piece.
func (s *tcpStream) sender() direction {
	first := s.held[0].data
	if s.looksHTTP2() == wanted {
		if startsWith(first, http2Preface) || mayStartWith(first, http2Preface) {
			return fromClient
		}
		return fromServer
	}
	return sender(first)
}

// sender returns the sender of bytes that begin like p. In a capture, the first
// packet is conclusive only if it opens the connection.
func sender(p []byte) direction {
	if bytes.HasPrefix(p, []byte("GET ")) || !startsWith(p, handshakeStarts) && len(p) > 1 && p[1]&0x80 != 0 {
		return fromClient
	}
	return fromServer
}

// problem returns why no stream was decoded, if none was.
func (c *capture) problem() error {
	switch {
	case c.shown > 0:
		return nil
	case c.count == 0:
		return errors.New("the capture has no TCP stream with data")
	case c.tcpStream > 0:
		return exit.Usagef("--stream %d: the capture has %d TCP streams", c.tcpStream, c.count)
	}
	names := slices.Clone(c.others)
	if more := c.count - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return exit.Usagef("no WebSocket connection in the capture: choose a TCP stream with --stream N: %s", strings.Join(names, ", "))
}
