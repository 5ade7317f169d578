package bench

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wskit/wskit/ws"
)

// gobwasLibrary uses github.com/gobwas/ws with the caller's buffers where
// possible, which avoids the allocations of its simpler functions.
var gobwasLibrary = Library{
	Name: "gobwas",

	ParseHeader: func(p []byte, got *ws.Header) Job {
		// It has no function for bytes.
		src, buf := bytes.NewReader(p), make([]byte, gobwas.MaxHeaderSize)
		return func(n int) error {
			var h gobwas.Header
			for range n {
				var err error
				src.Reset(p)
				if h, err = gobwas.ReadHeaderBuffer(src, buf); err != nil {
					return err
				}
			}
			*got = fromGobwas(h)
			return nil
		}
	},
	AppendHeader: func(h ws.Header, got *[]byte) Job {
		// It has no function that returns bytes.
		theirs, buf := toGobwas(h), make([]byte, gobwas.MaxHeaderSize)
		dst := bytes.NewBuffer(make([]byte, 0, gobwas.MaxHeaderSize))
		return func(n int) error {
			for range n {
				dst.Reset()
				if err := gobwas.WriteHeaderBuffer(dst, theirs, buf); err != nil {
					return err
				}
			}
			*got = dst.Bytes()
			return nil
		}
	},
	ReadHeader: func(br *bufio.Reader, got *ws.Header) Job {
		buf := make([]byte, gobwas.MaxHeaderSize)
		return func(n int) error {
			var h gobwas.Header
			for range n {
				var err error
				if h, err = gobwas.ReadHeaderBuffer(br, buf); err != nil {
					return err
				}
			}
			*got = fromGobwas(h)
			return nil
		}
	},
	WriteHeader: func(bw *bufio.Writer, h ws.Header) Job {
		theirs, buf := toGobwas(h), make([]byte, gobwas.MaxHeaderSize)
		return func(n int) error {
			for range n {
				if err := gobwas.WriteHeaderBuffer(bw, theirs, buf); err != nil {
					return err
				}
			}
			return nil
		}
	},
	Mask: func(p []byte, key [4]byte) Job {
		return func(n int) error {
			for range n {
				gobwas.Cipher(p, key, 0)
			}
			return nil
		}
	},
	MaskCopy: func(dst, src []byte, key [4]byte) Job {
		// It masks a copy, like its own functions for frames.
		return func(n int) error {
			for range n {
				copy(dst, src)
				gobwas.Cipher(dst, key, 0)
			}
			return nil
		}
	},
	Valid:       func(text []byte, got *bool) Job { return gobwasValid([][]byte{text}, got) },
	ValidPieces: gobwasValid,
	UnmaskText: func(p []byte, key [4]byte, got *bool) Job {
		valid := gobwasValid([][]byte{p}, got)
		return func(n int) error {
			for range n {
				gobwas.Cipher(p, key, 0)
				if err := valid(1); err != nil {
					return err
				}
			}
			return nil
		}
	},
	Upgrade: func(rw io.ReadWriter, rewind func(), timeout time.Duration) Job {
		upgrade := func() error {
			_, err := gobwas.Upgrade(rw)
			return err
		}
		if timeout != 0 { // which is up to the caller
			conn, unbounded := rw.(net.Conn), upgrade
			upgrade = func() error {
				if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
					return err
				}
				if err := unbounded(); err != nil {
					return err
				}
				return conn.SetDeadline(time.Time{})
			}
		}
		return func(n int) error {
			for range n {
				rewind()
				if err := upgrade(); err != nil {
					return err
				}
			}
			return nil
		}
	},
	Accept: func(timeout time.Duration) func(http.ResponseWriter, *http.Request) (io.Closer, error) {
		u := gobwas.HTTPUpgrader{Timeout: timeout}
		return func(w http.ResponseWriter, r *http.Request) (io.Closer, error) {
			conn, _, _, err := u.Upgrade(r, w)
			return conn, err
		}
	},
	Dial: func(conn *Conn) Job {
		return func(n int) error {
			u, err := url.Parse(dialURL)
			if err != nil {
				return err
			}
			for range n {
				conn.Answer()
				if _, _, err := gobwas.DefaultDialer.Upgrade(conn, u); err != nil {
					return err
				}
			}
			return nil
		}
	},
	Read: func(conn *Conn, side Side, buf []byte, every func([]byte)) (Job, error) {
		rd := &wsutil.Reader{Source: bufio.NewReaderSize(conn, readBuffer), State: gobwasState(side), CheckUTF8: true}
		return func(n int) error {
			for range n {
				_, err := rd.NextFrame()
				if err != nil {
					return err
				}
				if buf, err = readAll(rd, buf); err != nil {
					return err
				}
				every(buf)
			}
			return nil
		}, nil
	},
	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		w := wsutil.NewWriterSize(conn, gobwasState(side), gobwas.OpCode(op), len(p)+1) // one frame
		return func(n int) error {
			for range n {
				if _, err := w.Write(p); err != nil {
					return err
				}
				if err := w.Flush(); err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
}

// gobwasHelpers uses the calls at the start of the library's introduction. They
// allocate each message, and write header and payload separately.
var gobwasHelpers = Library{
	Name: "gobwas-helpers",

	Read: func(conn *Conn, side Side, _ []byte, every func([]byte)) (Job, error) {
		rw := bufio.NewReadWriter(bufio.NewReaderSize(conn, readBuffer), bufio.NewWriter(conn))
		return func(n int) error {
			for range n {
				p, _, err := wsutil.ReadData(rw, gobwasState(side))
				if err != nil {
					return err
				}
				every(p)
			}
			return nil
		}, nil
	},
	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		return func(n int) error {
			for range n {
				if err := wsutil.WriteMessage(conn, gobwasState(side), gobwas.OpCode(op), p); err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
}

// gobwasValid uses a reader, the only API for the check. It also copies the
// bytes.
func gobwasValid(pieces [][]byte, got *bool) Job {
	size := 0
	for _, p := range pieces {
		size = max(size, len(p))
	}
	src, buf := bytes.NewReader(nil), make([]byte, size)
	r := wsutil.NewUTF8Reader(src)
	return func(n int) error {
		for range n {
			r.Reset(src)
			for _, p := range pieces {
				src.Reset(p)
				if _, err := r.Read(buf); err != nil {
					*got = false
					return err
				}
			}
			*got = r.Valid()
		}
		return nil
	}
}

func gobwasState(side Side) gobwas.State {
	if side == Client {
		return gobwas.StateClientSide
	}
	return gobwas.StateServerSide
}

func toGobwas(h ws.Header) gobwas.Header {
	return gobwas.Header{Fin: h.Fin, Rsv: h.Rsv, OpCode: gobwas.OpCode(h.OpCode), Masked: h.Masked, Mask: h.Mask, Length: h.Length}
}

func fromGobwas(h gobwas.Header) ws.Header {
	return ws.Header{Fin: h.Fin, Rsv: h.Rsv, OpCode: ws.OpCode(h.OpCode), Masked: h.Masked, Mask: h.Mask, Length: h.Length}
}
