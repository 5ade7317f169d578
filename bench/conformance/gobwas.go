package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"net"

	"github.com/gobwas/httphead"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"
)

// gobwasAgents are github.com/gobwas/ws with its one-line helpers, without
// compression, and with its reader and package wsflate, with compression.
func gobwasAgents(_ string, limit int64) []*agent {
	wsutil.SetCheckUTF8(true)
	wsutil.SetMaxMessageSize(limit)
	version := moduleVersion("github.com/gobwas/ws")
	helpers := &agent{name: "gobwas/ws: helpers", setup: "wsutil.ReadData and WriteMessage, with SetCheckUTF8 and SetMaxMessageSize", version: version}
	helpers.serve = eachConn(func(conn net.Conn) {
		if _, err := gobwas.Upgrade(conn); err == nil {
			gobwasHelpers(&gobwasConn{ReadWriter: conn, conn: conn}, gobwas.StateServerSide)
		}
	})
	helpers.dial = func(ctx context.Context, url string) error {
		conn, br, _, err := gobwas.Dial(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close()
		gobwasHelpers(behind(conn, br), gobwas.StateClientSide)
		return nil
	}
	reader := &agent{name: "gobwas/ws: wsflate", setup: "wsutil.Reader and wsflate without takeover, UTF8Reader, MaxMessageSize", version: version}
	reader.serve = eachConn(func(conn net.Conn) {
		e := wsflate.Extension{Parameters: gobwasParameters}
		if _, err := (gobwas.Upgrader{Negotiate: e.Negotiate}).Upgrade(conn); err == nil {
			_, compressed := e.Accepted()
			gobwasFlate(&gobwasConn{ReadWriter: conn, conn: conn}, gobwas.StateServerSide, compressed, limit)
		}
	})
	reader.dial = func(ctx context.Context, url string) error {
		d := gobwas.Dialer{Extensions: []httphead.Option{gobwasParameters.Option()}}
		conn, br, hs, err := d.Dial(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close()
		var agreed wsflate.Parameters
		for _, x := range hs.Extensions {
			if err := agreed.Parse(x); err != nil {
				return err
			}
		}
		gobwasFlate(behind(conn, br), gobwas.StateClientSide, len(hs.Extensions) > 0, limit)
		return nil
	}
	return []*agent{helpers, reader}
}

var gobwasParameters = wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}

// gobwasConn records whether a close frame was written. The library answers
// close frames of the peer. For an invalid one it also returns an error, which
// must not be answered again.
type gobwasConn struct {
	io.ReadWriter
	conn   net.Conn
	closed bool
}

func (c *gobwasConn) Write(p []byte) (int, error) {
	h, err := gobwas.ReadHeader(bytes.NewReader(p))
	if err == nil && h.OpCode == gobwas.OpClose && h.Fin {
		rest := int64(len(p) - gobwas.HeaderSize(h)) // headers are also written separately
		c.closed = c.closed || rest == 0 || rest == h.Length
	}
	return c.ReadWriter.Write(p)
}

// behind returns a connection that first reads the bytes that came with the
// handshake.
func behind(conn net.Conn, br *bufio.Reader) *gobwasConn {
	if br == nil {
		return &gobwasConn{ReadWriter: conn, conn: conn}
	}
	return &gobwasConn{ReadWriter: struct {
		io.Reader
		io.Writer
	}{br, conn}, conn: conn}
}

func gobwasHelpers(rw *gobwasConn, state gobwas.State) {
	for {
		p, op, err := wsutil.ReadData(rw, state)
		if err != nil {
			gobwasFail(rw, state, err)
			return
		}
		if wsutil.WriteMessage(rw, state, op, p) != nil {
			return
		}
	}
}

// gobwasFail sends a close frame for err, which the library leaves to its
// users.
func gobwasFail(rw *gobwasConn, state gobwas.State, err error) {
	var code gobwas.StatusCode
	var fault gobwas.ProtocolError
	var inflate flate.CorruptInputError
	switch {
	case errors.Is(err, wsutil.ErrInvalidUTF8):
		code = gobwas.StatusInvalidFramePayloadData
	case errors.Is(err, wsutil.ErrMessageTooLarge), errors.Is(err, wsutil.ErrFrameTooLarge):
		code = gobwas.StatusMessageTooBig
	case errors.As(err, &fault), errors.As(err, &inflate):
		code = gobwas.StatusProtocolError
	}
	if code != 0 && !rw.closed {
		wsutil.WriteMessage(rw, state, gobwas.OpClose, gobwas.NewCloseFrameBody(code, ""))
	}
	lingerTCP(rw.conn)
}

// gobwasFlate is an echo with compression, if it was negotiated.
func gobwasFlate(rw *gobwasConn, state gobwas.State, compressed bool, limit int64) {
	if compressed {
		state |= gobwas.StateExtended
	}
	var msg wsflate.MessageState
	control := wsutil.ControlFrameHandler(rw, state)
	rd := wsutil.Reader{Source: rw, State: state, MaxMessageSize: limit, OnIntermediate: control}
	if compressed {
		rd.Extensions = []wsutil.RecvExtension{&msg}
	}
	for {
		if err := gobwasMessage(&rd, rw, &msg, control, limit); err != nil {
			gobwasFail(rw, state, err)
			return
		}
	}
}

// gobwasMessage reads a message or a control frame, and answers it.
func gobwasMessage(rd *wsutil.Reader, w io.Writer, msg *wsflate.MessageState, control wsutil.FrameHandlerFunc, limit int64) error {
	h, err := rd.NextFrame()
	if err != nil {
		return err
	}
	if h.OpCode.IsControl() {
		return control(h, rd)
	}
	var src io.Reader = rd
	if msg.IsCompressed() {
		src = wsflate.NewReader(rd, func(r io.Reader) wsflate.Decompressor { return flate.NewReader(r) })
	}
	src = io.LimitReader(src, limit+1)
	text := wsutil.NewUTF8Reader(src)
	if h.OpCode == gobwas.OpText {
		src = text
	}
	p, err := io.ReadAll(src)
	switch {
	case err != nil:
		return err
	case int64(len(p)) > limit:
		return wsutil.ErrMessageTooLarge
	case h.OpCode == gobwas.OpText && !text.Valid():
		return wsutil.ErrInvalidUTF8
	}
	f := gobwas.NewFrame(h.OpCode, true, p)
	if msg.IsCompressed() {
		if f, err = gobwasCompress(f); err != nil {
			return err
		}
	}
	if rd.State.ClientSide() {
		f = gobwas.MaskFrameInPlace(f)
	}
	return gobwas.WriteFrame(w, f)
}

func gobwasCompress(f gobwas.Frame) (gobwas.Frame, error) {
	var b bytes.Buffer
	return wsflate.CompressFrameBuffer(&b, f)
}
