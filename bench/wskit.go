package bench

import (
	"bufio"
	"cmp"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/wskit/wskit/internal/utf8s"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

var wskitLibrary = Library{
	Name: "wskit",

	ParseHeader: func(p []byte, got *ws.Header) Job {
		return func(n int) error {
			var h ws.Header
			for range n {
				var err error
				if h, _, err = ws.ParseHeader(p); err != nil {
					return err
				}
			}
			*got = h
			return nil
		}
	},
	AppendHeader: func(h ws.Header, got *[]byte) Job {
		p := make([]byte, 0, ws.MaxHeaderSize)
		return func(n int) error {
			for range n {
				p = ws.AppendHeader(p[:0], h)
			}
			*got = p
			return nil
		}
	},
	ReadHeader: func(br *bufio.Reader, got *ws.Header) Job {
		return func(n int) error {
			var h ws.Header
			for range n {
				var err error
				if h, err = ws.ReadHeader(br); err != nil {
					return err
				}
			}
			*got = h
			return nil
		}
	},
	WriteHeader: func(bw *bufio.Writer, h ws.Header) Job {
		return func(n int) error {
			for range n {
				if err := ws.WriteHeader(bw, h); err != nil {
					return err
				}
			}
			return nil
		}
	},
	Mask: func(p []byte, key [4]byte) Job {
		return func(n int) error {
			for range n {
				ws.Cipher(p, key, 0)
			}
			return nil
		}
	},
	MaskCopy: func(dst, src []byte, key [4]byte) Job {
		return func(n int) error {
			for range n {
				ws.CipherCopy(dst, src, key, 0)
			}
			return nil
		}
	},
	Valid: func(text []byte, got *bool) Job {
		return func(n int) error {
			for range n {
				*got = utf8s.Valid(text)
			}
			return nil
		}
	},
	ValidPieces: func(pieces [][]byte, got *bool) Job {
		return func(n int) error {
			for range n {
				var v utf8s.Validator
				for _, p := range pieces {
					v.Valid(p)
				}
				*got = v.Done()
			}
			return nil
		}
	},
	UnmaskText: func(p []byte, key [4]byte, got *bool) Job {
		return func(n int) error {
			for range n {
				var v utf8s.Validator
				v.Unmask(p, key, 0)
				*got = v.Done()
			}
			return nil
		}
	},
	Upgrade: func(rw io.ReadWriter, rewind func(), timeout time.Duration) Job {
		u := ws.Upgrader{Timeout: cmp.Or(timeout, -1)}
		upgrade := func() error {
			_, err := u.Upgrade(rw)
			return err
		}
		if conn, ok := rw.(net.Conn); ok {
			upgrade = func() error {
				_, _, _, err := u.UpgradeConn(conn)
				return err
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
		u := ws.HTTPUpgrader{Timeout: cmp.Or(timeout, -1)}
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
				if _, _, err := ws.DefaultDialer.Upgrade(conn, u); err != nil {
					return err
				}
			}
			return nil
		}
	},
	Read: func(conn *Conn, side Side, buf []byte, every func([]byte)) (Job, error) {
		r := wsutil.DefaultReader(bufio.NewReaderSize(conn, readBuffer), wskitState(side))
		return func(n int) error {
			for range n {
				p, _, err := r.AppendMessage(buf)
				if err != nil {
					return err
				}
				every(p)
			}
			return nil
		}, nil
	},
	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		w := wsutil.NewWriterSize(conn, wskitState(side), op, len(p)+1) // one frame
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
