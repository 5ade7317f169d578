package echoserver

import (
	"bufio"
	"context"
	"net"
	"net/http"

	coder "github.com/coder/websocket"
	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	gorilla "github.com/gorilla/websocket"
	"github.com/lxzan/gws"
)

// gobwasLibrary is github.com/gobwas/ws as its introduction shows it.
var gobwasLibrary = gobwasServer("gobwas", echoGobwas)

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
var gobwasBufferedLibrary = gobwasServer("gobwas-buffered", echoGobwasBuffered)

func echoGobwasBuffered(conn net.Conn) {
	defer conn.Close()
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

// gwsLibrary is github.com/lxzan/gws with UTF-8 validation, like all others
// here except coder and gorilla.
var gwsLibrary = Library{
	Name:      "gws",
	Broadcast: broadcastGWS,
	HTTP: func(w http.ResponseWriter, r *http.Request) (Loop, error) {
		c, err := gwsUpgrader.Upgrade(w, r)
		return func() { c.ReadLoop() }, err
	},
}

var gwsUpgrader = gws.NewUpgrader(gwsEcho{}, &gws.ServerOption{CheckUtf8Enabled: true})

type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.WriteMessage(m.Opcode, m.Bytes())
}

// coderLibrary is github.com/coder/websocket.
var coderLibrary = Library{
	Name:      "coder",
	Broadcast: broadcastCoder,
	HTTP: func(w http.ResponseWriter, r *http.Request) (Loop, error) {
		c, err := coder.Accept(w, r, &coder.AcceptOptions{InsecureSkipVerify: true})
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
	HTTP: func(w http.ResponseWriter, r *http.Request) (Loop, error) {
		c, err := gorillaUpgrader.Upgrade(w, r, nil)
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
func gobwasServer(name string, echo func(net.Conn)) Library {
	return Library{
		Name: name,
		Raw: func(conn net.Conn) (Loop, error) {
			_, err := gobwas.Upgrade(conn)
			return func() { echo(conn) }, err
		},
		HTTP: func(w http.ResponseWriter, r *http.Request) (Loop, error) {
			conn, _, _, err := gobwas.UpgradeHTTP(r, w)
			return func() { echo(conn) }, err
		},
	}
}
