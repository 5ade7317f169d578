package wsbridge

import (
	"bytes"
	"io"
	"net/http"

	"github.com/wskit/wskit/internal/httpstream"
	"github.com/wskit/wskit/ws"
)

// upgrade answers the client and returns its stream.
func upgrade(u *ws.HTTPUpgrader, w http.ResponseWriter, r *http.Request) (io.ReadWriteCloser, ws.Handshake, error) {
	if r.ProtoMajor > 1 {
		s := handlerStream{httpstream.New(w, r)}
		u.OnRequest = s.OnRequest(u.OnRequest)
		hs, err := u.UpgradeStream(r, w)
		if err != nil {
			return nil, hs, err
		}
		s.Open()
		return s, hs, nil
	}
	conn, rw, hs, err := u.Upgrade(r, w)
	if err != nil {
		return nil, hs, err
	}
	behind, received := ws.Detach(conn, rw.Reader)
	if len(received) == 0 {
		return behind, hs, nil
	}
	return &prefixed{behind, bytes.NewReader(received)}, hs, nil
}

// prefixed is a connection with bytes that were already read.
type prefixed struct {
	io.ReadWriteCloser
	first *bytes.Reader
}

func (c *prefixed) Read(p []byte) (int, error) {
	if c.first.Len() > 0 {
		return c.first.Read(p)
	}
	return c.ReadWriteCloser.Read(p)
}

func (c *prefixed) CloseWrite() error { return closeWrite(c.ReadWriteCloser) }

// handlerStream is the stream of an extended CONNECT. It ends when the handler
// returns. A server can send only while it reads, so the end of one direction
// ends both.
type handlerStream struct{ *httpstream.Stream }

// Close ends pending calls. It resets the stream to end a Write.
func (s handlerStream) Close() error {
	s.Finish(false)
	return nil
}

func (s handlerStream) CloseWrite() error { return s.Close() }

// release ends the use of the stream. It resets the stream unless clean is set.
func (s handlerStream) release(clean bool) {
	s.Finish(false)
	if !clean {
		panic(http.ErrAbortHandler)
	}
}

// closeWrite ends writing, if the stream supports that.
func closeWrite(s io.Writer) error {
	if half, ok := s.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
