package echoserver

import (
	"bufio"
	"compress/flate"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"unicode/utf8"

	coder "github.com/coder/websocket"
	"github.com/gobwas/httphead"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// gobwasLibrary is github.com/gobwas/ws as its introduction shows it, which has
// no compression.
var gobwasLibrary = gobwasServer("gobwas", false, echoGobwas)

func echoGobwas(conn net.Conn) {
	defer conn.Close()
	for {
		p, op, err := wsutil.ReadClientData(conn)
		if err != nil {
			return
		}
		if wsutil.WriteServerMessage(conn, op, p) != nil {
			return
		}
	}
}

// gobwasBufferedLibrary is the same with one system call in each direction,
// with buffers for a message, and with a reused Reader and Writer.
var gobwasBufferedLibrary = gobwasServer("gobwas-buffered", true, echoGobwasBuffered)

func echoGobwasBuffered(conn net.Conn) {
	defer conn.Close()
	if options().Deflate {
		echoGobwasDeflate(conn)
		return
	}
	rd := &wsutil.Reader{Source: bufio.NewReaderSize(conn, options().buffer()), State: gobwas.StateServerSide, CheckUTF8: true}
	wr := wsutil.NewWriterSize(conn, gobwas.StateServerSide, gobwas.OpText, options().message())
	p := make([]byte, options().message())
	for {
		h, err := rd.NextFrame()
		if err != nil || h.OpCode.IsControl() || h.Length > int64(len(p)) {
			return
		}
		n := 0
		for err == nil {
			var k int
			k, err = rd.Read(p[n:])
			n += k
		}
		wr.ResetOp(h.OpCode)
		wr.Write(p[:n])
		if wr.Flush() != nil {
			return
		}
	}
}

// echoGobwasDeflate also reuses the compressor and the decompressor.
func echoGobwasDeflate(conn net.Conn) {
	const state = gobwas.StateServerSide | gobwas.StateExtended
	var message wsflate.MessageState
	rd := &wsutil.Reader{Source: bufio.NewReaderSize(conn, options().buffer()), State: state, Extensions: []wsutil.RecvExtension{&message}}
	wr := wsutil.NewWriterSize(conn, state, gobwas.OpText, options().message())
	wr.SetExtensions(&message)
	fr := wsflate.NewReader(rd, func(r io.Reader) wsflate.Decompressor { return resetReader{flate.NewReader(r)} })
	fw := wsflate.NewWriter(wr, func(w io.Writer) wsflate.Compressor {
		c, _ := flate.NewWriter(w, flate.BestSpeed) // fails only for an invalid level
		return c
	})
	p := make([]byte, options().message())
	for {
		h, err := rd.NextFrame()
		if err != nil || h.OpCode.IsControl() {
			return
		}
		fr.Reset(rd)
		n := 0
		for err == nil && n < len(p) {
			var k int
			k, err = fr.Read(p[n:])
			n += k
		}
		if err != io.EOF || !utf8.Valid(p[:n]) {
			return
		}
		rd.Discard() // the decompressor stops before the end of the message
		wr.ResetOp(h.OpCode)
		fw.Reset(wr)
		if _, err := fw.Write(p[:n]); err != nil || fw.Flush() != nil || wr.Flush() != nil {
			return
		}
	}
}

// resetReader has the Reset that gobwas requires.
type resetReader struct{ io.ReadCloser }

func (r resetReader) Reset(src io.Reader) { r.ReadCloser.(flate.Resetter).Reset(src, nil) }

// gobwasDeflate negotiates permessage-deflate without context takeover, if the
// options ask for it.
func gobwasDeflate() func(httphead.Option) (httphead.Option, error) {
	if !options().Deflate {
		return nil
	}
	e := wsflate.Extension{Parameters: wsflate.DefaultParameters}
	return e.Negotiate
}

// gwsLibrary is github.com/lxzan/gws with UTF-8 validation, like all others
// here except coder and gorilla.
var gwsLibrary = Library{
	Name:      "gws",
	Broadcast: broadcastGWS,
	Deflate:   true,
	HTTP: func(w http.ResponseWriter, r *http.Request) (Loop, error) {
		u := gwsUpgrader
		if options().Deflate {
			u = gwsDeflateUpgrader()
		}
		c, err := u.Upgrade(w, r)
		return func() { c.ReadLoop() }, err
	},
}

var gwsUpgrader = gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{CheckUtf8Enabled: true})

// gwsDeflateUpgrader allocates a pool of compressors.
var gwsDeflateUpgrader = sync.OnceValue(func() *gws.Upgrader {
	deflate := gws.PermessageDeflate{Enabled: true, Threshold: MinDeflate}
	return gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{CheckUtf8Enabled: true, PermessageDeflate: deflate})
})

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.WriteMessage(m.Opcode, m.Bytes())
}

// coderLibrary is github.com/coder/websocket.
var coderLibrary = Library{
	Name:      "coder",
	Broadcast: broadcastCoder,
	Deflate:   true,
	HTTP: func(w http.ResponseWriter, r *http.Request) (Loop, error) {
		o := &coder.AcceptOptions{InsecureSkipVerify: true}
		if options().Deflate {
			o.CompressionMode = coder.CompressionNoContextTakeover
		}
		c, err := coder.Accept(w, r, o)
		if err == nil {
			c.SetReadLimit(-1)
		}
		return func() { echoCoder(c) }, err
	},
}

func echoCoder(c *coder.Conn) {
	ctx := context.Background()
	for {
		typ, p, err := c.Read(ctx)
		if err != nil {
			return
		}
		if c.Write(ctx, typ, p) != nil {
			return
		}
	}
}

// gorillaLibrary is github.com/gorilla/websocket.
var gorillaLibrary = Library{
	Name:      "gorilla",
	Broadcast: broadcastGorilla,
	Deflate:   true,
	HTTP: func(w http.ResponseWriter, r *http.Request) (Loop, error) {
		u := gorillaUpgrader
		u.EnableCompression = options().Deflate
		c, err := u.Upgrade(w, r, nil)
		return func() { echoGorilla(c) }, err
	},
}

var gorillaUpgrader = gorilla.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func echoGorilla(c *gorilla.Conn) {
	defer c.Close()
	for {
		typ, p, err := c.ReadMessage()
		if err != nil {
			return
		}
		if c.WriteMessage(typ, p) != nil {
			return
		}
	}
}

// gobwasServer is a server that calls echo with each connection after the
// handshake.
func gobwasServer(name string, deflate bool, echo func(net.Conn)) Library {
	return Library{
		Name:    name,
		Deflate: deflate,
		Raw: func(conn net.Conn) (Loop, error) {
			_, err := gobwas.Upgrader{Negotiate: gobwasDeflate()}.Upgrade(conn)
			return func() { echo(conn) }, err
		},
		HTTP: func(w http.ResponseWriter, r *http.Request) (Loop, error) {
			conn, _, _, err := gobwas.HTTPUpgrader{Negotiate: gobwasDeflate()}.Upgrade(r, w)
			return func() { echo(conn) }, err
		},
	}
}
