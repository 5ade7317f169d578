package trace

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wskit/wskit/httphead"
)

// stream decodes one direction of a connection: the opening handshake, if it
// was captured, and the frames after it.
type stream struct {
	decoder
	start   []byte // the first bytes, until the handshake is complete
	looked  bool   // whether there is a handshake is known
	inHead  bool
	gotHead func(head []byte) // called with the head, if not nil
	sought  int               // bytes of start already searched for the end of the head
}

// maxHead is the maximum size of the head of a handshake.
const maxHead = 64 << 10

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

// handshakeStarts are the beginnings of the two heads of an opening handshake.
var handshakeStarts = []string{"GET ", "HTTP/1."}

// look decides whether the stream starts with a handshake. It returns nil until
// it can decide.
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

// handshake emits the head when it is complete, and returns the bytes after it.
func (s *stream) handshake(at time.Time) []byte {
	end := httphead.End(s.start, s.sought)
	if s.sought = len(s.start); end < 0 {
		if len(s.start) > maxHead {
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

// giveUp stops decoding before the frames.
func (s *stream) giveUp(at time.Time, why error) {
	s.emit(frame{time: at, offset: s.offset, from: s.from, lost: true,
		payload: s.start[:min(len(s.start), 32)], end: why})
	s.looked, s.inHead, s.start, s.stopped = true, false, nil, true
}

var (
	errHeadCut  = errors.New("the capture ends inside the handshake")
	errHeadLong = fmt.Errorf("the handshake has more than %d bytes", maxHead)
)
