package trace

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/wskit/wskit/httphead"
)

// stream is the bytes of one direction of a connection: the opening handshake, if it
// was captured, and the frames behind it.
type stream struct {
	decoder
	start   []byte // the first bytes: the handshake, as long as it is not complete
	looked  bool   // it is known whether there is a handshake
	inHead  bool
	gotHead func(head []byte) // tells the connection, if not nil
}

func (s *stream) feed(at time.Time, p []byte) {
	if !s.looked {
		s.start = append(s.start, p...)
		if p = s.look(); p == nil {
			return
		}
	} else if s.inHead {
		s.start = append(s.start, p...)
		p = nil
	}
	if s.inHead {
		if p = s.handshake(at); p == nil {
			return
		}
	}
	s.decoder.feed(at, p)
}

// handshakeStarts are how the two heads of an opening handshake begin.
var handshakeStarts = []string{"GET ", "HTTP/1."}

func startsHandshake(p []byte) bool {
	for _, start := range handshakeStarts {
		if bytes.HasPrefix(p, []byte(start)) {
			return true
		}
	}
	return false
}

// look decides whether the stream starts with a handshake. It returns nil as long as
// it cannot know.
func (s *stream) look() []byte {
	for _, start := range handshakeStarts {
		n := min(len(start), len(s.start))
		if string(s.start[:n]) != start[:n] {
			continue
		}
		if n < len(start) {
			return nil
		}
		s.inHead = true
	}
	s.looked = true
	if s.inHead {
		return s.start[:0:0]
	}
	p := s.start
	s.start = nil
	return p
}

// handshake shows the head once it is there, and returns what stands behind it.
func (s *stream) handshake(at time.Time) []byte {
	end := httphead.End(s.start, 0)
	if end < 0 {
		return nil
	}
	head, rest := s.start[:end], s.start[end:]
	line, _, _ := strings.Cut(string(head), "\r\n")
	s.emit(frame{time: at, offset: s.offset, from: s.from, handshake: line})
	s.offset += int64(end)
	s.inHead, s.start = false, nil
	if s.gotHead != nil {
		s.gotHead(head)
	}
	if len(rest) == 0 {
		return nil
	}
	return rest
}

func (s *stream) end(at time.Time) {
	if s.inHead || !s.looked && len(s.start) > 0 {
		s.emit(frame{time: at, offset: s.offset, from: s.from, lost: true,
			payload: s.start[:min(len(s.start), 32)], end: errHeadCut})
		return
	}
	s.decoder.end(at)
}

var errHeadCut = errors.New("the capture ends inside the handshake")
