package bench

import (
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"io"

	coder "github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// gorillaFlate does not support context takeover.
var gorillaFlate = Flate{
	Name:     "gorilla",
	Contexts: noContext,
	Compress: func(conn *Conn, _ bool, messages [][]byte) (Job, error) {
		c, err := gorillaFlateOpen(conn)
		return inTurn(messages, func(p []byte) error { return c.WriteMessage(gorilla.BinaryMessage, p) }), err
	},
	Decompress: func(conn *Conn, _ bool, _ [][]byte, size int, every func([]byte)) (Job, error) {
		c, err := gorillaFlateOpen(conn)
		buf := make([]byte, 0, size+512)
		return gorillaReading(c, buf, every), err
	},
}

func gorillaFlateOpen(conn *Conn) (*gorilla.Conn, error) {
	r, err := httpRequest()
	if err != nil {
		return nil, err
	}
	u := gorillaUpgrader
	u.EnableCompression = true
	return u.Upgrade(NewResponseWriter(conn), r, nil)
}

var coderFlate = Flate{
	Name:     "coder",
	Contexts: bothContexts,
	Compress: func(conn *Conn, takeover bool, messages [][]byte) (Job, error) {
		c, err := coderFlateOpen(conn, takeover)
		ctx := context.Background()
		return inTurn(messages, func(p []byte) error { return c.Write(ctx, coder.MessageBinary, p) }), err
	},
	Decompress: func(conn *Conn, takeover bool, _ [][]byte, size int, every func([]byte)) (Job, error) {
		c, err := coderFlateOpen(conn, takeover)
		buf := make([]byte, 0, size+512)
		return coderReading(c, buf, every), err
	},
}

func coderFlateOpen(conn *Conn, takeover bool) (*coder.Conn, error) {
	r, err := httpRequest()
	if err != nil {
		return nil, err
	}
	opts := coderAccept
	opts.CompressionThreshold = 1
	if opts.CompressionMode = coder.CompressionNoContextTakeover; takeover {
		opts.CompressionMode = coder.CompressionContextTakeover
	}
	c, err := coder.Accept(NewResponseWriter(conn), r, &opts)
	if err == nil {
		c.SetReadLimit(-1)
	}
	return c, err
}

var gwsFlate = Flate{
	Name:     "gws",
	Contexts: bothContexts,
	Compress: func(conn *Conn, takeover bool, messages [][]byte) (Job, error) {
		c, err := gwsFlateOpen(conn, takeover, gws.BuiltinEventHandler{})
		return inTurn(messages, func(p []byte) error { return c.WriteMessage(gws.OpcodeBinary, p) }), err
	},
	Decompress: func(conn *Conn, takeover bool, _ [][]byte, _ int, every func([]byte)) (Job, error) {
		events := &gwsEvents{every: every}
		c, err := gwsFlateOpen(conn, takeover, events)
		return func(n int) error {
			if c.ReadLoop(); events.messages < n {
				return errors.Join(io.ErrUnexpectedEOF, events.err)
			}
			return nil
		}, err
	},
}

func gwsFlateOpen(conn *Conn, takeover bool, events gws.Event) (*gws.Conn, error) {
	gwsPool()
	r, err := httpRequest()
	if err != nil {
		return nil, err
	}
	opts := &gws.ServerOption{ReadBufferSize: readBuffer, PermessageDeflate: gws.PermessageDeflate{
		Enabled: true, Threshold: 1, Level: flate.BestSpeed,
		ServerContextTakeover: takeover, ClientContextTakeover: takeover,
		ServerMaxWindowBits: 15, ClientMaxWindowBits: 15,
	}}
	return gws.NewUpgrader(events, opts).Upgrade(NewResponseWriter(conn), r)
}

// gobwasFlate is its wsflate with compress/flate, both reused as its
// documentation shows. It does not support context takeover.
var gobwasFlate = Flate{
	Name:     "gobwas",
	Contexts: noContext,
	Compress: func(conn *Conn, _ bool, messages [][]byte) (Job, error) {
		var state wsflate.MessageState
		state.SetCompressed(true)
		w := wsutil.NewWriterSize(conn, gobwas.StateServerSide|gobwas.StateExtended, gobwas.OpBinary, len(messages[0])+512)
		w.SetExtensions(&state)
		fw := wsflate.NewWriter(w, func(w io.Writer) wsflate.Compressor {
			c, _ := flate.NewWriter(w, flate.BestSpeed)
			return c
		})
		return inTurn(messages, func(p []byte) error {
			fw.Reset(w)
			_, err := fw.Write(p)
			return errors.Join(err, fw.Flush(), w.Flush())
		}), nil
	},
	Decompress: func(conn *Conn, _ bool, _ [][]byte, size int, every func([]byte)) (Job, error) {
		var state wsflate.MessageState
		rd := &wsutil.Reader{
			Source:     bufio.NewReaderSize(conn, readBuffer),
			State:      gobwas.StateServerSide | gobwas.StateExtended,
			Extensions: []wsutil.RecvExtension{&state},
		}
		fr := wsflate.NewReader(nil, func(r io.Reader) wsflate.Decompressor { return resetReader{flate.NewReader(r)} })
		buf := make([]byte, 0, size+512)
		return func(n int) error {
			for range n {
				if _, err := rd.NextFrame(); err != nil {
					return err
				}
				fr.Reset(rd)
				var err error
				if buf, err = readAll(fr, buf); err != nil {
					return err
				}
				// The decompressor has not read the end of the message.
				if err = rd.Discard(); err != nil && err != wsutil.ErrNoFrameAdvance {
					return err
				}
				every(buf)
			}
			return nil
		}, nil
	},
}

// resetReader has the Reset that gobwas requires.
type resetReader struct{ io.ReadCloser }

func (r resetReader) Reset(src io.Reader) { r.ReadCloser.(flate.Resetter).Reset(src, nil) }

// inTurn is a job that sends messages cyclically.
func inTurn(messages [][]byte, send func(p []byte) error) Job {
	i := 0
	return func(n int) error {
		for range n {
			if err := send(messages[i]); err != nil {
				return err
			}
			i = (i + 1) % len(messages)
		}
		return nil
	}
}
