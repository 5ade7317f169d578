package bench

import (
	"bufio"
	"io"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// everyMessage makes ours compress messages of any length. Messages that would
// not become smaller are still sent plain.
var everyMessage = &wsflate.SenderConfig{Threshold: -1}

// wskitFlate sends and receives whole frames, with a wsutil.Protocol.
var wskitFlate = Flate{
	Name:     "wskit",
	Contexts: bothContexts,

	Compress: func(conn *Conn, takeover bool, messages [][]byte) (Job, error) {
		p := wsutil.NewProtocol(&wsutil.Config{State: ws.StateServerSide | ws.StateRSV1})
		s := wsflate.NewSender(wskitParameters(takeover), ws.StateServerSide, everyMessage)
		var payload, wire []byte
		i := 0
		return func(n int) (err error) {
			for range n {
				m := messages[i]
				i = (i + 1) % len(messages)
				var compressed bool
				if payload, compressed = s.AppendMessage(payload[:0], m); compressed {
					h := ws.Header{Fin: true, OpCode: ws.OpBinary, Rsv: ws.Rsv(true, false, false)}
					wire, err = p.AppendFragment(wire[:0], h, payload)
				} else {
					wire, err = p.AppendMessage(wire[:0], ws.OpBinary, m)
				}
				if err != nil {
					return err
				}
				if _, err = conn.Write(wire); err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
	Decompress: func(conn *Conn, takeover bool, _ [][]byte, size int, every func([]byte)) (Job, error) {
		rd := wsutil.NewReader(bufio.NewReaderSize(conn, readBuffer), ws.StateServerSide|ws.StateRSV1)
		var message wsflate.MessageState
		rd.Extensions = []wsutil.RecvExtension{&message}
		r := wsflate.NewReceiver(wskitParameters(takeover), ws.StateServerSide)
		payload, out := make([]byte, 0, size+512), make([]byte, 0, size+512)
		return func(n int) (err error) {
			for range n {
				if payload, _, err = rd.AppendMessage(payload[:0]); err != nil {
					return err
				}
				if out, err = r.Append(out[:0], payload, true, wsflate.DefaultMaxMessage); err != nil {
					return err
				}
				every(out)
			}
			return nil
		}, nil
	},
}

// wskitEngine is only package wsflate.
var wskitEngine = Flate{
	Name:     "wskit-engine",
	Contexts: bothContexts,

	Compress: func(conn *Conn, takeover bool, messages [][]byte) (Job, error) {
		s := wsflate.NewSender(wskitParameters(takeover), ws.StateServerSide, everyMessage)
		var out []byte
		i := 0
		return func(n int) error {
			for range n {
				m := messages[i]
				i = (i + 1) % len(messages)
				var compressed bool
				if out, compressed = s.AppendMessage(out[:0], m); compressed {
					m = out
				}
				if _, err := conn.Write(m); err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
	Decompress: func(_ *Conn, takeover bool, payloads [][]byte, size int, every func([]byte)) (Job, error) {
		r := wsflate.NewReceiver(wskitParameters(takeover), ws.StateServerSide)
		out := make([]byte, 0, size+512)
		return func(n int) (err error) {
			for i := range n {
				if out, err = r.Append(out[:0], payloads[i%len(payloads)], true, wsflate.DefaultMaxMessage); err != nil {
					return err
				}
				every(out)
			}
			return nil
		}, nil
	},
}

func wskitParameters(takeover bool) wsflate.Parameters {
	if takeover {
		return wsflate.Parameters{}
	}
	return wsflate.DefaultParameters
}

// ending is a reader of a payload followed by the tail and a final block. It is
// also an io.ByteReader, which decompressors require.
type ending struct {
	p    []byte
	tail string
}

func (e *ending) reset(p []byte) { *e = ending{p, string(deflateTail) + finalBlock} }

func (e *ending) Read(p []byte) (n int, err error) {
	if len(e.p) > 0 {
		n = copy(p, e.p)
		e.p = e.p[n:]
		return n, nil
	}
	if e.tail == "" {
		return 0, io.EOF
	}
	n = copy(p, e.tail)
	e.tail = e.tail[n:]
	return n, nil
}

func (e *ending) ReadByte() (b byte, err error) {
	switch {
	case len(e.p) > 0:
		b, e.p = e.p[0], e.p[1:]
	case e.tail == "":
		return 0, io.EOF
	default:
		b, e.tail = e.tail[0], e.tail[1:]
	}
	return b, nil
}
