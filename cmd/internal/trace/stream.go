package trace

import (
	"errors"
	"fmt"
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
	sought  int               // bytes of start that were searched for the head's end
}

// mostHead is how long the head of a handshake may be.
const mostHead = 64 << 10

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
	end := httphead.End(s.start, s.sought)
	if s.sought = len(s.start); end < 0 {
		if len(s.start) > mostHead {
			s.giveUp(at, errHeadLong)
		}
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
		s.giveUp(at, errHeadCut)
		return
	}
	s.decoder.end(at)
}

// giveUp stops in front of frames.
func (s *stream) giveUp(at time.Time, why error) {
	s.emit(frame{time: at, offset: s.offset, from: s.from, lost: true,
		payload: s.start[:min(len(s.start), 32)], end: why})
	s.looked, s.inHead, s.start, s.stopped = true, false, nil, true
}

var (
	errHeadCut  = errors.New("the capture ends inside the handshake")
	errHeadLong = fmt.Errorf("the handshake has more than %d bytes", mostHead)
)
