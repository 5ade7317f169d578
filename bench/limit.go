package bench

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/wskit/wskit/ws"
)

// Limit is not a library: it does the part of the work that no library can
// omit.
var Limit = Library{
	Name: "limit",

	ParseHeader:  func([]byte, *ws.Header) Job { return copying(64) },
	AppendHeader: func(ws.Header, *[]byte) Job { return copying(64) },
	ReadHeader:   func(*bufio.Reader, *ws.Header) Job { return copying(64) },
	WriteHeader:  func(*bufio.Writer, ws.Header) Job { return copying(64) },

	Mask:        func(p []byte, _ [4]byte) Job { return copyingTo(aligned(len(p), 0), p) },
	MaskCopy:    func(dst, src []byte, _ [4]byte) Job { return copyingTo(dst, src) },
	Valid:       func(text []byte, _ *bool) Job { return copyingTo(aligned(len(text), 0), text) },
	ValidPieces: func(pieces [][]byte, _ *bool) Job { return copying(len(slices.Concat(pieces...))) },
	// Only unmasking, as for binary.
	UnmaskText: func(p []byte, key [4]byte, _ *bool) Job { return wskitLibrary.Mask(p, key) },

	Upgrade: func(io.ReadWriter, func(), time.Duration) Job { return accepting() },
	Accept: func(time.Duration) func(http.ResponseWriter, *http.Request) (io.Closer, error) {
		hash := accepting()
		answer := []byte(answerHead + requestAccept + answerTail)
		return func(w http.ResponseWriter, _ *http.Request) (io.Closer, error) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, err = conn.Write(answer)
			}
			return conn, errors.Join(err, hash(1))
		}
	},
	Dial: func(*Conn) Job { return accepting() },

	Read: func(conn *Conn, _ Side, _ []byte, every func([]byte)) (Job, error) {
		buf := make([]byte, 64<<10)
		return func(int) error {
			for {
				n, err := conn.Read(buf)
				if err == io.EOF {
					return nil
				}
				every(buf[:n])
			}
		}, nil
	},
	Write: func(conn *Conn, _ Side, _ ws.OpCode, p []byte) (Job, error) {
		return func(n int) error {
			for range n {
				if _, err := conn.Write(p); err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
}

// copying copies size bytes.
func copying(size int) Job { return copyingTo(aligned(size, 0), aligned(size, 0)) }

// copyingTo copies src to dst.
func copyingTo(dst, src []byte) Job {
	return func(n int) error {
		for range n {
			copy(dst, src)
		}
		return nil
	}
}

// accepting hashes a key, and encodes the hash.
func accepting() Job {
	dst := make([]byte, 0, 28)
	return func(n int) error {
		for range n {
			dst = appendAccept(dst[:0], []byte(requestKey))
		}
		return nil
	}
}
