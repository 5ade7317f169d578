package ws

import (
	"bufio"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"

	"github.com/wskit/wskit/httphead"
)

// readRequest reads and parses the request. It does not read past the request.
func (s *upgrade) readRequest(conn io.ReadWriter) error {
	switch c := conn.(type) {
	case *bufio.ReadWriter:
		return s.req.read(c.Reader)
	case *net.TCPConn:
		return s.readSocket(c, c)
	case *net.UnixConn:
		return s.readSocket(c, c)
	}
	return s.readSteps(conn)
}

// readSocket peeks at received bytes and reads those that belong to the
// request, until it is complete, malformed or too large.
func (s *upgrade) readSocket(conn io.ReadWriter, sc syscall.Conn) error {
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	for {
		s.in = slices.Grow(s.in, 512)
		have, room := len(s.in), s.in[len(s.in):cap(s.in)]
		n, err := s.peek.socket(raw, room)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			return s.readSteps(conn)
		case err != nil:
			return err
		case n == 0:
			return s.endOfRequest()
		}
		end := httphead.End(s.in[:have+n], have)
		if end >= 0 {
			n = end - have
		}
		if _, err := io.ReadFull(conn, room[:n]); err != nil {
			return err
		}
		s.in = s.in[:have+n]
		if end >= 0 || s.req.HeadLimits.Exceeded(len(s.in)) {
			_, err := ParseRequest(s.in, &s.req)
			return err
		}
	}
}

// readSteps reads in steps of the minimum number of missing bytes, until the
// request is complete, malformed or too large.
func (s *upgrade) readSteps(r io.Reader) error {
	due := newMissingBytes()
	for empty := 0; ; {
		least := due.least(s.in)
		if least == 0 || s.req.HeadLimits.Exceeded(len(s.in)) {
			_, err := ParseRequest(s.in, &s.req)
			return err
		}
		s.in = slices.Grow(s.in, least)
		n, err := r.Read(s.in[len(s.in) : len(s.in)+least])
		s.in = s.in[:len(s.in)+n]
		switch {
		case n > 0:
			empty = 0 // the next read returns the error again
		case err == io.EOF:
			return s.endOfRequest()
		case err != nil:
			return err
		default:
			if empty++; empty == 100 {
				return io.ErrNoProgress
			}
		}
	}
}

// readAhead reads and parses the request. Bytes after it are then in s.in from
// index s.size.
func (s *upgrade) readAhead(r io.Reader) error {
	for empty := 0; ; {
		s.in = slices.Grow(s.in, 512)
		n, err := r.Read(s.in[len(s.in):cap(s.in)])
		s.in = s.in[:len(s.in)+n]
		switch {
		case n > 0:
			empty = 0 // the next read returns the error again
			if s.size, err = ParseRequest(s.in, &s.req); err != io.ErrUnexpectedEOF {
				return err
			}
		case err == io.EOF:
			return s.endOfRequest()
		case err != nil:
			return err
		default:
			if empty++; empty == 100 {
				return io.ErrNoProgress
			}
		}
	}
}

// endOfRequest returns the error for a stream that ends inside or before the
// request.
func (s *upgrade) endOfRequest() error {
	if len(s.in) == 0 {
		return io.EOF
	}
	_, err := ParseRequest(s.in, &s.req)
	return err
}
