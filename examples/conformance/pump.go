package conformance

import (
	"io"
	"net"
	"unicode/utf8"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// protocol is an echo of the connection without I/O.
func protocol(conn net.Conn, limit int64) {
	if _, err := ws.Upgrade(conn); err != nil {
		return
	}
	pump(conn, conn, wsutil.NewProtocol(&wsutil.Config{MaxMessage: limit}), nil)
}

// codec undoes and does compression.
type codec struct {
	in    *wsflate.Receiver
	out   *wsflate.Sender
	limit int64 // of a message, inflated
}

func newCodec(p wsflate.Parameters, side ws.State, limit int64) *codec {
	return &codec{wsflate.NewReceiver(p, side), wsflate.NewSender(p, side, nil), limit}
}

func (c *codec) close() {
	if c != nil {
		c.in.Close()
		c.out.Close()
	}
}

// compressing is protocol with compression.
func compressing(conn net.Conn, limit int64) {
	extension := wsflate.Extension{Adapts: true}
	if _, err := (ws.Upgrader{Negotiate: extension.Negotiate}).Upgrade(conn); err != nil {
		return
	}
	p, ok := extension.Accepted()
	if !ok {
		pump(conn, conn, wsutil.NewProtocol(&wsutil.Config{MaxMessage: limit}), nil)
		return
	}
	pump(conn, conn, wsutil.NewProtocol(&wsutil.Config{State: ws.StateRSV1, MaxMessage: limit}), newCodec(p, ws.StateServerSide, limit))
}

// pump carries bytes between a connection and a Protocol that echoes.
func pump(conn net.Conn, r io.Reader, c *wsutil.Protocol, flate *codec) {
	defer flate.close()
	defer linger(conn)
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		if n == 0 && err != nil {
			return
		}
		send, err := answer(c, flate, buf[:n])
		if len(send) > 0 {
			if _, werr := conn.Write(send); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// answer takes in received bytes and returns the bytes to send.
func answer(c *wsutil.Protocol, flate *codec, received []byte) (send []byte, err error) {
	for {
		ev, n, err := c.NextMessage(received)
		received = received[n:]
		switch {
		case err == io.ErrUnexpectedEOF:
			return send, nil
		case err != nil:
		case ev.OpCode.IsControl():
			send = c.AppendReply(send, ev)
		default:
			send, err = echoMessage(send, c, flate, ev)
		}
		if err != nil {
			send, _ = c.AppendClose(send, wsutil.CloseCode(err), "")
			return send, err
		}
	}
}

func echoMessage(send []byte, c *wsutil.Protocol, flate *codec, ev wsutil.Event) ([]byte, error) {
	p := ev.Payload
	if ev.Rsv != 0 {
		var err error
		if p, err = flate.in.Append(nil, p, true, flate.limit); err != nil {
			return send, err
		}
		if ev.OpCode == ws.OpText && !utf8.Valid(p) {
			return send, wsutil.ErrInvalidUTF8
		}
	}
	if flate == nil {
		return c.AppendMessage(send, ev.OpCode, p)
	}
	if out, ok := flate.out.AppendMessage(nil, p); ok {
		return c.AppendFragment(send, ws.Header{Fin: true, OpCode: ev.OpCode, Rsv: ws.Rsv(true, false, false)}, out)
	}
	return c.AppendMessage(send, ev.OpCode, p)
}
