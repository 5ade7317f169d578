package moved

//lint:file-ignore SA1019 Programs that move over use the names that are deprecated here.

import (
	"io"
	"net/http"
	"testing"

	"github.com/gobwas/httphead"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

var (
	closeBadText  = ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusInvalidFramePayloadData, "")))
	closeProtocol = ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusProtocolError, "")))
)

// frameServer does with frames and headers by hand what wsutil does.
type frameServer struct {
	conn    io.ReadWriter
	state   ws.State
	inText  bool
	utf8    *wsutil.UTF8Reader
	payload *wsutil.CipherReader
}

func serveFrames(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		u := ws.HTTPUpgrader{Extension: func(opt httphead.Option) bool {
			t.Logf("declined: %s", opt)
			return false
		}}
		conn, _, _, err := u.Upgrade(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		s := &frameServer{
			conn:    conn,
			state:   ws.StateServerSide,
			utf8:    wsutil.NewUTF8Reader(nil),
			payload: wsutil.NewCipherReader(nil, [4]byte{}),
		}
		for s.next() {
		}
	}
}

// next echoes one frame. It reports false at the end.
func (s *frameServer) next() bool {
	h, err := ws.ReadHeader(s.conn)
	if err != nil || h.Length > 1<<20 {
		return false
	}
	if ws.CheckHeader(h, s.state) != nil {
		s.conn.Write(closeProtocol)
		return false
	}
	s.payload.Reset(io.LimitReader(s.conn, h.Length), h.Mask)
	switch h.OpCode {
	case ws.OpPing:
		h.OpCode, h.Masked = ws.OpPong, false
		ws.WriteHeader(s.conn, h)
		_, err := io.CopyN(s.conn, s.payload, h.Length)
		return err == nil
	case ws.OpPong:
		_, err := io.CopyN(io.Discard, s.conn, h.Length)
		return err == nil
	}
	p, err := s.read(h)
	switch {
	case err == wsutil.ErrInvalidUTF8:
		s.conn.Write(closeBadText)
		return false
	case err != nil:
		s.conn.Write(ws.CompiledClose)
		return false
	case h.OpCode == ws.OpClose:
		s.close(p)
		return false
	}
	h.Masked = false
	ws.WriteHeader(s.conn, h)
	_, err = s.conn.Write(p)
	return err == nil
}

// read reads the payload of a frame that is no ping or pong, and checks text.
func (s *frameServer) read(h ws.Header) ([]byte, error) {
	var r io.Reader = s.payload
	end := h.OpCode == ws.OpClose
	switch {
	case h.OpCode == ws.OpText:
		s.utf8.Reset(s.payload)
		r, s.inText = s.utf8, true
	case h.OpCode == ws.OpContinuation && s.inText:
		s.utf8.Source = s.payload
		r = s.utf8
	}
	if h.OpCode.IsData() {
		end = h.Fin && s.inText
		s.state = s.state.Set(ws.StateFragmented)
		if h.Fin {
			s.state, s.inText = s.state.Clear(ws.StateFragmented), false
		}
	}
	p := make([]byte, h.Length)
	_, err := io.ReadFull(r, p)
	if err == nil && end && r == s.utf8 && !s.utf8.Valid() {
		err = wsutil.ErrInvalidUTF8
	}
	return p, err
}

func (s *frameServer) close(p []byte) {
	code, reason := ws.ParseCloseFrameData(p)
	switch {
	case len(p) == 1:
		s.conn.Write(closeProtocol)
	case code.Empty():
		s.conn.Write(ws.CompiledClose)
	case code.IsProtocolSpec() && !code.IsProtocolDefined(), ws.CheckCloseFrameData(code, reason) != nil:
		s.conn.Write(closeProtocol)
	default:
		ws.WriteFrame(s.conn, ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))
	}
}

func TestFrames(t *testing.T) {
	require.Zero(t, failed(t, serveFrames(t), `^(length/split|mask/key|ping|pong|utf8/(valid|cut)|close)/`, false))
}
